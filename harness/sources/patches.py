"""Image patches that come cut out, grouped into bags by tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.datasets.source_fields import PatchesSource

if TYPE_CHECKING:
    from pathlib import Path

    from harness.datasets.dataset import Dataset
    from harness.protocols.verify import Compare, Finding, Opener
    from harness.sources.inputs import Inputs
    from harness.sources.opening import Opening

_SLIDE_ID = re.compile(r"[^{}]*\{slide(:[^{}]?[<>^]\d{1,2})?\}[^{}]*")
_COLUMNS = {"image", "slide", "patient", "instance_label"}


class Patches(PatchesSource):
    """Patches: located, verified, packed and opened. The fields are those of :class:`PatchesSource`."""

    def open(self, dataset: Dataset, opening: Opening) -> Inputs:
        """Patches as tiles, packed into the cache on first use."""
        from harness.sources.open_patches import open_patch_bags

        return open_patch_bags(dataset, opening)

    def verify(
        self,
        dataset: Dataset,
        data_root: Path | None,
        checked: list[str],
        *,
        opener: Opener | None = None,
        compare: Compare | None = None,
    ) -> Iterator[Finding]:
        """The tables are those of the label table, and every patch is there."""
        from harness.protocols.verify import verify_patches

        return verify_patches(dataset, data_root, checked)

    def data_places(
        self, dataset: Dataset, data_root: Path | None
    ) -> tuple[Mapping[str, Path], Mapping[Path, Sequence[Path]]]:
        """The tables, and the archive or the folder of all images."""
        from harness.datasets.locate import resolve_root
        from harness.datasets.patch_images import find_images
        from harness.datasets.patch_table import read_patch_tables, table_paths

        root = resolve_root(dataset, data_root)
        if root is None:
            return {}, {}
        images = find_images(dataset, root, [row.image for row in read_patch_tables(dataset, root)])
        places = {f"table {path.name}": path for path in table_paths(dataset, root)}
        if images.archive is not None:
            return {**places, f"archive {images.archive.name}": images.archive}, {}
        return {**places, "patch images": root}, {root: tuple(images.files.values())}

    def readiness(self, dataset: Dataset, data_root: Path | None) -> str:
        """Whether the tables are there."""
        from harness.core.errors import BenchError
        from harness.datasets.locate import resolve_root
        from harness.datasets.patch_table import table_paths

        root = resolve_root(dataset, data_root)
        if root is None:
            return "needs --data-root"
        try:
            table_paths(dataset, root)
        except BenchError:
            return "missing"
        return "ready"

    def files_text(self) -> list[str]:
        """Tables and images, or the archive."""
        return [", ".join([*self.tables, *self.images]), *([f"or {self.archive}"] if self.archive else [])]

    def relative_files(self) -> Mapping[str, str]:
        """Tables and archive, relative to the data root."""
        tables = {f"tables.{number}": table for number, table in enumerate(self.tables)}
        return tables | ({"archive": self.archive} if self.archive else {})

    def problems(self) -> Iterator[tuple[str, str, str]]:
        """Columns that are not named, and patterns without exactly one ``{image}`` or ``{slide}``."""
        if lacking := _COLUMNS - set(self.columns):
            yield "columns", f"no column is named for {', '.join(sorted(lacking))}", "add it"
        for pattern in self.images:
            if pattern.count("{image}") != 1 or "{" in pattern.replace("{image}", ""):
                yield "images", f"{pattern!r} has not exactly one {{image}}", "write {image} once"
        if not _SLIDE_ID.fullmatch(self.slide_id):
            problem = f"{self.slide_id!r} has not exactly one {{slide}}"
            yield "slide_id", problem, "write {slide} once, or {slide:0>3} to fill up with zeros"

    @property
    def fixed(self) -> Mapping[str, Any]:
        """Patches have the size and the resolution that they were cut out with."""
        return {"mpp": (), "tile_px": self.tile_px}
