"""Opening a dataset of slides: drawn if the card says how, prepared, and read tile by tile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.bags.access import TileAccess
from harness.bags.slide_reader import SlideTiles
from harness.bags.tile_source import CachingReader, TileReader
from harness.core import console
from harness.core.errors import DataError
from harness.core.hashing import sha256_json
from harness.datasets.annotations import read_asap, tile_labels
from harness.datasets.content import Content, ContentHashes
from harness.datasets.hash_all import checked, hash_all, say_changed
from harness.datasets.locate import locate, locate_annotations, resolve_root
from harness.results.attention import attention_thumbnail
from harness.slides.index import index_path, load, thumbnail_path
from harness.slides.outline import outlines
from harness.slides.prepare import PrepareSettings, prepare_slides
from harness.slides.reader import open_slide
from harness.slides.side_by_side import compare_slides
from harness.slides.tissue import find_tissue
from harness.sources.content_check import Sources, basis_of, statuses
from harness.sources.inputs import Inputs, PictureOf, SlidePicture, TruthOf
from harness.sources.masks import Masks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.datasets.dataset import Dataset
    from harness.datasets.source_fields import SlidesSource
    from harness.protocols.near_duplicates import Comparison
    from harness.slides.index import SlideIndex
    from harness.sources.opening import Opening

THUMBNAIL_PX = 1024
"""Longest side of an attention picture."""
TILE_CACHE_BYTES = 2 << 30
"""Memory for decoded tiles, so that small datasets are decoded once."""


def open_slides(dataset: Dataset, source: SlidesSource, opening: Opening) -> Inputs:
    """Tiles of slides, read from the files as they are drawn.

    Raises:
        DataError: slides are missing or could not be prepared; they are named.
    """
    contents, folder, root = prepared_slides(dataset, source, opening)
    indexes = {slide: load(index_path(folder, slide)) for slide in contents}
    annotations = {slide: path for slide, path in locate_annotations(dataset, root).items() if slide in indexes}
    outlines = _annotation_contents(annotations)
    reader: TileReader = SlideTiles(indexes, mpp=source.mpp, workers=opening.workers)
    return Inputs(
        dataset=dataset,
        content={slide: content.hash for slide, content in contents.items()},
        access=TileAccess(CachingReader(reader, TILE_CACHE_BYTES)),
        truth_of=_tile_labels(dataset, annotations, indexes),
        picture_of=_picture(source, indexes),
        slide_of=partial(_slide, dataset, source, indexes),
        masks=_masks(dataset, annotations, indexes),
        hidden=(dataset.folder, *annotations.values()),
        sources=_sources(contents, outlines, indexes),
        identity=_identity(indexes, outlines),
        compare=_compare(indexes, folder),
    )


def _annotation_contents(files: Mapping[str, Path]) -> dict[str, Content]:
    found = hash_all(files, lambda path: (path,), ContentHashes(), label="hashing annotations (MiB)")
    say_changed(found, "annotations of {}")
    return {slide: checked(content) for slide, content in found.items()}


def _sources(
    contents: Mapping[str, Content], outlines: Mapping[str, Content], indexes: Mapping[str, SlideIndex]
) -> Sources:
    """The files of each slide, its annotation among them, and how they are read."""
    slides = {
        slide: statuses(content) | (statuses(outlines[slide]) if slide in outlines else {})
        for slide, content in contents.items()
    }
    reading = {
        "readers": _counted(index.read_by or "not recorded" for index in indexes.values()),
        "resamplers": _counted(index.resampler for index in indexes.values()),
    }
    return Sources(slides, basis=basis_of(contents.values()) | reading)


def _counted(names: Iterable[str]) -> str:
    """How many slides there are of each name, in words."""
    counts = Counter(names)
    return ", ".join(f"{name}: {count} of {counts.total()} slides" for name, count in sorted(counts.items()))


def _identity(indexes: Mapping[str, SlideIndex], outlines: Mapping[str, Content]) -> dict[str, str]:
    """Which tiles are read, which the card's tissue settings decide about, readers from plugins, and lesions."""
    found = {"tiles": sha256_json({slide: index.tiles_sha256 for slide, index in indexes.items()})}
    if readers := sorted({index.reader for index in indexes.values()} - {""}):
        found["readers"] = ", ".join(readers)
    if outlines:
        found["annotations"] = sha256_json({slide: content.hash for slide, content in outlines.items()})
    return found


def _compare(indexes: Mapping[str, SlideIndex], folder: Path) -> Callable[[], Comparison]:
    """Compares the thumbnails in the ``folder`` where the slides are prepared."""
    hashes = {slide: index.perceptual for slide, index in indexes.items()}
    thumbnails = {slide: thumbnail_path(folder, slide) for slide in indexes}
    return partial(compare_slides, hashes, thumbnails, folder / "suspected")


def _picture(source: SlidesSource, indexes: dict[str, SlideIndex]) -> PictureOf:
    """Attention over the slide's thumbnail, at most ``THUMBNAIL_PX`` across."""

    def picture(slide: str, weights: NDArray[np.float32]) -> NDArray[np.uint8]:
        index = indexes[slide]
        downsample = max(1.0, max(index.width, index.height) / THUMBNAIL_PX)
        with open_slide(Path(index.path), mpp=source.mpp) as reader:
            thumbnail = reader.thumbnail(index.mpp * downsample)
        return attention_thumbnail(
            thumbnail, index.coords[0], index.sides[0], weights, index.width / thumbnail.shape[1]
        )

    return picture


def _slide(dataset: Dataset, source: SlidesSource, indexes: Mapping[str, SlideIndex], slide: str) -> SlidePicture:
    """A slide to draw on: thumbnail at most ``THUMBNAIL_PX`` across, and tissue by the settings of the card."""
    index, tissue = indexes[slide], dataset.card.tissue
    with open_slide(Path(index.path), mpp=source.mpp) as reader:
        thumbnail = reader.thumbnail(index.mpp * max(1.0, max(index.width, index.height) / THUMBNAIL_PX))
        overview_mpp = max(index.mpp, tissue.mpp)  # as where the tiles were laid
        overview = reader.thumbnail(overview_mpp)
    mask = find_tissue(overview, overview_mpp, tissue).mask
    scale = (index.width / mask.shape[1], index.height / mask.shape[0])
    return SlidePicture(thumbnail, index.width / thumbnail.shape[1], index.mpp, index.sides[0], outlines(mask, scale))


def _tile_labels(dataset: Dataset, files: Mapping[str, Path], indexes: Mapping[str, SlideIndex]) -> TruthOf | None:
    """Whether each tile lies in an annotated lesion by at least half; None for a dataset without annotations.

    A slide of the first class (normal) has none; a positive slide whose annotation is missing is unknown.
    """
    if not files:
        return None

    def truth(slide: str) -> NDArray[np.int64] | None:
        index = indexes[slide]
        if dataset.by_slide[slide].label == 0:
            return np.zeros(len(index.coords[0]), np.int64)
        if slide not in files:
            return None
        return (tile_labels(index.coords[0], index.sides[0], read_asap(files[slide])) >= 0.5).astype(np.int64)

    return truth


def _masks(dataset: Dataset, files: Mapping[str, Path], indexes: Mapping[str, SlideIndex]) -> Masks | None:
    """Lesion masks over whole slides; None for a dataset without annotations."""
    if not files:
        return None
    sizes = {slide: (index.width, index.height) for slide, index in indexes.items()}
    healthy = frozenset(slide for slide in indexes if dataset.by_slide[slide].label == 0)
    return Masks({slide: path for slide, path in files.items() if slide in indexes}, sizes, healthy)


def slide_files(
    dataset: Dataset,
    source: SlidesSource,
    *,
    data_root: Path | None,
    cache: Path,
    slides: tuple[str, ...],
    workers: int,
) -> tuple[dict[str, Path], Path | None]:
    """The file of every slide, and the data root they were found under.

    A dataset that the harness draws itself is drawn into the cache when no data root is given.
    """
    root = data_root
    if root is None and source.draw is not None:
        from harness.synthetic import draw, folder_name

        name = str(source.draw["name"])
        root = cache / "drawn" / folder_name(name, source.draw)
        draw(name, source.draw, root, workers=workers)
    return locate(dataset, root, slides), resolve_root(dataset, root)


def prepared_folder(cache: Path, dataset: Dataset, settings: PrepareSettings) -> Path:
    """Where the slides of a dataset are prepared, by what decides about their tiles."""
    return cache / dataset.name / "slides" / settings.hash[:16]


def prepared_slides(
    dataset: Dataset, source: SlidesSource, opening: Opening
) -> tuple[dict[str, Content], Path, Path | None]:
    """The content of every slide that the protocol uses, the folder with their indices, and the data root.

    Raises:
        DataError: slides are missing, or some could not be prepared; they are named.
    """
    files, root = slide_files(
        dataset,
        source,
        data_root=opening.data_root,
        cache=opening.cache,
        slides=opening.slides,
        workers=opening.workers,
    )
    settings = PrepareSettings(
        mpp=opening.settings.mpp,
        tile_px=opening.settings.tile_px,
        tissue=dataset.card.tissue,
        slide_mpp=source.mpp,
        damaged_tiles=source.damaged_tiles,
        align=opening.settings.align,
        resampler=opening.settings.resampler,
    )
    out = prepared_folder(opening.cache, dataset, settings)
    report = prepare_slides(files, out, settings, workers=opening.workers)
    if report.failed:
        for row in report.failed:
            console.warn(f"slide {row.slide}: {row.reason}")
        raise DataError(
            f"{len(report.failed)} of {len(files)} slides could not be prepared, {report.failed[0].slide} among them",
            place=str(out / "slides.csv"),
            fix="repair these slides, or choose a protocol without them; nothing is left out silently",
        )
    return {row.slide: row.content for row in report.ready if row.content is not None}, out, root
