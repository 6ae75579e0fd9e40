"""``--features``: a set of features that exists already, such as one that a unit has left beside its record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from harness.core.errors import DataError, UsageError
from harness.core.resources import cache_root
from harness.datasets.catalog import find_dataset
from harness.datasets.table import listed
from harness.features.manifest import Manifest
from harness.sources.fetched_set import with_fetched

if TYPE_CHECKING:
    from harness.datasets.dataset import Dataset
    from harness.datasets.splits import Fold
    from harness.studies.config import StudyConfig


@dataclass(frozen=True)
class FeatureSet:
    """Features to be read instead of being made.

    Attributes:
        folder: where they are.
        manifest: what they say of themselves.
    """

    folder: Path
    manifest: Manifest

    @classmethod
    def read(cls, folder: Path, dataset: Dataset) -> Self:
        """Look at a set.

        Raises:
            UsageError: the dataset has no tiles that it could be of.
            DataError: there is no set in ``folder``.
        """
        if "tiles" not in dataset.card.source.offers:
            raise UsageError(
                f"dataset {dataset.name} comes as features already", place="--features", fix="leave --features out"
            )
        return cls(folder, Manifest.read(folder))

    def over(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Input settings with those of the set: its encoder, resolution and tiles.

        Raises:
            UsageError: the user asks for others.
        """
        key = self.manifest.header.key
        own: dict[str, Any] = {"kind": "features", "encoder": key.encoder, "tile_px": key.tile_px}
        own |= {"mpp": (key.mpp,) if key.mpp else ()}
        for name, value in settings.items():
            if name in own and value not in (own[name], list(own[name]) if name == "mpp" else None):
                raise UsageError(
                    f"the set has input.{name} {own[name]!r}, and {value!r} is asked for",
                    place=f"--features {self.folder}",
                    fix=f"leave input.{name} (--input, --encoder, a preset) out, or choose another set",
                )
        return {**settings, **own}

    def check(self, folds: Iterable[Fold]) -> None:
        """See that the set has the slides of all folds that are run.

        Raises:
            DataError: slides are missing; they are named.
        """
        for fold in folds:
            used = [slide for _, part in fold.parts() for slide in part]
            if missing := [slide for slide in used if slide not in self.manifest.slides]:
                raise DataError(
                    f"the set has no features of {listed(missing)}, used by {fold.name}",
                    place=f"--features {self.folder}",
                    fix="choose the fold that the set was made for with --fold, or another set",
                )

    @cached_property
    def identity(self) -> dict[str, str]:
        """What tells units on these features from others: a hash of their content."""
        return {"features": self.manifest.content_sha256()}


def dataset_of(config: StudyConfig) -> tuple[Dataset, FeatureSet | None]:
    """The dataset of a study, with the features of a set that its card names; or with a folder of features.

    Raises:
        UsageError: there is no such dataset or set.
        DataError: the set was not fetched, or the folder holds no features.
    """
    dataset = find_dataset(config.dataset)
    if config.features is None:
        return dataset, None
    name = str(config.features)
    if not config.features.exists() and (name in dataset.card.feature_sets or config.features.name == name):
        return with_fetched(dataset, name, config.cache or cache_root()), None
    return dataset, FeatureSet.read(config.features, dataset)
