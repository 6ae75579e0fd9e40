"""``bench prepare``: find the tissue of slides and lay their tile grids, and name every slide that fails."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.options import Cache, DataRoot, Plugins, Workers, data_root_of, finite, finite_all, folder_option
from harness.cli.tissue_options import (
    TissueArea,
    TissueBackground,
    TissueFraction,
    TissueMeasure,
    TissuePen,
    TissueThreshold,
)
from harness.core import console
from harness.core.errors import UnitFailedError, UsageError
from harness.core.folders import expanded, readable_folder, writable_folder

if TYPE_CHECKING:
    from harness.datasets.card import TissueSettings
    from harness.datasets.dataset import Dataset
    from harness.slides.prepare import PrepareReport, PrepareSettings

_TILE_MPP = (0.5,)
_TILE_PX = 256


@dataclass(frozen=True)
class _Job:
    """Slides to prepare in one way: their paths by id, the settings, and the folder for what is found."""

    slides: Mapping[str, Path]
    settings: PrepareSettings
    out: Path


def prepare(
    target: Annotated[str, typer.Argument(metavar="DATASET|FOLDER", help="A dataset's name, or a folder of slides.")],
    mpp: Annotated[
        float | None,
        typer.Option(
            min=0.01, max=1000, callback=finite, help="Microns per pixel of level 0, for files that do not say."
        ),
    ] = None,
    tile_mpp: Annotated[
        list[float] | None,
        typer.Option(
            min=0.01,
            max=1000,
            callback=finite_all,
            help="Microns per pixel of the tiles; repeatable (default: the card's, or 0.5).",
        ),
    ] = None,
    tile_px: Annotated[
        int | None, typer.Option(min=1, max=2**14, help="Side of a tile in pixels (default: the card's, or 256).")
    ] = None,
    tissue_measure: TissueMeasure = None,
    tissue_threshold: TissueThreshold = None,
    tissue_background: TissueBackground = None,
    tissue_pen: TissuePen = None,
    tissue_fraction: TissueFraction = None,
    tissue_area: TissueArea = None,
    data_root: DataRoot = None,
    out: Annotated[Path | None, folder_option("--out", "Folder for what is found (default: in the cache).")] = None,
    cache: Cache = None,
    plugin: Plugins = None,
    workers: Workers = None,
    refresh: Annotated[bool, typer.Option("--refresh", help="Prepare all slides again.")] = False,
) -> None:
    """Find tissue and lay tile grids on the slides of a dataset or a folder.

    A slide that cannot be prepared is named and stops no other; the command then ends with code 1.
    """
    from harness.core.resources import cache_root

    for option, folder in (("--out", out), ("--cache", cache)):
        if folder is not None:
            writable_folder(folder, option)
    if data_root is not None:
        readable_folder(data_root, "--data-root")
    tissue = {
        "measure": tissue_measure,
        "threshold": tissue_threshold,
        "background": tissue_background,
        "pen": tissue_pen,
        "min_fraction": tissue_fraction,
        "min_area_mm2": tissue_area,
    }
    changes = {name: value for name, value in tissue.items() if value is not None}
    options = _Options(mpp, tuple(sorted(set(tile_mpp or ()))), tile_px, changes, out, cache or cache_root())
    processes = workers or os.cpu_count() or 1
    _prepare_all(_jobs(target, data_root, options, processes), processes, refresh=refresh)


def _jobs(target: str, data_root: Path | None, options: _Options, processes: int) -> Iterable[_Job]:
    """What is to be prepared: a folder of slides, or the inputs of a dataset."""
    dataset = _dataset(target)
    if dataset is None:
        return [_folder_job(expanded(target), options)]
    return _dataset_jobs(dataset, data_root_of(dataset.name, data_root), options, processes)


def _prepare_all(jobs: Iterable[_Job], processes: int, *, refresh: bool) -> None:
    from harness.slides.prepare import prepare_slides

    reports = []
    for job in jobs:
        reports.append(prepare_slides(job.slides, job.out, job.settings, workers=processes, refresh=refresh))
        _show(reports[-1], job)
    _raise_failures(reports)


@dataclass(frozen=True)
class _Options:
    mpp: float | None
    tile_mpp: tuple[float, ...]
    tile_px: int | None
    tissue: Mapping[str, Any]
    out: Path | None
    cache: Path

    def tissue_of(self, card: TissueSettings) -> TissueSettings:
        """The card's settings with those that were given in their place."""
        from pydantic import ValidationError

        from harness.slides.settings import TISSUE_OPTIONS

        try:
            return type(card).model_validate(card.model_dump() | dict(self.tissue))
        except ValidationError as problem:
            first = problem.errors()[0]
            name = str(first["loc"][0])
            raise UsageError(
                f"{self.tissue.get(name)} is out of range",
                place=TISSUE_OPTIONS.get(name, name),
                fix=first["msg"],
            ) from None


def _dataset(target: str) -> Dataset | None:
    """The dataset that is meant, or None for a folder of slides."""
    from harness.datasets.card_file import CARD_FILE
    from harness.datasets.catalog import find_dataset, is_path

    path = expanded(target)
    if not path.exists() or (path / CARD_FILE).is_file():
        return find_dataset(target, place="bench prepare")
    try:
        return None if is_path(target) or path.is_absolute() else find_dataset(target)
    except UsageError:
        return None  # a folder in the current one whose name is no dataset's


def _folder_job(folder: Path, options: _Options) -> _Job:
    from harness.core.hashing import sha256_text
    from harness.datasets.card import TissueSettings
    from harness.datasets.table import listed
    from harness.slides.discover import discover
    from harness.slides.prepare import PrepareSettings

    found = discover(folder)
    if found.companions:
        names = listed(path.name for path in found.companions)
        console.note(f"left out as thumbnails, labels, overviews or masks of slides: {names}")
    settings = PrepareSettings(
        mpp=options.tile_mpp or _TILE_MPP,
        tile_px=options.tile_px or _TILE_PX,
        tissue=options.tissue_of(TissueSettings()),
        slide_mpp=options.mpp,
    )
    place = folder.resolve()
    default = options.cache / "folders" / f"{place.name}-{sha256_text(str(place))[:8]}" / settings.hash[:16]
    return _Job(found.slides, settings, options.out or default)


def _dataset_jobs(dataset: Dataset, data_root: Path | None, options: _Options, processes: int) -> list[_Job]:
    """One job for each way in which the dataset's card says that its slides are read."""
    from harness.slides.prepare import PrepareSettings
    from harness.sources.open_slides import prepared_folder

    source = dataset.card.source
    found = source.preparable(dataset, data_root=data_root, cache=options.cache, workers=processes)
    if found is None:
        console.say(f"{dataset.name} has {source.kind}, not slides: there is nothing to prepare before a run")
        return []
    files, stated = found
    ways = dict.fromkeys(
        (options.tile_mpp or way.mpp or _TILE_MPP, options.tile_px or way.tile_px or _TILE_PX, way.align, way.resampler)
        for way in dataset.card.inputs
    )
    if options.out is not None and len(ways) > 1:
        raise UsageError(
            f"{dataset.name} is read in {len(ways)} ways, which do not share a folder",
            place="--out",
            fix="choose one with --tile-mpp and --tile-px, or leave --out away",
        )
    tissue = options.tissue_of(dataset.card.tissue)
    if tissue != dataset.card.tissue:
        console.say("note: a run takes the tissue settings of the card; write those that suit there", style="yellow")
    settings = [
        PrepareSettings(
            mpp=tiles_mpp,
            tile_px=px,
            tissue=tissue,
            align=align,
            resampler=resampler,
            **{**stated, **({} if options.mpp is None else {"slide_mpp": options.mpp})},
        )
        for tiles_mpp, px, align, resampler in ways
    ]
    return [_Job(files, way, options.out or prepared_folder(options.cache, dataset, way)) for way in settings]


def _show(report: PrepareReport, job: _Job) -> None:
    tiles = [f">tiles at {mpp:g} um/px" for mpp in report.mpp]
    rows = [
        (
            row.slide,
            row.status,
            *([f"{count:,}" for count in row.n_tiles] or [""] * len(tiles)),
            "" if row.width is None else f"{row.width} x {row.height}",
            "unknown" if row.mpp is None else f"{row.mpp:.4g}",
            row.mpp_source,
            row.vendor,
        )
        for row in report.rows
    ]
    counts = f"{len(report.ready)} ready, {sum(row.reused for row in report.rows)} of them from before, "
    columns = ["slide", "status", *tiles, ">level 0 px", ">um/px", "stated by", "format"]
    console.say()
    console.table("Slides", columns, rows, caption=f"{counts}{len(report.failed)} failed")
    for row in report.rows:
        if row.note:
            console.say(f"note: {row.slide}: {row.note}", style="yellow")
    for row in report.failed:
        console.say(f"failed: {row.slide}: {row.reason}", style="red")
    console.say()
    console.say("What to look at next", style="bold")
    console.say(f"  {'table':<16}{report.table}")
    console.say(f"  {'tile indices':<16}{job.out / 'index'}")
    console.say(f"  {'QC thumbnails':<16}{job.out / 'qc'}")


def _raise_failures(reports: Iterable[PrepareReport]) -> None:
    for report in reports:
        if report.failed:
            raise UnitFailedError(
                f"{len(report.failed)} of {console.count(len(report.rows), 'slide')} could not be prepared, "
                f"{len(report.ready)} ready",
                place=str(report.table),
                fix="see the reasons above; the same command prepares only what is missing",
            )
