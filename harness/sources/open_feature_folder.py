"""Opening features that another tool has written: found, matched with the label table, packed, read."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.core.errors import BenchError, DataError
from harness.core.hashing import sha256_json
from harness.datasets.match_ids import join
from harness.datasets.slide_files import without_suffix
from harness.datasets.table import listed
from harness.features.declared import Declared
from harness.features.formats.base import Facts, FeatureFile, FeatureFormat, Options
from harness.features.formats.detect import detect
from harness.features.in_place import Placed, PlacedStore, place
from harness.features.packing import Packed, Packing
from harness.sources.content_check import Sources, status_of
from harness.sources.feature_folder import UNKNOWN, FeatureFolder

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.datasets.content import FileStatus
    from harness.datasets.dataset import Dataset
    from harness.features.manifest import DType
    from harness.features.store import FeatureStore
    from harness.protocols.near_duplicates import Comparison
    from harness.protocols.verify import Finding
    from harness.sources.inputs import Inputs
    from harness.sources.opening import Opening

ALL_ROWS = 1 << 25
"""Cohorts of at most so many numbers are compared row by row; of larger ones, a few rows stand for each slide."""
_FEWEST_ROWS = 8


def open_feature_folder(dataset: Dataset, source: FeatureFolder, opening: Opening) -> Inputs:
    """The bags of a folder of features.

    Raises:
        DataError: slides without features, or features that are damaged or not what the card says.
    """
    from harness.bags.access import FeatureAccess
    from harness.sources.inputs import Inputs

    packed, found = packed_features(dataset, source, opening)
    store = packed.store
    slides = tuple(dict.fromkeys(opening.slides))
    entries = store.manifest.slides
    return Inputs(
        dataset=dataset,
        content={slide: entries[slide].content for slide in slides},
        access=FeatureAccess.of_store(store),
        hidden=(dataset.folder, *found.label_files),
        compare=partial(_compare, store, slides),
        sources=Sources(
            slides=_own_files(store, slides),
            shared={"the packed features": status_of(store.files)},
            basis={"fingerprint": "BLAKE3 of features and positions, as they were packed"},
        ),
        unchecked=(
            f"whether encoder {source.encoder} has learnt from these slides: files of features do not say",
            *([] if _is_small(store) else ["rows of slides beyond the few that stand for each in the comparison"]),
        ),
    )


def packed_features(dataset: Dataset, source: FeatureFolder, opening: Opening) -> tuple[Packed | Placed, FeatureFormat]:
    """The packed features of the slides that are opened, and the format that they came from.

    Raises:
        DataError: as :func:`open_feature_folder`.
    """
    found, files = files_of(dataset, source, opening.data_root)
    if missing := [slide for slide in opening.slides if slide not in files]:
        raise DataError(
            f"{len(missing)} of {len(opening.slides)} slides have no features: {listed(missing)}",
            place=str(source.root(dataset, opening.data_root)),
            fix=f"put their files there, or see bench datasets verify {dataset.name}",
        )
    used = {slide: files[slide] for slide in dict.fromkeys(opening.slides)}
    packing = Packing(found, used, declared_by(source), dtype_of(source), opening.workers)
    folder = store_folder(opening.cache, dataset.name, source, found.root)
    return (place(packing, folder) if source.in_place else packing.run(folder)), found


def store_folder(cache: Path, name: str, source: FeatureFolder, root: Path) -> Path:
    """Where the packed features of a dataset go: a readable name, and what tells sets of one name apart."""
    key = sha256_json({"root": str(root.resolve()), "dtype": source.dtype, "format": source.format})
    return cache / name / "features" / f"{source.label}-{key[:8]}"


def dtype_of(source: FeatureFolder) -> DType | None:
    """The number type that features are packed in; None for that of the files."""
    return None if source.in_place else source.dtype


def declared_by(source: FeatureFolder) -> Declared:
    """What the card says of its features."""
    encoder = None if source.encoder == UNKNOWN else source.encoder
    return Declared(Facts(encoder, source.tile_px, source.mpp, source.magnification), source.dim, "the card")


def files_of(
    dataset: Dataset, source: FeatureFolder, data_root: Path | None
) -> tuple[FeatureFormat, dict[str, FeatureFile]]:
    """The format of the folder, and slide id → file of the slides that have one.

    Raises:
        DataError: the folder is in another format than the card says, or a slide has several files.
    """
    root = source.root(dataset, data_root)
    encoder = None if source.encoder == UNKNOWN else source.encoder
    found = detect(root, Options(encoder, source.pickled_arrays))
    if found.name != source.format:
        raise DataError(
            f"the features are in format {found.name}, the card says {source.format}",
            place=str(root),
            fix="give the folder that the card means, or make the dataset again",
        )
    by_id = by_slide(found)
    joined = join(dataset.slides, list(by_id), source.match)
    if joined.ambiguous:
        slide, names = next(iter(joined.ambiguous.items()))
        raise DataError(f"slide {slide} may be any of {listed(names)}", place=str(root), fix="correct the ids")
    return found, {slide: by_id[names[0]] for slide, names in joined.files.items()}


def by_slide(found: FeatureFormat) -> dict[str, FeatureFile]:
    """Slide id → file, ids without the extensions of slide files.

    Raises:
        DataError: a slide has two files.
    """
    files: dict[str, FeatureFile] = {}
    for file in found.files:
        slide = without_suffix(file.slide)
        if (other := files.get(slide)) is not None:
            raise DataError(
                f"slide {slide} has two files of features: {_below(other, found)} and {_below(file, found)}",
                place=str(found.root),
                fix="leave one of them in the folder",
            )
        files[slide] = file
    return files


def _below(file: FeatureFile, found: FeatureFormat) -> str:
    path = file.path.relative_to(found.root) if file.path.is_relative_to(found.root) else file.path
    return f"{path}, {file.member}" if file.member else str(path)


def verify_feature_folder(
    dataset: Dataset, source: FeatureFolder, data_root: Path | None, checked: list[str], *, reading: bool
) -> Iterator[Finding]:
    """Compare a folder of features with the card.

    Args:
        dataset, source: the dataset and its source.
        data_root: where the features are; None for the card's own place.
        checked: takes what was checked.
        reading: whether every file is read.
    """
    from harness.protocols.verify import Finding

    try:
        found, files = files_of(dataset, source, data_root)
    except BenchError as problem:
        yield Finding("data", problem.place, problem.problem)
        return
    checked.append(f"features: {len(files)} of {len(dataset.slides)} slides found below {found.root}, {found.title}")
    yield from (Finding("missing", slide, "no features") for slide in dataset.slides if slide not in files)
    if not reading:
        return
    packing, tiles = Packing(found, files, declared_by(source), dtype_of(source)), 0
    for slide, file in files.items():
        try:
            tiles += packing.count(file)
        except BenchError as problem:
            yield Finding("unreadable", slide, f"{problem.problem} ({problem.place})")
    expected = dataset.card.counts.get("tiles", tiles)
    if tiles != expected:
        yield Finding("counts", "tiles", f"{tiles} in the data, {expected} in the card")
    checked.append(f"features: {tiles:,} tiles read")


def _own_files(store: FeatureStore | PlacedStore, slides: tuple[str, ...]) -> dict[str, dict[Path, FileStatus]]:
    """Slide → its file as it is now, for features that are read where they lie."""
    if not isinstance(store, PlacedStore):
        return {}
    return {slide: status_of([Path(store.blocks[slide].path)]) for slide in slides}


def _is_small(store: FeatureStore | PlacedStore) -> bool:
    return sum(entry.tiles for entry in store.manifest.slides.values()) * store.dim <= ALL_ROWS


def _compare(store: FeatureStore | PlacedStore, slides: tuple[str, ...]) -> Comparison:
    from harness.protocols.near_duplicates import compare_bags

    if _is_small(store):
        return compare_bags(slides, store.bag)
    each = max(_FEWEST_ROWS, ALL_ROWS // (len(slides) * store.dim))
    picked = {slide: _largest(store.some(slide, store.manifest.slides[slide].sample), each) for slide in slides}
    return compare_bags(slides, picked.__getitem__)


def _largest(rows: NDArray[np.floating[Any]], count: int) -> NDArray[np.floating[Any]]:
    """The rows of largest norm."""
    norms = np.linalg.norm(rows.astype(np.float32), axis=1)
    return rows[np.argsort(-norms, kind="stable")[:count]]
