"""From a unit's result to its record: scores, what was decided, what it cost, and what must match to repeat it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.evaluation.localisation import localisation
from harness.evaluation.rows import Rows
from harness.evaluation.study_scores import Predictions, study_scores
from harness.evaluation.survival import SurvivalPredictions, risk_of
from harness.evaluation.threshold import predicted_classes
from harness.tracking.predictions import UnitPredictions, UnitSurvival
from harness.tracking.record import Record

if TYPE_CHECKING:
    from harness.protocol.seal import ScoredRows
    from harness.study.resolve import ResolvedStudy
    from harness.unit.job import UnitJob
    from harness.unit.judge import UnitResult


def predictions_of(job: UnitJob, result: UnitResult) -> UnitPredictions | UnitSurvival:
    """The table of test predictions."""
    scored = result.scored
    common: dict[str, Any] = {name: getattr(job.spec, name) for name in ("repeat", "fold", "seed")}
    common |= {name: getattr(scored, name) for name in ("classes", "slides", "patients", "probabilities")}
    if (seen := scored.follow_up) is not None:
        return UnitSurvival(**common, times=seen.times, events=seen.events, risks=risk_of(scored.probabilities))
    return UnitPredictions(
        **common,
        labels=scored.labels,
        predicted=predicted_classes(scored.probabilities, result.threshold),
        threshold=result.threshold,
    )


def record_of(
    resolved: ResolvedStudy,
    job: UnitJob,
    result: UnitResult,
    predictions: UnitPredictions | UnitSurvival,
    *,
    started: datetime,
    environment: Mapping[str, Any],
    content: Mapping[str, Any],
    tuning: Mapping[str, Any] | None = None,
) -> Record:
    """The record of a finished unit.

    Args:
        resolved, job, result, predictions, started, environment: what was run, and what came of it.
        content: what the identity of the data rests on.
        tuning: what the search of its fold came to.
    """
    return Record(
        unit_id=job.spec.unit_id,
        study_id=job.spec.study_id,
        spec=job.spec.as_dict(),
        config=resolved.as_dict(),
        classes=result.scored.classes,
        scores=_scores(predictions),
        compute=result.answer.accounting,
        environment=environment,
        started=started.isoformat(timespec="seconds"),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        seeds={
            "seed": job.spec.seed,
            "root": result.answer.root_seed,
            "axes": "SHA-256 of (root, axis, stage, epoch, step)",
        },
        counts={
            part: {"slides": len(slides), "patients": len({resolved.dataset.patients[slide] for slide in slides})}
            for part, slides in job.fold.parts()
        },
        selection={
            **_decided(result),
            "stages": result.answer.facts,
            **({} if tuning is None else {"tuning": tuning, "params": job.params.as_dict()}),
        },
        validation=result.validation,
        extra={
            "scorer_asked": result.scored.asked,
            "seal": result.answer.seal,
            **({"content": dict(content)} if content else {}),
            **_localisation(result.scored),
        },
    )


def log_of(record: Record) -> str:
    """log.txt: what happened, in words."""
    lines = [f"{record.started} start {record.unit_id}"]
    for name, facts in record.selection["stages"].items():
        lines.append(f"stage {name}: " + ", ".join(f"{key} {value}" for key, value in facts.items()))
    lines += [f"{name} {value}" for name, value in record.selection.items() if name not in {"stages", "params"}]
    lines += [f"test {name} {score['value']}" for name, score in record.scores.items()]
    return "\n".join([*lines, f"{record.finished} done", ""])


def _decided(result: UnitResult) -> dict[str, Any]:
    """The threshold, or the intervals of time; and the epoch, where the protocol has it chosen on the test slides."""
    found: dict[str, Any] = {"threshold": result.threshold}
    if result.scored.follow_up is not None:
        found = {"cuts": list(result.cuts)}
    return found if result.epoch is None else {**found, "epoch_on_test": result.epoch}


def _rows(predictions: UnitPredictions | UnitSurvival) -> Rows:
    unit = {name: np.full(len(predictions.slides), getattr(predictions, name)) for name in ("repeat", "fold", "seed")}
    unit["patient"] = np.asarray(predictions.patients)
    if isinstance(predictions, UnitSurvival):
        return SurvivalPredictions(
            **unit,
            time=np.asarray(predictions.times),
            event=np.asarray(predictions.events),
            risk=np.asarray(predictions.risks),
        )
    return Predictions(
        **unit,
        label=np.asarray(predictions.labels),
        probabilities=predictions.probabilities,
        predicted=np.asarray(predictions.predicted),
    )


def _scores(predictions: UnitPredictions | UnitSurvival) -> dict[str, Mapping[str, float | None]]:
    scores = study_scores(_rows(predictions)).scores
    return {
        name: {
            "value": score.value,
            "low": score.low,
            "high": score.high,
            "undefined_resamples": score.undefined_resamples,
        }
        for name, score in scores.items()
    }


def _localisation(scored: ScoredRows) -> dict[str, Any]:
    """How well attention tells tiles of the positive class from the others, where both are known."""
    if scored.attention is None or scored.instance_labels is None:
        return {}
    return {"localisation": localisation(scored.attention, scored.instance_labels)}
