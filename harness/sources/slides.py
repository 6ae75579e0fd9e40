"""Slides, found below a data root by the layouts of a card, prepared and read tile by tile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.datasets.source_fields import SlidesSource

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from harness.datasets.card import DatasetCard
    from harness.datasets.dataset import Dataset
    from harness.protocols.near_duplicates import Comparison
    from harness.protocols.verify import Compare, Finding, Opener
    from harness.sources.inputs import Inputs
    from harness.sources.opening import Opening


class Slides(SlidesSource):
    """Slides: located, verified, identified and opened. The fields are those of :class:`SlidesSource`."""

    def open(self, dataset: Dataset, opening: Opening) -> Inputs:
        """Tiles of the slides, drawn first if the card says how."""
        from harness.sources.open_slides import open_slides

        return open_slides(dataset, self, opening)

    def verify(
        self,
        dataset: Dataset,
        data_root: Path | None,
        checked: list[str],
        *,
        opener: Opener | None = None,
        compare: Compare | None = None,
    ) -> Iterator[Finding]:
        """Every slide has one file that can be used; with ``opener``, it can be read and is no near-duplicate."""
        from harness.protocols.verify import verify_slides

        return verify_slides(dataset, data_root, opener, compare, checked, drawn=self.draw is not None)

    def data_places(
        self, dataset: Dataset, data_root: Path | None
    ) -> tuple[Mapping[str, Path], Mapping[Path, Sequence[Path]]]:
        """Slides that can be used, and their annotations."""
        from harness.datasets.locate import find_slides, locate_annotations, resolve_root

        root = resolve_root(dataset, data_root)
        if root is None:
            return {}, {}
        found = find_slides(dataset, root)
        slides = {slide: path for slide, path in found.paths.items() if slide not in found.defects}
        outlines = {f"annotation of {slide}": path for slide, path in locate_annotations(dataset, root).items()}
        return slides | outlines, {}

    def preparable(
        self, dataset: Dataset, *, data_root: Path | None, cache: Path, workers: int
    ) -> tuple[Mapping[str, Path], Mapping[str, Any]]:
        """All slides, drawn first if the card says how."""
        from harness.sources.open_slides import slide_files

        files, _ = slide_files(dataset, self, data_root=data_root, cache=cache, slides=dataset.slides, workers=workers)
        return files, {"slide_mpp": self.mpp, "damaged_tiles": self.damaged_tiles}

    def readiness(self, dataset: Dataset, data_root: Path | None) -> str:
        """How many slides are there, or that they are drawn."""
        from harness.core.errors import BenchError
        from harness.datasets.locate import find_slides, resolve_root

        root = resolve_root(dataset, data_root)
        if root is None:
            return "drawn on first use" if self.draw else "needs --data-root"
        try:
            found = len(find_slides(dataset, root).paths)
        except BenchError:
            found = 0
        if not found:
            return "drawn on first use" if self.draw else "missing"
        return "ready" if found == len(dataset.entries) else f"{found} of {len(dataset.entries)} there"

    def files_text(self) -> list[str]:
        """The layouts."""
        return [f"layout {name}: {', '.join(patterns)}" for name, patterns in self.layouts.items()]

    def openers(self, dataset: Dataset) -> tuple[Opener | None, Compare | None]:
        """Opens slides and keeps their thumbnails, and compares what was kept."""
        from functools import partial

        from harness.core.resources import cache_root
        from harness.slides.index import thumbnail_path
        from harness.slides.inspection import inspect_slide
        from harness.slides.side_by_side import compare_slides, save_thumbnail

        folder = cache_root() / dataset.name / "verify"

        def keep(path: Path, picture: NDArray[np.uint8]) -> None:
            save_thumbnail(thumbnail_path(folder, str(path)), picture)

        def compare(hashes: Mapping[str, str], paths: Mapping[str, Path]) -> Comparison:
            kept = {slide: thumbnail_path(folder, str(paths[slide])) for slide in hashes}
            return compare_slides(hashes, kept, folder / "suspected")

        opener = partial(
            inspect_slide, mpp=self.mpp, tissue=dataset.card.tissue, on_damage=self.damaged_tiles, keep=keep
        )
        return opener, compare

    def problems(self) -> Iterator[tuple[str, str, str]]:
        """Patterns that do not have exactly one ``{slide}``."""
        patterns = {f"layouts.{name}": patterns for name, patterns in self.layouts.items()}
        patterns["annotations"] = self.annotations
        for field, group in patterns.items():
            for pattern in group:
                if pattern.count("{slide}") != 1 or "{" in pattern.replace("{slide}", "").replace("{uuid}", ""):
                    yield field, f"pattern {pattern!r} has not exactly one {{slide}}", "write {slide} once"

    def identity(self, card: DatasetCard) -> Mapping[str, Any]:
        """Resolution, damaged tiles and tissue decide which tiles are read."""
        source = self.model_dump(mode="json", include={"mpp", "damaged_tiles"}, exclude_defaults=True)
        found = {"tissue": card.tissue.model_dump(mode="json", exclude_defaults=True), "source": source}
        return {name: values for name, values in found.items() if values}
