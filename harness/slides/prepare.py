"""Prepare many slides: in processes, resumable, and no slide stops another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from harness.core import console
from harness.core.errors import BenchError, DataError
from harness.datasets.content import Content, ContentHashes
from harness.datasets.hash_all import hash_all, say_changed
from harness.slides.files import slide_files
from harness.slides.index import SlideIndex, index_path, qc_path, thumbnail_path
from harness.slides.pool import WorkerDiedError, run_each
from harness.slides.prepare_one import Job, prepare_one
from harness.slides.reader_registry import reader_identity, readers, use_readers
from harness.slides.report import PrepareReport, SlideRow, one_line, ready_row, write_table
from harness.slides.settings import PrepareSettings

__all__ = ["PrepareReport", "PrepareSettings", "SlideRow", "prepare_slides"]


def prepare_slides(
    slides: Mapping[str, Path], out: Path, settings: PrepareSettings, *, workers: int, refresh: bool = False
) -> PrepareReport:
    """Find the tissue and lay the tile grid of every slide.

    Writes ``out/index/<slide>.npz``, ``out/qc/<slide>.jpg``, ``out/thumbnails/<slide>.jpg`` and ``out/slides.csv``. A
    slide whose index was made by the same settings from the same content is not read again; the content is hashed whole
    where the files' status has changed (:mod:`harness.datasets.content`). Every index is whole or absent, so that a
    killed run goes on where it was.

    Args:
        slides: path by slide id; any text may be an id.
        out: where the results go.
        settings: what decides about the tiles.
        workers: processes; 0 works in this process.
        refresh: prepare all slides again.

    Returns:
        One row per slide, in the order given; failed ones carry the reason.

    Raises:
        DataError: nothing can be written to ``out``.
    """
    _make_folder(out)
    places = {slide: Path(path).absolute() for slide, path in slides.items()}
    contents = hash_all(places, slide_files, ContentHashes())
    say_changed(contents)
    rows: dict[str, SlideRow] = {}
    jobs: list[Job] = []
    with console.progress("preparing slides", len(slides)) as bar:
        for slide, path in places.items():
            content = contents[slide]
            index = None
            if not refresh and isinstance(content, Content):
                index = _current(slide, path, content, out, settings)
            if index is None or not isinstance(content, Content):
                jobs.append(Job(slide, path, content, out, settings))
            else:
                rows[slide] = ready_row(index, content, reused=True)
                bar.advance(status=one_line(slide))
        for number, result in run_each(
            prepare_one, jobs, workers=workers, setup=partial(use_readers, readers().plugins)
        ):
            job = jobs[number]
            rows[job.slide] = _died(job) if isinstance(result, WorkerDiedError) else result
            bar.advance(status=one_line(job.slide))
    ordered = tuple(rows[slide] for slide in slides)
    table = out / "slides.csv"
    write_table(table, ordered, settings.mpp)
    return PrepareReport(ordered, settings.mpp, table)


def _make_folder(out: Path) -> None:
    try:
        for folder in (out / "index", out / "qc"):
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise DataError(
            f"nothing can be written there: {problem.strerror or problem}", place=str(out), fix="choose another folder"
        ) from problem


def _current(slide: str, path: Path, content: Content, out: Path, settings: PrepareSettings) -> SlideIndex | None:
    """The index that an earlier run left, if it still holds."""
    place = index_path(out, slide)
    if not all(path.exists() for path in (place, qc_path(out, slide), thumbnail_path(out, slide))):
        return None
    try:
        index = SlideIndex.load(place)
        if index.slide != slide or index.settings_hash != settings.hash_for(index.mpp_source):
            return None
        if index.reader != reader_identity(path):
            return None
        if not index.perceptual:
            return None  # of an older version, that could not be told from a near-duplicate
    except (BenchError, OSError):
        return None
    if content.hash != index.fingerprint:
        return None
    if path != index.path:
        index = replace(index, path=path)
        index.save(place)
    return index


def _died(job: Job) -> SlideRow:
    index_path(job.out, job.slide).unlink(missing_ok=True)
    reason = "the process that read it died: a crash in the image library, or out of memory; leave it out"
    return SlideRow(job.slide, job.path, "failed", reason=reason)
