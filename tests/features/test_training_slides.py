"""Encoder files say which slides they learnt from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from harness.core.errors import DataError, LeakError
from harness.datasets.splits import Fold
from harness.encoders import build_encoder
from harness.features.manifest import TrainingSlides
from harness.features.training_slides import is_silent, save_weights, training_slides_of

SHAPED = TrainingSlides(("a", "b"), ("c",), "r0f1", "unit-1")


def test_what_is_saved_is_read_and_the_weights_with_it(tmp_path: Path) -> None:
    path = tmp_path / "tuned.safetensors"
    encoder = build_encoder("conv64", tile_px=64, seed=3)
    save_weights(encoder, path, SHAPED)
    name = f"file:conv64={path}"
    assert training_slides_of(name) == SHAPED
    assert not is_silent(name)
    again = build_encoder(name, tile_px=64, seed=4).state_dict()
    assert all(torch.equal(value, again[key]) for key, value in encoder.state_dict().items())
    with pytest.raises(LeakError, match=r"chosen on 1 slides .* c \(test\)"):
        SHAPED.audit(Fold(0, 0, ("a", "b"), ("d",), ("c",)), stage="the encoder")


@pytest.mark.parametrize("name", ["", "conv64", "random:resnet18@layer3", "resnet18.tv_in1k"])
def test_published_and_drawn_weights_have_seen_no_slide(name: str) -> None:
    assert training_slides_of(name) is None
    assert not is_silent(name)


@pytest.mark.parametrize("key", ["training_slides", "shaped_by"])
def test_a_file_that_does_not_say_is_silent_until_a_note_lies_beside_it(tmp_path: Path, key: str) -> None:
    path = tmp_path / "old.safetensors"
    weights = build_encoder("conv64", tile_px=64, seed=0).state_dict()
    save_file({key: value.contiguous() for key, value in weights.items()}, path)
    name = f"file:conv64={path}"
    assert training_slides_of(name) is None
    assert is_silent(name)
    (tmp_path / f"old.safetensors.{key}.json").write_text('{"slides": ["a"]}')
    assert training_slides_of(name) == TrainingSlides(("a",))
    save_weights(build_encoder("conv64", tile_px=64, seed=0), tmp_path / "drawn.safetensors", None)
    assert training_slides_of(f"file:conv64={tmp_path / 'drawn.safetensors'}") == TrainingSlides(())


@pytest.mark.parametrize("text", ["{", '{"fold": "r0f0"}', "[1]", '{"slides": 3}', '{"slides": [], "more": 1}'])
def test_a_damaged_note_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "w.pt"
    (tmp_path / "w.pt.training_slides.json").write_text(text)
    with pytest.raises(DataError, match="weights were trained on"):
        training_slides_of(f"file:conv64={path}")
