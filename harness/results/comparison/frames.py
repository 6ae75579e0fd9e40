"""Comparisons as pandas tables: what ``harness.compare_studies`` gives."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from harness.results.comparison.many import ComparedStudies, compare_many, letter
from harness.results.find_study import find_study
from harness.results.frames import load_studies

if TYPE_CHECKING:
    import pandas as pd

    from harness.evaluation.pairs import Test


class Comparisons:
    """Studies compared in one score, as tables.

    Args:
        found: the comparison.

    Attributes:
        found: the comparison as an object, see :class:`harness.results.comparison.many.ComparedStudies`.
    """

    def __init__(self, found: ComparedStudies) -> None:
        self.found = found

    def __str__(self) -> str:
        return "\n".join(one.text for one in self.found.statements)

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """A row per pair, second minus first: ``difference``, ``low``, ``high``, ``p_value`` (Holm), ``means`` ..."""
        import pandas as pd

        return pd.DataFrame.from_records(
            [
                {
                    "first": self.found.summaries[one.pair.first].study.study_id,
                    "second": self.found.summaries[one.pair.second].study.study_id,
                    "metric": self.found.metric,
                    "difference": one.pair.value,
                    "low": one.pair.low,
                    "high": one.pair.high,
                    "p_value": one.pair.p_value,
                    "p_alone": one.pair.raw,
                    "detectable": one.pair.detectable,
                    "verdict": None if one.margin is None else one.margin[0].verdict,
                    "means": one.text,
                }
                for one in self.found.statements
            ]
        )

    @cached_property
    def folds(self) -> pd.DataFrame:
        """A row per unit, with the score of each study under its id; the last row, without a fold, pools them."""
        import pandas as pd

        names = {letter(k): one.study.study_id for k, one in enumerate(self.found.summaries)}
        return pd.DataFrame.from_records([dict(row) for row in self.found.folds]).rename(columns=names)

    @cached_property
    def costs(self) -> pd.DataFrame:
        """A row per study: hours and peak memory of its units."""
        import pandas as pd

        return pd.DataFrame.from_records(
            [{"study_id": one.study.study_id, **vars(one.cost)} for one in self.found.summaries]
        )


def compare_studies(
    *names: str,
    runs: str | Path = "runs",
    metric: str | None = None,
    test: Test = "bootstrap",
    margin: float | None = None,
    plugins: Sequence[str] = (),
) -> Comparisons:
    """Compare every pair of two or more studies on the same slides.

    Args:
        names: ids of studies, beginnings of them, or of the hash at their end.
        runs: the runs folder.
        metric: the score; None for the first of the task.
        test: ``bootstrap`` (any score), ``delong`` (AUC), ``mcnemar`` (accuracy of one run) or ``resampled-t``.
        margin: the largest loss that does not matter, for non-inferiority.
        plugins: as in :func:`harness.load_studies`.

    Raises:
        UsageError: a name stands for no study or for several, or the score or test does not fit.
        DataError: the studies are of other slides, content, splits, folds or seeds.
    """
    loaded = load_studies(runs, plugins=plugins)
    studies = [find_study(loaded._studies, name, place="compare_studies") for name in names]
    return Comparisons(compare_many(loaded._store, studies, metric=metric, test=test, margin=margin))
