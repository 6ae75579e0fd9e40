"""Plugins are what their source says, whatever Python has cached of them."""

from __future__ import annotations

import os
import py_compile
import sys
from pathlib import Path

import pytest

from harness.plugins.load import load_classes


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    return tmp_path


def stale(path: Path, old: str, new: str) -> None:
    """Write ``new`` with the size and time stamp of ``old``, which Python has compiled."""
    assert len(old) == len(new)
    path.write_text(old)
    status = path.stat()
    py_compile.compile(str(path), doraise=True)
    path.write_text(new)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("spec", ["stale_one", "stale_two.inner", "stale_three.inner:A"])
def test_a_dotted_path_is_imported_from_its_source(folder: Path, spec: str) -> None:
    package, _, inner = spec.partition(":")[0].partition(".")
    source = "class A:\n    value = {}\n"
    if inner:
        (folder / package).mkdir()
        stale(folder / package / "__init__.py", "TOP = 1\n", "TOP = 2\n")
        stale(folder / package / "helper.py", "HELP = 1\n", "HELP = 2\n")
        source = f"from {package}.helper import HELP\nfrom {package} import TOP\n{source}"
        stale(folder / package / f"{inner}.py", source.format(1), source.format(2))
    else:
        stale(folder / f"{package}.py", source.format(1), source.format(2))
    (found,) = load_classes(spec)
    assert found.value == 2  # type: ignore[attr-defined]
    module = sys.modules[found.__module__]
    assert getattr(module, "HELP", 2) == 2 and getattr(module, "TOP", 2) == 2
