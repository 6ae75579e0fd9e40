"""Whether an encoder has seen the slides of a cohort before: its features are then no test of unseen data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from harness.core.errors import UsageError
from harness.encoders.names import parse_name
from harness.encoders.spelling import variants
from harness.encoders.table import row_of

if TYPE_CHECKING:
    from harness.encoders.table import Row


def pretraining_overlap(encoder: str, cohorts: Iterable[str]) -> dict[str, str]:
    """Cohort → whether the encoder was pre-trained on it: yes, likely, no, unlikely, unknown.

    Args:
        encoder: what ``--encoder`` was given, or what a folder of features says.
        cohorts: public cohorts that slides of the dataset are from.

    Returns:
        Nothing for an encoder with drawn weights, or of which nothing is known.
    """
    row = _row(encoder)
    return {} if row is None else {cohort: row.overlap(cohort) for cohort in sorted(cohorts)}


def pretraining_cohorts(encoder: str) -> tuple[str, ...]:
    """Public cohorts that are known, or likely, to be among the slides that an encoder was pre-trained on.

    Args:
        encoder: as for :func:`pretraining_overlap`.

    Returns:
        Nothing where none is known, which does not mean that there is none.
    """
    row = _row(encoder)
    if row is None:
        return ()
    return tuple(sorted([*["tcga"] * (row.tcga in ("yes", "likely")), *row.saw]))


def _row(encoder: str) -> Row | None:
    if not encoder:
        return None
    try:
        name = parse_name(encoder)
    except UsageError:  # a folder of features may name anything
        return next(iter(variants(encoder)), None)
    if name.origin == "random":
        return None
    model = f"{name.model}@layer{name.stage}" if name.stage else name.model
    return row_of(model) or next(iter(variants(model)), None)
