from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from harness.datasets import content as module
from harness.datasets.content import Content, ContentHashes, FileHash, hash_file
from harness.datasets.dataset import Dataset
from harness.protocols.verify import Report
from harness.protocols.verify_content import ContentCheck


@pytest.fixture
def check(tiny: Dataset, release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_COARSE_NS", 0)

    def make(*, full: bool = False) -> ContentCheck:
        return ContentCheck(tiny, release, lambda path: [path], full, ContentHashes(tmp_path / "hashes"))

    return make


def _changed(report: Report) -> set[str]:
    return {finding.what for finding in report.findings if finding.kind == "changed"}


def _edit(path: Path) -> None:
    """Other bytes under the same size and modification time."""
    before = path.stat()
    path.write_bytes(bytes(byte ^ 1 for byte in path.read_bytes()))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _counted(monkeypatch: pytest.MonkeyPatch, *, stop_at: int | None = None) -> list[Path]:
    read: list[Path] = []

    def counting(path: Path, advance: object = None) -> FileHash:
        if len(read) == stop_at:
            raise KeyboardInterrupt
        read.append(path)
        return hash_file(path)

    monkeypatch.setattr(module, "hash_file", counting)
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    return read


def test_without_full_nothing_is_hashed_for_the_first_time(check, monkeypatch) -> None:
    read = _counted(monkeypatch)
    report = check().run()
    assert report.findings == ()
    assert "never hashed" in report.checked[0]
    assert read == []


@pytest.mark.parametrize("full", [False, True])
def test_a_change_is_named_and_reported_once(check, release: Path, full: bool) -> None:
    assert check(full=True).run().findings == ()
    _edit(release / "training/tumor/Tumor_001.tif")
    report = check(full=full).run()
    assert _changed(report) == {"tumor_001"}
    assert not report.ok
    assert _changed(check(full=full).run()) == {"tumor_001"}  # it was not shown yet
    reported = check(full=full)
    reported.run()
    reported.acknowledge()
    assert _changed(check(full=full).run()) == set()


def test_a_change_that_a_run_has_met_before_is_reported_all_the_same(check, release: Path) -> None:
    check(full=True).run()
    path = release / "training/tumor/Tumor_001.tif"
    _edit(path)
    check().hashes.read(path, [path])
    assert _changed(check().run()) == {"tumor_001"}
    _edit(path)  # back to what it was
    assert _changed(check().run()) == set()


def test_full_notices_what_no_status_tells(check, release: Path) -> None:
    path = release / "training/tumor/Tumor_001.tif"
    check(full=True).run()
    known = check().hashes.known(path)
    # As if the bytes had been others when they were hashed, and a disk had changed them since without a trace.
    files = {file: replace(one, hash="blake3:" + "0" * 64) for file, one in known.files.items()}
    check().hashes._write(path, Content(files, fresh=False, reported=("blake3:" + "0" * 64, known.read_ns)))
    assert _changed(check().run()) == set()
    assert _changed(check(full=True).run()) == {"tumor_001"}


def test_an_interrupted_full_check_is_continued_and_forgets_no_change(check, release: Path, monkeypatch) -> None:
    check(full=True).run()
    for path in release.rglob("*.*"):
        if path.is_file():
            _edit(path)
    _counted(monkeypatch, stop_at=3)
    with pytest.raises(KeyboardInterrupt):
        check(full=True).run()
    read = _counted(monkeypatch)
    report = check(full=True).run()
    total = len(_changed(report))
    assert total > 3
    assert len(read) == total - 3
    assert "interrupted" in report.checked[0]
    read.clear()
    check(full=True).run()
    assert len(read) == total
