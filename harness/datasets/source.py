"""Where the bags of a dataset come from: one class per kind of source, and its part of the dataset card."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from harness.datasets.card import DatasetCard
    from harness.datasets.dataset import Dataset
    from harness.protocols.verify import Compare, Finding, Opener
    from harness.sources.inputs import Inputs
    from harness.sources.opening import Opening


class Source(BaseModel, ABC):
    """A source of bags. Its fields are what a card states under ``source``; ``kind`` names the class.

    A source of your own defines ``kind``, its fields, :meth:`verify` and :meth:`open`; the other members have defaults
    that suit feature vectors which lie beside the card.

    Attributes:
        offers: the kinds of input that methods can read of it: ``features``, ``tiles`` or both.
        reads: input settings that have an effect on it: ``encoder``, ``mpp``, ``tile_px``, ``align``, ``resampler``.
            Without any it comes as features.
        takes_data_root: whether its files may lie elsewhere than beside the card, below ``--data-root``.
        comes_as: what it holds, in words, for errors.
        kind: the word behind ``source.kind`` in a card: declare it as ``kind: Literal["word"] = "word"``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    offers: ClassVar[frozenset[Literal["features", "tiles"]]] = frozenset({"features"})
    reads: ClassVar[frozenset[str]] = frozenset()
    takes_data_root: ClassVar[bool] = False
    comes_as: ClassVar[str] = "feature vectors"
    kind: str

    @abstractmethod
    def open(self, dataset: Dataset, opening: Opening) -> Inputs:
        """Open the bags.

        Returns:
            Access to the bags, the fingerprint of each slide's content, and what must be hidden from the process that
            trains. Tiles are encoded by the caller where features are asked for.

        Raises:
            DataError: files are missing or unreadable.
        """

    @abstractmethod
    def verify(
        self,
        dataset: Dataset,
        data_root: Path | None,
        checked: list[str],
        *,
        opener: Opener | None = None,
        compare: Compare | None = None,
    ) -> Iterator[Finding]:
        """Compare the files with the card.

        Args:
            dataset: the dataset.
            data_root: where its files are; None for the place that the card names, if it does.
            checked: takes what was checked, one sentence each.
            opener: opens each file of a slide; None leaves them closed.
            compare: compares the slides that were opened; None compares their perceptual hashes alone.
        """

    def slide_patterns(self) -> Mapping[str, Sequence[str]]:
        """Layout → patterns that find the file of each slide below the data root; empty for a source without slides."""
        return {}

    def annotation_patterns(self) -> Sequence[str]:
        """Patterns that find the annotation of each slide below the data root."""
        return ()

    def own_root(self, folder: Path) -> Path | None:
        """The data root where none is given, for a card that lies in ``folder``."""
        return None

    def openers(self, dataset: Dataset) -> tuple[Opener | None, Compare | None]:
        """What ``bench datasets verify --open`` opens each slide with, and compares the opened ones by."""
        return None, None

    def data_places(
        self, dataset: Dataset, data_root: Path | None
    ) -> tuple[Mapping[str, Path], Mapping[Path, Sequence[Path]]]:
        """All data whose content ``bench datasets verify`` hashes: the files that the card states, if they are there.

        Returns:
            Name in reports → file or folder; folder → its files, for data that is many files in one folder.

        Raises:
            DataError: files are missing.
        """
        files = {name: dataset.folder / name for name in self.relative_files().values()}
        return {name: path for name, path in files.items() if path.is_file()}, {}

    def preparable(
        self, dataset: Dataset, *, data_root: Path | None, cache: Path, workers: int
    ) -> tuple[Mapping[str, Path], Mapping[str, Any]] | None:
        """Slides for ``bench prepare``: path by slide, and fields of :class:`harness.slides.settings.PrepareSettings`.

        Returns:
            None where there is nothing to prepare.

        Raises:
            DataError: slides are missing.
        """
        return None

    def drawing(self) -> Mapping[str, Any] | None:
        """Name and settings of the drawing that the harness makes where the data is absent; None for no drawing."""
        return None

    def readiness(self, dataset: Dataset, data_root: Path | None) -> str:
        """Whether the data is there, in a few words: ``ready``, ``missing``."""
        return (
            "ready" if all((dataset.folder / file).exists() for file in self.relative_files().values()) else "missing"
        )

    def files_text(self) -> list[str]:
        """Where files are looked for, in words."""
        return []

    def relative_files(self) -> Mapping[str, str]:
        """Field → path that it states; such paths must not lead out of the folder that they are relative to."""
        return {}

    def problems(self) -> Iterator[tuple[str, str, str]]:
        """What is wrong with the fields together: field, problem, fix."""
        yield from ()

    def identity(self, card: DatasetCard) -> Mapping[str, Any]:
        """What the card states about how the data is read, where that differs from the defaults: part of the dataset's
        fingerprint. JSON-able.
        """
        return {}

    def evidence(self) -> Mapping[str, Any]:
        """What a study's configuration says about where its data is from, beside the card; JSON-able."""
        return {}

    @property
    def fixed(self) -> Mapping[str, Any]:
        """Input settings that the data itself decides: the size of patches."""
        return {}

    @property
    def offers_mpp(self) -> float | None:
        """The finest resolution that all slides have, in microns per pixel; None where unknown or without slides."""
        return None
