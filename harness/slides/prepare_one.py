"""Prepare one slide, in a worker process: check, find tissue, lay the grids, save index and picture."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.core.errors import BenchError, DataError
from harness.datasets.content import Content
from harness.protocols.perceptual import perceptual_hash
from harness.slides.aligned_grid import StoredTiles, coverage, lay_aligned
from harness.slides.base import SlideReader
from harness.slides.damaged_tiles import DamagedTile, clear_of, damage_error, damaged_tiles, in_tissue, words
from harness.slides.files import slide_files
from harness.slides.grid import lay_grid, side_on_level0, too_coarse
from harness.slides.index import SlideIndex, index_path, qc_path, thumbnail_path
from harness.slides.no_tissue import reason, suggestion
from harness.slides.qc import save_qc
from harness.slides.reader import open_slide
from harness.slides.reader_registry import reader_identity
from harness.slides.report import SlideRow, ready_row, reason_of
from harness.slides.scale import Scale
from harness.slides.settings import TISSUE_OPTIONS, PrepareSettings
from harness.slides.side_by_side import save_thumbnail
from harness.slides.tissue import Tissue, find_tissue

_WORTH_A_NOTE = 0.95


@dataclass(frozen=True)
class Job:
    """One slide to prepare into the folder ``out``; its content has been hashed, or that went wrong."""

    slide: str
    path: Path
    content: Content | BenchError
    out: Path
    settings: PrepareSettings


def prepare_one(job: Job) -> SlideRow:
    """Prepare a slide; whatever goes wrong becomes the reason in its row."""
    began = time.perf_counter()
    row = SlideRow(job.slide, job.path, "failed")
    try:
        qc_path(job.out, job.slide).unlink(missing_ok=True)
        with open_slide(job.path, mpp=job.settings.slide_mpp) as reader:
            row = _known(job, reader)
            if isinstance(job.content, BenchError):
                raise job.content
            index = _prepare(job, job.content, reader, began)
        index.save(index_path(job.out, job.slide))
        return ready_row(index, job.content, reused=False)
    except Exception as problem:
        # What an earlier run left would belie the row.
        index_path(job.out, job.slide).unlink(missing_ok=True)
        return replace(row, reason=reason_of(problem), seconds=time.perf_counter() - began)


def _known(job: Job, reader: SlideReader) -> SlideRow:
    return SlideRow(
        slide=job.slide,
        path=job.path,
        status="failed",
        note=reader.resolution.note,
        mpp=reader.mpp,
        mpp_source=reader.mpp_source,
        vendor=reader.vendor,
        width=reader.width,
        height=reader.height,
    )


def _prepare(job: Job, content: Content, reader: SlideReader, began: float) -> SlideIndex:
    settings, mpp = job.settings, reader.need_mpp()
    _refuse_enlarging(job, mpp)
    damaged = damaged_tiles(slide_files(job.path), reader.width, reader.height)
    _refuse_damaged(job, [tile for tile in damaged if not tile.empty])
    if all(tile.empty for tile in damaged):
        reader.check()
    overview_mpp = max(mpp, settings.tissue.mpp)
    overview = reader.thumbnail(overview_mpp)
    tissue = find_tissue(overview, overview_mpp, settings.tissue)
    damaged = in_tissue(damaged, tissue.mask, reader.width, reader.height)
    _refuse_damaged(job, damaged)
    sides = tuple(side_on_level0(s.tile_px, s.mpp, mpp, reader.level_downsamples) for s in settings.scales)
    stored = _stored_tiles(settings, reader, sides)
    grids = [_grid(tissue, reader, settings, side, tiles) for side, tiles in zip(sides, stored, strict=True)]
    coords = tuple(clear_of(damaged, grid, side) for grid, side in zip(grids, sides, strict=True))
    save_thumbnail(thumbnail_path(job.out, job.slide), overview)
    save_qc(qc_path(job.out, job.slide), reader, overview, tissue.mask, coords[0], sides[0])
    if not tissue.mask.any():
        raise _no_tissue(job, overview, overview_mpp, tissue)
    _refuse_tileless(job, tissue, coords)
    if (changed := content.changed()) is not None:
        raise DataError("the file changed while it was read", place=str(changed), fix="wait until it is complete")
    notes = (reader.resolution.note, *tissue.notes, _left_out(damaged), *_gaps(settings, sides, stored))
    return SlideIndex(
        slide=job.slide,
        path=job.path,
        mpp=mpp,
        vendor=reader.vendor,
        width=reader.width,
        height=reader.height,
        fingerprint=content.hash,
        scales=settings.scales,
        coords=coords,
        settings_hash=settings.hash_for(reader.mpp_source),
        sides=sides,
        mpp_source=reader.mpp_source,
        objective_power=reader.objective_power,
        tissue_mm2=tissue.area_mm2,
        note="; ".join(note for note in notes if note),
        seconds=time.perf_counter() - began,
        perceptual=perceptual_hash(overview),
        reader=reader_identity(job.path),
        read_by=reader.name,
        resampler=reader.resampler_for(settings.resampler),
    )


def _stored_tiles(settings: PrepareSettings, reader: SlideReader, sides: Sequence[int]) -> list[StoredTiles | None]:
    """Per scale the tiles of the file on which the grid is laid; None where it starts at the slide's corner."""
    if settings.align != "tiles":
        return [None] * len(sides)
    found: list[StoredTiles | None] = []
    for scale, side in zip(settings.scales, sides, strict=True):
        level = reader.level_for(side, side, scale.tile_px, scale.tile_px)
        size, downsample = reader.stored_tiles(level), reader.level_downsamples[level]
        found.append(None if size is None else StoredTiles(size[0] * downsample, size[1] * downsample))
    return found


def _grid(
    tissue: Tissue, reader: SlideReader, settings: PrepareSettings, side: int, stored: StoredTiles | None
) -> NDArray[np.int64]:
    least = settings.tissue.min_fraction
    if stored is None:
        return lay_grid(tissue.mask, reader.width, reader.height, side, least)
    return lay_aligned(tissue.mask, reader.width, reader.height, side, least, stored)


def _gaps(settings: PrepareSettings, sides: Sequence[int], stored: Sequence[StoredTiles | None]) -> list[str]:
    """What there is to say about grids that were to lie on the tiles of the file."""
    if settings.align != "tiles":
        return []
    notes = []
    for scale, side, tiles in zip(settings.scales, sides, stored, strict=True):
        if tiles is None:
            notes.append("the file stores no tiles to lay the grid on; it starts at the slide's corner")
        elif (share := coverage(side, tiles)) < _WORTH_A_NOTE:
            size = f"{tiles.width:.6g} x {tiles.height:.6g} level-0 pixels"
            notes.append(f"tiles of {_words(scale)} on the file's, of {size}, cover {share:.0%} of the slide")
    return list(dict.fromkeys(notes))


def _refuse_damaged(job: Job, damaged: Sequence[DamagedTile]) -> None:
    if damaged and job.settings.damaged_tiles == "refuse":
        raise damage_error(damaged, job.path)


def _left_out(damaged: Sequence[DamagedTile]) -> str:
    return f"{words(damaged)}; nothing is read there" if damaged else ""


def _refuse_enlarging(job: Job, mpp: float) -> None:
    finest = job.settings.mpp[0]
    if too_coarse(finest, mpp):
        raise DataError(
            f"the slide was scanned at {mpp:.4g} microns per pixel, too coarse for tiles at {finest:g}",
            place=str(job.path),
            fix=f"ask for tiles at {mpp:.2g} microns per pixel or coarser, or leave it out",
        )


def _no_tissue(job: Job, overview: NDArray[np.uint8], mpp: float, tissue: Tissue) -> DataError:
    place, settings = str(qc_path(job.out, job.slide)), job.settings.tissue
    fix = f"look at {place}"
    if change := suggestion(overview, mpp, settings, tissue):
        options = " ".join(f"{TISSUE_OPTIONS[name]} {_shown(value)}" for name, value in change.items())
        card = ", ".join(f"{name}: {_shown(value)}" for name, value in change.items())
        fix += f"; if it shows tissue, add {options} (in a dataset's card: tissue: {{{card}}})"
    return DataError(
        f"no tissue found: {reason(tissue, mpp, settings)}", place=place, fix=f"{fix}; or leave the slide out"
    )


def _shown(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _refuse_tileless(job: Job, tissue: Tissue, coords: tuple[NDArray[np.int64], ...]) -> None:
    place = str(qc_path(job.out, job.slide))
    for scale, grid in zip(job.settings.scales, coords, strict=True):
        if not len(grid):
            raise DataError(
                f"no tile: {tissue.area_mm2:.2g} mm² of tissue, but nowhere a tile of {_words(scale)} "
                f"with {job.settings.tissue.min_fraction:.0%} tissue",
                place=place,
                fix=f"look at {place}; ask for smaller tiles (--tile-px), or for less tissue in a tile "
                f"({TISSUE_OPTIONS['min_fraction']}; in a dataset's card: tissue: {{min_fraction: ...}}), "
                "or leave the slide out",
            )


def _words(scale: Scale) -> str:
    return f"{scale.tile_px} px at {scale.mpp:g} microns per pixel"
