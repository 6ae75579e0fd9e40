from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.core.errors import DataError
from harness.sources.content_check import Sources, status_of


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    for name in ("a", "b", "packed"):
        (tmp_path / name).write_bytes(b"content")
    slides = {name: status_of([tmp_path / name]) for name in "ab"}
    return Sources(slides).and_shared("the packed features", [tmp_path / "packed"])


def test_what_is_unchanged_passes(sources: Sources) -> None:
    sources.check(["a", "b", "of no file"])
    assert sources.confirmed("result", ["a"]) == "result"


@pytest.mark.parametrize("how", ["write", "times restored", "replace", "remove"])
def test_a_changed_slide_is_named_and_stops_only_units_that_read_it(sources: Sources, tmp_path: Path, how: str) -> None:
    path, before = tmp_path / "b", (tmp_path / "b").stat()
    if how == "remove":
        path.unlink()
    elif how == "replace":
        (tmp_path / "new").write_bytes(b"CONTENT")
        (tmp_path / "new").replace(path)
    else:
        path.write_bytes(b"CONTENT")
        if how == "times restored":
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    sources.check(["a"])
    with pytest.raises(DataError, match="slide b"):
        sources.check(["a", "b"])
    problem = sources.confirmed("result", ["b"])
    assert isinstance(problem, DataError)
    assert problem.place == str(path)


def test_files_that_all_units_read_stop_all(sources: Sources, tmp_path: Path) -> None:
    (tmp_path / "packed").write_bytes(b"other")
    with pytest.raises(DataError, match="the packed features"):
        sources.check([])


def test_work_that_failed_on_changed_data_says_both(sources: Sources, tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"")
    problem = sources.confirmed(RuntimeError("cannot decode"), ["b"])
    assert isinstance(problem, DataError)
    assert "slide b" in problem.problem
    assert "cannot decode" in problem.problem
