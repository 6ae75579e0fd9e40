"""Where slides come from, and which sites stand on both sides of a split.

A site leaves its mark on a slide (scanner, stain), and a model may learn the mark instead of the disease. That is
reported, not refused: hardly any public dataset is split by site.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from harness.errors import DataError
from harness.protocol.dataset import Dataset
from harness.protocol.splits import Fold
from harness.protocol.table import listed
from harness.suggest import nearest

_COLUMN = "site"


@dataclass(frozen=True)
class Sites:
    """Sites of the slides that are trained on (validation counts as that) and tested.

    Attributes:
        column: column of the label table.
        train: site → number of slides that some fold trains on, by name.
        test: site → number of slides that some fold tests, by name.
        shared: sites that stand on both sides of one fold.
        folds: how many folds have such a site.
        of: how many folds there are.
        unknown: how many slides have no site.
    """

    column: str
    train: dict[str, int]
    test: dict[str, int]
    shared: tuple[str, ...]
    folds: int
    of: int
    unknown: int = 0

    @property
    def words(self) -> str:
        """In one sentence."""
        sides = f"trained on {listed(self.train) or 'none'}, tested on {listed(self.test) or 'none'}"
        both = (
            f"{listed(self.shared)} on both sides of {self.folds} of {self.of} folds" if self.shared else "none shared"
        )
        lacking = f"; {self.unknown} slides without one" if self.unknown else ""
        return f"sites (column {self.column}): {sides}; {both}{lacking}"

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def site_column(dataset: Dataset) -> str | None:
    """The column that the card names, else ``site`` if the label table has it; None without either.

    Raises:
        DataError: the card names a column that the label table has not.
    """
    columns = list(dataset.entries[0].extra) if dataset.entries else []
    wanted = dataset.card.site
    if wanted is None:
        return _COLUMN if _COLUMN in columns else None
    if wanted not in columns:
        hits = nearest(wanted, columns, count=1)
        raise DataError(
            f"the label table has no column {wanted!r}",
            place=f"{dataset.folder / 'card.yaml'}, field site",
            fix=f"did you mean {hits[0]!r}?" if hits else f"columns are: {', '.join(columns) or '(none)'}",
        )
    return wanted


def sites_of(dataset: Dataset, folds: Iterable[Fold]) -> Sites | None:
    """The sites of a split; None where the label table does not tell.

    Raises:
        DataError: the card names a column that the label table has not.
    """
    column = site_column(dataset)
    if column is None:
        return None
    every = list(folds)
    trained: set[str] = set()
    tested: set[str] = set()
    shared: set[str] = set()
    mixed = 0
    for fold in every:
        here, there = {*fold.train, *fold.val}, set(fold.test)
        both = _names(dataset, column, here) & _names(dataset, column, there)
        trained |= here
        tested |= there
        shared |= both
        mixed += bool(both)
    unknown = sum(not dataset.by_slide[slide].extra[column] for slide in trained | tested)
    train, test = _counts(dataset, column, trained), _counts(dataset, column, tested)
    return Sites(column, train, test, tuple(sorted(shared)), mixed, len(every), unknown)


def _names(dataset: Dataset, column: str, slides: Iterable[str]) -> set[str]:
    return {site for slide in slides if (site := dataset.by_slide[slide].extra[column])}


def _counts(dataset: Dataset, column: str, slides: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for slide in slides:
        if site := dataset.by_slide[slide].extra[column]:
            counts[site] = counts.get(site, 0) + 1
    return dict(sorted(counts.items()))
