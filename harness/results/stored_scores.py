"""The scores of a study in its study.json, so that whoever has the file has the result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.results.study_table import known

if TYPE_CHECKING:
    from harness.results.store import RunStore
    from harness.results.summary import Summary


def store_scores(store: RunStore, summary: Summary) -> None:
    """Write scores with their 95 % intervals over patients, and what the finished units cost, into study.json.

    ``units_done`` says how many units they rest on. A study whose study.json is lost is left as it is.
    """
    study = summary.study
    scores = summary.scores.scores if summary.scores else {}
    with store.planning(study.study_id):
        if plan := store.plan(study.study_id):
            values = {
                name: {**{key: known(getattr(score, key)) for key in _KEYS}, "folds": score.folds}
                for name, score in scores.items()
            }
            found = {"scores": values, "cost": vars(summary.cost), "units_done": len(study.records)}
            store.write_study({**plan, **found})


_KEYS = ("value", "low", "high", "std_folds")
