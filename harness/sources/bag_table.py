"""One table of bags: feature vectors that come with the dataset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from harness.datasets.source_fields import FeaturesSource

if TYPE_CHECKING:
    from pathlib import Path

    from harness.datasets.dataset import Dataset
    from harness.protocols.verify import Compare, Finding, Opener
    from harness.sources.inputs import Inputs
    from harness.sources.opening import Opening


class BagTable(FeaturesSource):
    """Bags in an ``.npz`` beside the card. The fields are those of :class:`FeaturesSource`."""

    def open(self, dataset: Dataset, opening: Opening) -> Inputs:
        """The bags, in memory."""
        from functools import partial

        from harness.bags.access import FeatureAccess
        from harness.datasets.npz_bags import read_npz_bags
        from harness.protocols.near_duplicates import compare_bags
        from harness.sources.inputs import Inputs

        table = read_npz_bags(dataset)
        return Inputs(
            dataset=dataset,
            content=table.fingerprints,
            access=FeatureAccess(table.features, table.rows),
            hidden=(dataset.folder,),
            compare=partial(compare_bags, table.slides, table.bag),
            unchecked=(
                f"how {self.file} was made: it names no encoder and no training slides, and features of an encoder "
                "that was trained on test slides cannot be told from those of a frozen one",
            ),
        )

    def verify(
        self,
        dataset: Dataset,
        data_root: Path | None,
        checked: list[str],
        *,
        opener: Opener | None = None,
        compare: Compare | None = None,
    ) -> Iterator[Finding]:
        """The table can be read, agrees with the label table, and has no near-duplicates on two sides of a split."""
        from harness.protocols.verify import verify_bags

        return verify_bags(dataset, checked)

    def relative_files(self) -> Mapping[str, str]:
        """The file with the bags, relative to the card."""
        return {"file": self.file}
