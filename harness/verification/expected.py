"""What the evidence of a study has to hold, from the dataset's card, its split file and its label table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from harness.core.errors import BenchError
from harness.core.hashing import sha256_text

if TYPE_CHECKING:
    from harness.datasets.dataset import Dataset
    from harness.datasets.splits import Splits

Row = tuple[Any, ...]
"""A test slide: its id, its patient, and the values of the task's columns of the label table."""


@dataclass(frozen=True)
class Expected:
    """What the card says of a protocol.

    Attributes:
        dataset: the dataset.
        ranked: whether the protocol may be ranked; None where the card has no such protocol.
        splits: its folds; None where the split file cannot be read, or is not the one that the study was run on.
        unchecked: what cannot be compared therefore, in words; empty where all can be.
    """

    dataset: Dataset
    ranked: bool | None
    splits: Splits | None
    unchecked: str = ""

    @cached_property
    def folds(self) -> frozenset[tuple[int, int]]:
        """Repeat and fold of every unit of a seed."""
        return frozenset((fold.repeat, fold.fold) for fold in self.splits.folds) if self.splits else frozenset()

    def rows(self, repeat: int, fold: int) -> list[Row]:
        """The test slides of a fold, sorted."""
        assert self.splits is not None
        (found,) = (one for one in self.splits.folds if (one.repeat, one.fold) == (repeat, fold))
        entries = [self.dataset.by_slide[slide] for slide in found.test]
        names = tuple(self.dataset.task.truth)
        return sorted((entry.slide, entry.patient, *(entry.truth[name] for name in names)) for entry in entries)

    @cached_property
    def digests(self) -> Mapping[tuple[int, int], str]:
        """:func:`rows_digest` of every fold, by repeat and fold."""
        return {(repeat, fold): rows_digest(self.rows(repeat, fold)) for repeat, fold in self.folds}


def expected(dataset: Dataset, protocol: str, split_sha256: str) -> Expected:
    """What a study on ``dataset`` has to hold.

    Args:
        dataset: the dataset whose name the study has.
        protocol: name of the protocol.
        split_sha256: SHA-256 of the split file that the study was run on.
    """
    card = dataset.card.protocols.get(protocol)
    if card is None:
        return Expected(dataset, None, None, f"the card of {dataset.name} has no protocol {protocol} (any more)")
    try:
        splits = dataset.splits(protocol)
    except (BenchError, OSError) as error:
        return Expected(dataset, card.ranked, None, f"the split file of {dataset.name} cannot be read: {error}")
    if splits.sha256 != split_sha256:
        words = f"the split file of {dataset.name}, {protocol} is {splits.sha256[:12]}, not {split_sha256[:12]}"
        return Expected(dataset, card.ranked, None, words)
    return Expected(dataset, card.ranked, splits)


def rows_digest(rows: Sequence[Row]) -> str:
    """SHA-256 of sorted rows; equal rows give equal digests, whatever the types of their numbers."""
    return sha256_text("\n".join("\t".join(map(_cell, row)) for row in rows))


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else repr(float(value))


def rows_of(columns: Mapping[str, Sequence[Any]], truth: Sequence[str]) -> list[Row]:
    """Sorted rows of a table of predictions.

    Args:
        columns: values by column.
        truth: names of the task's columns of the label table.
    """
    return sorted(zip(*(columns[name] for name in ("slide", "patient", *truth)), strict=True))


def first_difference(found: Sequence[Row], true: Sequence[Row], names: Sequence[str]) -> tuple[str, str, str]:
    """The first slide that differs: what is wrong, the value that stands there, and the true one.

    Args:
        found, true: sorted rows.
        names: of the columns behind slide and patient.
    """
    have, want = ({str(row[0]): row for row in rows} for rows in (found, true))
    if len(have) != len(found):
        twice = next(a[0] for a, b in pairwise(found) if a[0] == b[0])
        return f"slide {twice} stands twice", f"{len(found)} rows", f"{len(true)} rows"
    if missing := sorted(want.keys() - have.keys()):
        more = f" and {len(missing) - 1} more" * (len(missing) > 1)
        return f"no row for test slide {missing[0]}{more}", f"{len(have)} rows", f"{len(want)} rows"
    if extra := sorted(have.keys() - want.keys()):
        more = f" and {len(extra) - 1} more" * (len(extra) > 1)
        return f"slide {extra[0]}{more} is not tested in this fold", f"{len(have)} rows", f"{len(want)} rows"
    for slide, row in have.items():
        for name, shown, true_value in zip(("patient", *names), row[1:], want[slide][1:], strict=True):
            if _cell(shown) != _cell(true_value):
                return f"{name} of slide {slide} is not that of the label table", f"{shown}", f"{true_value}"
    return "", "", ""
