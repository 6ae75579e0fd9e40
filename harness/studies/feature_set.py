"""``--features``: a set of features that exists already, such as one that a unit has left beside its record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from harness.core.errors import DataError, UsageError
from harness.datasets.table import listed
from harness.features.manifest import Manifest

if TYPE_CHECKING:
    from harness.datasets.dataset import Dataset
    from harness.datasets.splits import Fold


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
