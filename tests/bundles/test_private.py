"""Paths, users and hosts are found in any text, and ordinary text is left alone."""

from __future__ import annotations

import pytest

from harness.bundles.private import LEFT_OUT, is_private, os_family, private_fields, without_private

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
    "/slides",
    "/my slides/of 2020/a.svs",
    "from /slides to here",
    "~jsmith/x",
    "D:/slides",
    "GPU-NODE7",
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


@pytest.mark.parametrize(
    ("text", "family"),
    [
        ("Linux-6.1.0-18-cloud-jsmith3-amd64-x86_64-with-glibc2.36", "Linux 6.1"),
        ("macOS-14.4.1-arm64-arm-64bit", "macOS 14.4"),
        ("Windows-10-10.0.19045-SP0", "Windows 10"),
        ("Linux 6.1", "Linux 6.1"),
        ("jsmith-os", ""),
    ],
)
def test_of_a_system_family_and_release_are_told(text: str, family: str) -> None:
    assert os_family(text) == family


def test_fields_are_named_and_left_out() -> None:
    value = {"a": {"b": "/home/x/y", "c": 1}, "d": ["ok", "~/z/y"], "/home/x/k": 2, "dataset_folder": "x"}
    told: list[str] = []
    found = without_private(value, NAMES, told.append)
    assert found == {"a": {"b": LEFT_OUT, "c": 1}, "d": ["ok", LEFT_OUT], LEFT_OUT: 2}
    assert {"a.b", "d[]", "dataset_folder"} <= set(told)
    assert list(private_fields(found, NAMES)) == []
