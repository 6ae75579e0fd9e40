"""The grammar of encoder names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.core.errors import UsageError
from harness.encoders import parse_name
from harness.encoders.names import plain


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("resnet50.tv_in1k", ("pretrained", "resnet50.tv_in1k", 0, None)),
        ("resnet18.tv_in1k@layer3", ("pretrained", "resnet18.tv_in1k", 3, None)),
        ("hf-hub:owner/model", ("pretrained", "hf-hub:owner/model", 0, None)),
        ("hf_hub:owner/model", ("pretrained", "hf-hub:owner/model", 0, None)),
        ("hf_hub:MahmoodLab/uni", ("own", "uni_v1", 0, None)),
        ("random:virchow2@cls+mean", ("random", "virchow2@cls+mean", 0, None)),
        ("file:hf-hub:owkin/phikon=models/phikon", ("file", "phikon", 0, Path("models/phikon"))),
        ("random:resnet18@layer1", ("random", "resnet18", 1, None)),
        ("random:hf-hub:owner/model", ("random", "hf-hub:owner/model", 0, None)),
        ("file:resnet18@layer3=a/b=c.pt", ("file", "resnet18", 3, Path("a/b=c.pt"))),
        ("conv64", ("own", "conv64", 0, None)),
        ("file:conv27=w.safetensors", ("file", "conv27", 0, Path("w.safetensors"))),
    ],
)
def test_names_are_taken_apart(text: str, expected: tuple[object, ...]) -> None:
    name = parse_name(text)
    assert (name.origin, name.model, name.stage, name.path) == expected
    assert name.text == text


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("rand:resnet18", "random:resnet18"),
        ("resnet18@layer5", "layer4"),
        ("resnet18@avgpool", "layer1"),
        ("file:resnet18", "file:resnet18=PATH"),
        ("file:resnet18=", "file:resnet18=PATH"),
        ("", "resnet18.tv_in1k"),
        ("random:", "resnet18.tv_in1k"),
    ],
)
def test_a_malformed_name_is_answered_with_the_right_form(text: str, fix: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_name(text)
    assert fix in caught.value.fix
    assert text in caught.value.place


def test_reading_a_name_does_not_load_torch() -> None:
    code = "import sys, harness.encoders as e; e.parse_name('random:resnet18'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("hf_hub:MahmoodLab/uni", "uni_v1"),
        ("random:hf-hub:owkin/phikon", "random:phikon"),
        ("file:hf-hub:owkin/phikon=a=b/hf-hub:x", "file:phikon=a=b/hf-hub:x"),
        ("hf_hub:owner/model", "hf-hub:owner/model"),
        ("resnet18@layer3", "resnet18@layer3"),
    ],
)
def test_one_encoder_has_one_name_in_evidence(text: str, name: str) -> None:
    assert plain(text) == name and parse_name(name).model == parse_name(text).model
