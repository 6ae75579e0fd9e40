"""What a study came to, from the evidence of its units."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.results.study_table import access_rows, known, shared_rows
from harness.results.summary import summarise

if TYPE_CHECKING:
    from harness.results.store import RunStore


@dataclass(frozen=True, kw_only=True)
class StudyResult:
    """What a study came to.

    Attributes:
        study_id: its name.
        rows: (metric, value, low, high), with the 95 % interval over patients; None where undefined.
        n_done: units that are done, whenever they were run.
        n_reused: those of them that had been done before.
        n_failed: units that failed now.
        lost: ids of units that were asked for and are neither done nor failed: what they left behind cannot be read.
        compute: name → amount, over all done units.
        accesses: what features cost, test-set accesses, and what tuning cost, in words.
        paths: name → what was written.
        undefined: metric → in which units it is undefined and why, in words.
    """

    study_id: str
    rows: list[tuple[str, float | None, float | None, float | None]]
    n_done: int
    n_reused: int
    n_failed: int
    lost: tuple[str, ...]
    compute: Mapping[str, Any]
    accesses: list[tuple[str, str]]
    paths: Mapping[str, Path]
    undefined: Mapping[str, str]


def result_of(store: RunStore, study_id: str, *, reused: int, failed: int, asked: Collection[str] = ()) -> StudyResult:
    """The result of a study from the store.

    Args:
        store: the evidence.
        study_id: name of the study.
        reused: how many of its units had been done before.
        failed: how many have failed now.
        asked: ids of the units that were to be run.
    """
    study = store.study(study_id)
    ended = {one.unit_id for one in study.records} | {one.unit_id for one in study.failures}
    summary = summarise(store, study)
    scores = summary.scores.scores if summary.scores else {}
    rows = [(name, known(s.value), known(s.low), known(s.high)) for name, s in scores.items()]
    rows += [(name, known(value), None, None) for name, value in summary.extra.items() if name.endswith("_auc")]
    return StudyResult(
        study_id=study_id,
        rows=rows,
        n_done=len(study.records),
        n_reused=reused,
        n_failed=failed,
        lost=tuple(unit for unit in asked if unit not in ended),
        compute={name: value for name, value in vars(summary.cost).items() if value is not None},
        accesses=[*shared_rows(study), *access_rows(summary.accesses)],
        undefined={name: summary.undefined(name) for name, score in scores.items() if score.value != score.value},
        paths={"study": store.study_folder(study_id), "units": store.root / "units", "evidence": store.root},
    )
