"""From a unit's result to its record: scores, what was decided, what it cost, and what must match to repeat it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from harness.evaluation.localisation import localisation
from harness.evaluation.study_scores import study_scores
from harness.results.predictions import UnitPredictions
from harness.results.record import Record

if TYPE_CHECKING:
    from harness.protocols.held_out import ScoredRows
    from harness.studies.resolve import ResolvedStudy
    from harness.unit.job import UnitJob
    from harness.unit.judge import UnitResult


def predictions_of(job: UnitJob, result: UnitResult) -> UnitPredictions:
    """The table of test predictions."""
    scored = result.scored
    return UnitPredictions(
        task=scored.task,
        repeat=job.spec.repeat,
        fold=job.spec.fold,
        seed=job.spec.seed,
        slides=scored.slides,
        truth=scored.truth,
        probabilities=scored.probabilities,
        decision=scored.task.decide(scored.probabilities, result.threshold),
    )


def record_of(
    resolved: ResolvedStudy,
    job: UnitJob,
    result: UnitResult,
    predictions: UnitPredictions,
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
    """What the task decides, such as the threshold; and the epoch, where it was chosen on the test slides."""
    found = result.task.decided(result.threshold)
    return found if result.epoch is None else {**found, "epoch_on_test": result.epoch}


def _scores(predictions: UnitPredictions) -> dict[str, Mapping[str, float | None]]:
    scores = study_scores(predictions.rows()).scores
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
