"""What a study came to, from the evidence of its units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.evaluation.study_scores import Predictions, study_scores

if TYPE_CHECKING:
    import pandas as pd

    from harness.tracking.record import Record


@dataclass(frozen=True, kw_only=True)
class StudyResult:
    """What a study came to.

    Attributes:
        study_id: its name.
        rows: (metric, value, low, high), with the 95 % interval over patients; None where undefined.
        n_done: units that are done, whenever they were run.
        n_reused: those of them that had been done before.
        n_failed: units that failed now.
        compute: name → amount, over all done units.
        paths: name → what was written.
    """

    study_id: str
    rows: list[tuple[str, float | None, float | None, float | None]]
    n_done: int
    n_reused: int
    n_failed: int
    compute: Mapping[str, Any]
    paths: Mapping[str, Path]


def score_rows(frame: pd.DataFrame) -> list[tuple[str, float | None, float | None, float | None]]:
    """(metric, value, low, high) of all predictions of a study."""
    if not len(frame):
        return []
    scores = study_scores(
        Predictions(
            repeat=frame["repeat"].to_numpy(),
            fold=frame["fold"].to_numpy(),
            seed=frame["seed"].to_numpy(),
            patient=frame["patient"].to_numpy(),
            label=frame["label"].to_numpy(),
            probabilities=frame[[c for c in frame.columns if c.startswith("p_")]].to_numpy(),
            predicted=frame["predicted"].to_numpy(),
        )
    ).scores
    return [(name, _known(s.value), _known(s.low), _known(s.high)) for name, s in scores.items()]


def localisation_row(records: Sequence[Record]) -> list[tuple[str, float | None, float | None, float | None]]:
    """Mean patch AUC of the attention over units, where it is known."""
    found = [r.extra["localisation"]["patch_auc"] for r in records if "localisation" in r.extra]
    found = [value for value in found if value is not None and value == value]
    return [("patch_auc", float(np.mean(found)), None, None)] if found else []


def _known(value: float) -> float | None:
    return None if value != value else value
