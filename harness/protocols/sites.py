"""Where slides come from, and which sites stand on both sides of a split.

A site leaves its mark on a slide (scanner, stain), and a model may learn the mark instead of the disease (Howard et
al. 2021, "The impact of site-specific digital histology signatures on deep learning model accuracy and bias"). How far
it may is measured by the association of label and site. Both are reported, not refused: hardly any public dataset is
split by site.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from harness.core.errors import DataError
from harness.core.suggest import nearest
from harness.datasets.dataset import SITE_COLUMN, Dataset
from harness.datasets.splits import PARTS, Fold
from harness.datasets.table import listed
from harness.protocols.association import cramers_v

HIGH = 0.5
"""Cramér's V of label and site above which a warning is due."""
_ENOUGH = 10
"""Slides that a part must have for that: in a few, all may fall together by chance."""


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
        association: Cramér's V of label and site (of the event, for survival) over all slides of the label table; None
            where it is undefined, with one site or one class.
        by_part: the same in train, val and test, as the mean over the folds in which it is defined.
        high: where it is above :data:`HIGH`, among ``dataset``, ``train``, ``val`` and ``test``.
    """

    column: str
    train: dict[str, int]
    test: dict[str, int]
    shared: tuple[str, ...]
    folds: int
    of: int
    unknown: int = 0
    association: float | None = None
    by_part: dict[str, float | None] = field(default_factory=dict)
    high: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """In one sentence."""
        sides = f"trained on {listed(self.train) or 'none'}, tested on {listed(self.test) or 'none'}"
        both = (
            f"{listed(self.shared)} on both sides of {self.folds} of {self.of} folds" if self.shared else "none shared"
        )
        lacking = f"; {self.unknown} slides without one" if self.unknown else ""
        parts = ", ".join(f"{part} {_shown(value)}" for part, value in self.by_part.items())
        strength = f"Cramér's V of label and site {_shown(self.association)}" + f" ({parts})" * bool(parts)
        return f"sites (column {self.column}): {sides}; {both}{lacking}; {strength}"

    @property
    def warning(self) -> str | None:
        """A sentence where label and site go together; else None."""
        if not self.high:
            return None
        values = {"dataset": self.association, **self.by_part}
        where = ", ".join(f"{name} {_shown(values[name])}" for name in self.high)
        return (
            f"label and site (column {self.column}) go together, Cramér's V: {where}. A model that recognises the site "
            "instead of the disease scores well here"
        )

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
        return SITE_COLUMN if SITE_COLUMN in columns else None
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
    strength, by_part, high = _association(dataset, column, every)
    return Sites(column, train, test, tuple(sorted(shared)), mixed, len(every), unknown, strength, by_part, high)


def _association(
    dataset: Dataset, column: str, folds: Sequence[Fold]
) -> tuple[float | None, dict[str, float | None], tuple[str, ...]]:
    """Cramér's V over the dataset, its mean by part, and where it is high."""
    overall, size = _strength(dataset, column, dataset.slides)
    high = ["dataset"] if size >= _ENOUGH and (overall or 0.0) > HIGH else []
    by_part: dict[str, float | None] = {}
    for part in PARTS:
        of_folds = [_strength(dataset, column, getattr(fold, part)) for fold in folds if getattr(fold, part)]
        if not of_folds:
            continue
        values = [value for value, _ in of_folds if value is not None]
        mean = by_part[part] = sum(values) / len(values) if values else None
        if (mean or 0.0) > HIGH and max(size for _, size in of_folds) >= _ENOUGH:
            high.append(part)
    return overall, by_part, tuple(high)


def _strength(dataset: Dataset, column: str, slides: Iterable[str]) -> tuple[float | None, int]:
    """Cramér's V over the slides that have a site, and how many these are."""
    entries = [entry for slide in slides if (entry := dataset.by_slide[slide]).extra[column]]
    return cramers_v([entry.label for entry in entries], [entry.extra[column] for entry in entries]), len(entries)


def _shown(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.2f}"


def _names(dataset: Dataset, column: str, slides: Iterable[str]) -> set[str]:
    return {site for slide in slides if (site := dataset.by_slide[slide].extra[column])}


def _counts(dataset: Dataset, column: str, slides: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for slide in slides:
        if site := dataset.by_slide[slide].extra[column]:
            counts[site] = counts.get(site, 0) + 1
    return dict(sorted(counts.items()))
