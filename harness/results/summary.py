"""What a study came to: its scores and what it cost, from the evidence of its units."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.core.errors import DataError
from harness.core.hashing import sha256_file
from harness.datasets.table import listed
from harness.evaluation.rows import Rows
from harness.evaluation.study_scores import StudyScores, study_scores
from harness.results.access_counts import AccessCounts
from harness.results.predictions import PREDICTIONS, as_predictions
from harness.results.store import RunStore
from harness.results.studies import Study
from harness.results.unit_facts import known_facts
from harness.tasks.registry import DEFAULT, task_of

if TYPE_CHECKING:
    from harness.results.record import Record

NO_GPU = "no GPU"


@dataclass(frozen=True)
class Cost:
    """What the finished units of a study used together; None where one of them does not know.

    Attributes:
        gpu: names of the devices, or "no GPU".
        wall_s: seconds, one unit after the other.
        cpu_hours, gpu_hours: sums; no GPU-hours where no GPU was used.
        peak_memory_mb: the largest of any unit, on the device it ran on, in 10^6 bytes.
        peak_rss_mb: the largest resident set.
        peak_gpu_allocated_mb: the largest allocation on a GPU.
        shared_wall_s, shared_cpu_hours, shared_gpu_hours: what was spent once for all studies that use it, such as
            making the features: in none of the numbers above. None where nothing was, or nobody knows.
    """

    gpu: str
    wall_s: float | None
    cpu_hours: float | None
    gpu_hours: float | None
    peak_memory_mb: float | None
    peak_rss_mb: float | None
    peak_gpu_allocated_mb: float | None
    shared_wall_s: float | None = None
    shared_cpu_hours: float | None = None
    shared_gpu_hours: float | None = None

    @classmethod
    def of(cls, records: Sequence[Record]) -> Cost:
        """The cost of some units."""
        compute = [record.compute for record in records]
        devices = sorted({str(one.get("gpu") or "unknown") for one in compute})
        return cls(
            gpu=", ".join(devices) or "unknown",
            wall_s=_total(compute, "wall_s"),
            cpu_hours=_total(compute, "cpu_hours"),
            gpu_hours=None if devices == [NO_GPU] else _total(compute, "gpu_hours"),
            peak_memory_mb=_most(compute, "peak_memory_mb"),
            peak_rss_mb=_most(compute, "peak_rss_mb"),
            peak_gpu_allocated_mb=_most(compute, "peak_gpu_allocated_mb"),
            **{f"shared_{name}": _most(_shared(compute), name) for name in ("wall_s", "cpu_hours", "gpu_hours")},
        )


@dataclass(frozen=True)
class Summary:
    """A study in numbers.

    Attributes:
        study: the study.
        scores: its scores; None without a finished unit.
        cost: what its finished units used.
        extra: means over units of further results (``localisation.patch_auc`` ...).
        accesses: test-set accesses, and what tuning cost.
    """

    study: Study
    scores: StudyScores | None
    cost: Cost
    extra: Mapping[str, float]
    accesses: AccessCounts

    def undefined(self, metric: str) -> str:
        """In which units a score is undefined and why, in words; empty where it is defined in all."""
        score = self.scores.scores.get(metric) if self.scores else None
        if score is None or not score.undefined:
            return ""
        several = len({unit.seed for unit in score.undefined}) > 1
        names = [f"r{unit.repeat}f{unit.fold}{f' of seed {unit.seed}' if several else ''}" for unit in score.undefined]
        classes = self.study.records[0].classes
        lacking = sorted({classes[k] for unit in score.undefined for k in unit.lacking})
        why = f", where no test slide is {' or '.join(lacking)}" if lacking else ""
        return f"undefined in {len(names)} of {score.folds + len(names)} units ({listed(names)}){why}"

    def metrics(self) -> dict[str, float]:
        """All numbers by name, for comparing studies; what is undefined or unknown is absent."""
        found: dict[str, float | None] = {}
        for name, score in (self.scores.scores if self.scores else {}).items():
            found |= {name: score.value, f"{name}_low": score.low, f"{name}_high": score.high}
            found[f"std_over_folds/{name}"] = score.std_folds
        found |= {name: value for name, value in vars(self.cost).items() if name != "gpu"}
        found |= {"units_done": len(self.study.records), "units_planned": len(self.study.planned or ()) or None}
        found |= self.extra
        found |= self.accesses.metrics()
        return {name: float(value) for name, value in found.items() if value is not None and math.isfinite(value)}


def summarise(store: RunStore, study: Study, *, resamples: int = 2000) -> Summary:
    """Scores with intervals, and cost, of the finished units of a study.

    Raises:
        DataError: predictions of a finished unit are missing or unreadable.
    """
    try:
        scores = _scores(store, study, resamples)
    except (ValueError, IndexError) as error:
        raise DataError(
            f"the predictions cannot be scored: {error}",
            place=str(store.study_folder(study.study_id)),
            fix="run its units again: the same bench run command does, once their folders are removed",
        ) from error
    return Summary(study, scores, Cost.of(study.records), _extra(study.records), AccessCounts.of(study.records))


def _scores(store: RunStore, study: Study, resamples: int) -> StudyScores | None:
    if not study.records:
        return None
    facts = known_facts(store, study.records)
    settings = (study.config or {}).get("protocol_settings", {})
    first = study.records[0]
    key = [resamples, settings.get("auc"), list(first.classes), str(first.config.get("task", DEFAULT))]

    content = [facts[record.unit_id].content for record in study.records]

    def compute() -> StudyScores | None:
        data = study_predictions(store, study)
        return None if data is None else study_scores(data, resamples=resamples)

    def unchanged() -> bool:
        files = [store.unit_folder(record.unit_id) / PREDICTIONS for record in study.records]
        return [sha256_file(file) for file in files] == content

    return store.scores.get(content, key, compute, unchanged)


def study_predictions(store: RunStore, study: Study) -> Rows | None:
    """Test predictions of the finished units of a study; None without any.

    Raises:
        DataError: predictions are missing or unreadable, or units of the study have other classes.
    """
    if other := [record for record in study.records if record.classes != study.records[0].classes]:
        raise DataError(
            f"damaged: the record of {other[0].unit_id} has other classes than that of {study.records[0].unit_id}",
            place=str(store.unit_folder(other[0].unit_id)),
            fix="remove the folder that is wrong, and run the unit again",
        )
    if not study.records:
        return None
    task = task_of(study.records[0].config)
    frame = store.predictions([record.unit_id for record in study.records], task)
    if not len(frame):
        return None
    settings = (study.config or {}).get("protocol_settings", {})
    if settings.get("auc") == "pooled":  # see ProtocolCard.auc
        frame = frame.assign(fold=0)
    return as_predictions(frame, study.records[0].classes, task)


def _extra(records: Sequence[Record]) -> dict[str, float]:
    """Means over units of the numbers in ``extra``; NaN where a unit that has the name has no number for it."""
    found: dict[str, list[float]] = {}
    for record in records:
        for group, values in record.extra.items():
            for key, value in values.items() if isinstance(values, Mapping) else ():
                if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
                    found.setdefault(f"{group}.{key}", []).append(math.nan if value is None else float(value))
    return {name: float(np.mean(values)) for name, values in found.items()}


def _shared(compute: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """What was spent on the features of each unit, as far as it is known; GPU-hours only where a GPU was used."""
    found = [shared for one in compute if (shared := (one.get("shared") or {}).get("features"))]
    return [{**one, "gpu_hours": None} if one.get("gpu") == NO_GPU else one for one in found]


def _total(compute: Sequence[Mapping[str, Any]], name: str) -> float | None:
    values = [value for one in compute if (value := one.get(name)) is not None]
    return float(sum(values)) if values and len(values) == len(compute) else None


def _most(compute: Sequence[Mapping[str, Any]], name: str) -> float | None:
    values = [value for one in compute if (value := one.get(name)) is not None]
    return float(max(values)) if values else None
