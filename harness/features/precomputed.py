"""Feature sets that outlive the unit that made them: they stay beside its record, each with its own manifest."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from harness.core import console
from harness.core.errors import DataError
from harness.features.manifest import MANIFEST, DType, Manifest
from harness.features.writer import FeatureWriter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.features.store import FeatureStore

FOLDER = "features"
"""Under what a unit keeps, and so in its folder: one set per embedder."""

_HALF_UP_TO = 6000.0
"""A tenth of the largest float16: room for slides that are added later."""


class PrecomputedFeatures:
    """A set under way. Take one up with :meth:`copy_of`, then add slides that come later.

    Attributes:
        folder: where it is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def copy_of(cls, store: FeatureStore, folder: Path) -> Self:
        """A copy in float16, or in float32 where the values are too large for that. What was in ``folder`` goes."""
        shutil.rmtree(folder, ignore_errors=True)
        largest = max((float(np.abs(store.bag(slide)).max()) for slide in store.slides), default=0.0)
        dtype: DType = "float16" if largest <= _HALF_UP_TO else "float32"
        with FeatureWriter(folder, replace(store.manifest.header, dtype=dtype)) as writer:
            for slide, entry in store.manifest.slides.items():
                features, coords = store.bag(slide), store.coords(slide)
                writer.append(slide, features, coords, fingerprint=entry.fingerprint, seconds=entry.seconds)
            writer.finish()
        return cls(folder)

    @property
    def slides(self) -> tuple[str, ...]:
        """Slides in the set."""
        return tuple(Manifest.read(self.folder).slides)

    def add(
        self, slide: str, features: NDArray[np.floating[Any]], coords: NDArray[np.int64] | None, fingerprint: str
    ) -> None:
        """Add a slide, unless the set has it.

        Features that cannot be stored are said and left out: the unit does not fail for what it only leaves behind.
        """
        with FeatureWriter(self.folder, Manifest.read(self.folder).header) as writer:
            if slide in writer.entries:
                return
            try:
                writer.append(slide, features, coords, fingerprint=fingerprint)
            except DataError as error:
                console.warn(f"features of slide {slide} are not kept: {error.problem}")
            writer.finish()


def deliver(kept: Path, unit_folder: Path, *, names: Mapping[str, str] | None = None) -> tuple[Path, ...]:
    """Move the feature sets that a unit kept in its scratch space into its folder, for good.

    Their manifests then name the unit, and slides by the ids that they have outside it.

    Args:
        kept: what :meth:`harness.training.context.Context.keep` gave out, ``<workdir>/keep``.
        unit_folder: the unit's folder; its name is the unit's id. Sets of an earlier run of the unit are replaced.
        names: slide id inside the unit → slide id outside, where they differ.

    Returns:
        Where the sets are now.
    """
    moved = []
    for source in sorted(path.parent for path in (kept / FOLDER).glob(f"*/{MANIFEST}")):
        target = unit_folder / FOLDER / source.name
        shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        _renamed(Manifest.read(source), names or {}, unit_folder.name).write(source)
        (source / ".lock").unlink(missing_ok=True)
        shutil.move(source, target)
        moved.append(target)
    return tuple(moved)


def _renamed(manifest: Manifest, names: Mapping[str, str], unit: str) -> Manifest:
    header = manifest.header
    if (seen := header.encoder_trained_on) is not None:
        slides, chosen = (tuple(sorted(names.get(s, s) for s in part)) for part in (seen.slides, seen.chosen_on))
        header = replace(header, encoder_trained_on=replace(seen, slides=slides, chosen_on=chosen, unit=unit))
    return Manifest(header, {names.get(slide, slide): entry for slide, entry in manifest.slides.items()})
