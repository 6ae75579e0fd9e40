"""Paths, users and hosts are found in any text, and ordinary text is left alone."""

from __future__ import annotations

import pytest

from harness.bundles.private import LEFT_OUT, is_private, private_fields, without_private

NAMES = frozenset({"jsmith", "gpu-node7"})

PRIVATE = [
    "/home/jsmith/data",
    "read /mnt/slides/a.svs first",
    "~/data/x",
    "C:\\Users\\x\\data",
    "\\\\server\\share\\x",
    "file:///data/x",
    "/data",
    "run by jsmith",
    "gpu-node7.cluster",
    "in '/tmp/a b/c'",
    "a=/opt/x/y",
]
ORDINARY = [
    "splits/cv5x10.csv",
    "https://example.org/a/b/c",
    "and/or",
    "3/4 of 5/6",
    "cuda:0",
    "jsmithson",
    "AUC / accuracy",
    "Linux-6.1-x86_64-with-glibc2.36",
    "hf-hub:MahmoodLab/UNI2-h",
]


@pytest.mark.parametrize("text", PRIVATE)
def test_private_text(text: str) -> None:
    assert is_private(text, NAMES)


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text(text: str) -> None:
    assert not is_private(text, NAMES)


def test_fields_are_named_and_left_out() -> None:
    value = {"a": {"b": "/home/x/y", "c": 1}, "d": ["ok", "~/z/y"], "/home/x/k": 2}
    told: list[str] = []
    found = without_private(value, NAMES, told.append)
    assert found == {"a": {"b": LEFT_OUT, "c": 1}, "d": ["ok", LEFT_OUT], LEFT_OUT: 2}
    assert "a.b" in told and "d[]" in told
    assert list(private_fields(found, NAMES)) == []
