"""Which format a folder of features is in, told from what its files hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness.core.errors import DataError, UsageError
from harness.encoders.spelling import same
from harness.features.formats import (
    atlaspatch,
    clam,
    cohort,
    eva,
    lazyslide,
    nnmil,
    owkin,
    parquet,
    plain,
    slide2vec,
    slideflow,
    stamp,
    torchmil,
    trident,
)
from harness.features.formats.base import FeatureFormat, Options
from harness.features.formats.h5kinds import H5, h5_kind
from harness.features.formats.listing import Listing

FINDERS = (
    atlaspatch.find,
    cohort.find,
    stamp.find,
    nnmil.find,
    trident.find,
    slide2vec.find,
    slideflow.find,
    eva.find,
    clam.find,
    owkin.find,
    torchmil.find,
    parquet.find,
    lazyslide.find,
    plain.find,
)
"""The formats, the more particular ones first: a file belongs to the first that finds it."""


def detect(folder: Path, options: Options = Options()) -> FeatureFormat:  # noqa: B008 (frozen)
    """The one set of features below ``folder`` (or in one file).

    Raises:
        DataError: there are no features of tiles there; what is there is said.
        UsageError: there are several sets; they are named.
    """
    if not folder.exists():
        raise UsageError("there is no such folder", place=str(folder), fix="give the folder with the features")
    try:
        listing = Listing.of(folder)
    except OSError as reason:
        raise DataError(
            f"the folder cannot be listed: {reason.strerror}", place=str(reason.filename), fix="check its permissions"
        ) from reason
    sets = _all_sets(listing, options)
    if not sets:
        raise _nothing(listing)
    if len(sets) > 1 and options.encoder is not None:
        named = [one for one in sets if one.hints.encoder is not None and same(one.hints.encoder, options.encoder)]
        sets = named if len(named) == 1 else sets
    if len(sets) > 1:
        shown = ", ".join(f"{_short(one, folder)} ({len(one.files)} files, {one.name})" for one in sets[:6])
        raise UsageError(
            f"{len(sets)} sets of features lie here: {shown}",
            place=str(folder),
            fix="give the folder of one of them with --features",
        )
    return sets[0]


def _all_sets(listing: Listing, options: Options) -> list[FeatureFormat]:
    """Every set, without the files that an earlier one has."""
    found: list[FeatureFormat] = []
    claimed: set[tuple[Path, str]] = set()
    for find in FINDERS:
        for one in find(listing, options):
            own = [file for file in one.files if (file.path, file.member) not in claimed]
            own = [file for file in own if (file.path, "") not in claimed]
            if own:
                found.append(replace(one, files=own))
                claimed.update((path, "") for file in own for path in (file.path, *file.beside))
                claimed.update((file.path, file.member) for file in own)
    return found


def _short(one: FeatureFormat, folder: Path) -> str:
    root = one.root
    return str(root.relative_to(folder)) if root.is_relative_to(folder) and root != folder else root.name


def _nothing(listing: Listing) -> DataError:
    kinds = {h5_kind(path) for paths in [list(_h5(listing))[:50]] for path in paths}
    seen = {suffix for by_suffix in listing.folders.values() for suffix in by_suffix}
    fix = "give the folder that holds one file of features per slide"
    if "images" in kinds:
        problem = "the .h5 files hold images of tiles (imgs), not features"
        fix = "extract features from them first"
    elif "coords" in kinds:
        problem = "the .h5 files hold coordinates of tiles, not features"
    elif "slide" in kinds:
        problem = "the files hold one vector per slide, and methods here learn from features of tiles"
    elif seen & {".pkl", ".pickle"}:
        problem = "the files are pickles, which are not loaded: a pickle can run any program"
        fix = "save the features as .npy, .pt (tensors) or .h5 with the tool that made them"
    else:
        problem = "no features of tiles were found" + (f" among {', '.join(sorted(seen))} files" if seen else "")
    return DataError(problem, place=str(listing.root), fix=fix)


def _h5(listing: Listing) -> Sequence[Path]:
    return [folder / name for folder, by in listing.folders.items() for suffix in H5 for name in by.get(suffix, ())]
