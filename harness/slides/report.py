"""The table of prepared slides: one row per slide, every failure by name and reason."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.core.atomic import replacing
from harness.core.errors import BenchError
from harness.datasets.content import Content
from harness.slides.index import SlideIndex

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class SlideRow:
    """What became of one slide.

    Attributes:
        slide: slide id.
        path: the slide.
        status: ``ready`` or ``failed``.
        reason: why it failed and what to do, in one line; empty when ready.
        note: what looks odd about a slide that is ready.
        mpp: microns per pixel of level 0, where known.
        mpp_source: where that comes from.
        vendor: format.
        read_by: name of the reader.
        resampler: how its tiles come to their resolution.
        width: level-0 pixels across.
        height: level-0 pixels down.
        n_tiles: tiles per scale.
        tissue_mm2: tissue area.
        seconds: time that preparing took.
        perceptual: hash of how the thumbnail looks.
        content: hashes of its files.
        reused: whether an index from an earlier run was taken.
    """

    slide: str
    path: Path
    status: Literal["ready", "failed"]
    reason: str = ""
    note: str = ""
    mpp: float | None = None
    mpp_source: str = ""
    vendor: str = ""
    read_by: str = ""
    resampler: str = ""
    width: int | None = None
    height: int | None = None
    n_tiles: tuple[int, ...] = ()
    tissue_mm2: float | None = None
    seconds: float = 0.0
    perceptual: str = ""
    content: Content | None = None
    reused: bool = False


def ready_row(index: SlideIndex, content: Content, *, reused: bool) -> SlideRow:
    """The row of a slide with an index."""
    return SlideRow(
        slide=index.slide,
        path=index.path,
        status="ready",
        note=index.note,
        mpp=index.mpp,
        mpp_source=index.mpp_source,
        vendor=index.vendor,
        read_by=index.read_by,
        resampler=index.resampler,
        width=index.width,
        height=index.height,
        n_tiles=tuple(len(grid) for grid in index.coords),
        tissue_mm2=index.tissue_mm2,
        seconds=index.seconds,
        perceptual=index.perceptual,
        content=content,
        reused=reused,
    )


def reason_of(problem: BaseException) -> str:
    """A problem and its fix in one line."""
    if isinstance(problem, BenchError):
        return one_line(f"{problem.problem}; {problem.fix}")
    if isinstance(problem, MemoryError):
        return "out of memory; use fewer workers"
    return one_line(f"{type(problem).__name__}: {problem}")


def one_line(text: str) -> str:
    """``text`` with line breaks and other control characters made visible."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


@dataclass(frozen=True)
class PrepareReport:
    """The rows of all slides, in the order in which they were given.

    Attributes:
        rows: one per slide.
        mpp: resolutions of the tiles, one per entry of ``SlideRow.n_tiles``.
        table: the file that holds the rows.
    """

    rows: tuple[SlideRow, ...]
    mpp: tuple[float, ...]
    table: Path

    @property
    def failed(self) -> tuple[SlideRow, ...]:
        """Slides without an index."""
        return tuple(row for row in self.rows if row.status == "failed")

    @property
    def ready(self) -> tuple[SlideRow, ...]:
        """Slides with an index."""
        return tuple(row for row in self.rows if row.status == "ready")


def write_table(path: Path, rows: Sequence[SlideRow], mpp: Sequence[float]) -> None:
    """Write the rows to a CSV file, atomically. No cell starts a formula when a spreadsheet opens it."""
    tiles = [f"n_tiles_{value:g}" for value in mpp]
    columns = ["slide", "path", "status", "reason", "note", "mpp", "mpp_source", "vendor", "width", "height"]
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*columns, *tiles, "tissue_mm2", "seconds", "perceptual", "reader", "resampler"])
        for row in rows:
            counts = [str(count) for count in row.n_tiles] or [""] * len(tiles)
            area = "" if row.tissue_mm2 is None else f"{row.tissue_mm2:.4g}"
            cells = [_cell(getattr(row, name)) for name in columns]
            writer.writerow([*cells, *counts, area, f"{row.seconds:.2f}", row.perceptual, row.read_by, row.resampler])


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, int | float):
        return repr(value)
    text = str(value)
    return f"'{one_line(text)}" if text.startswith(_FORMULA) else one_line(text)
