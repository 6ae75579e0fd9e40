"""From a unit's result to its record: scores, what was decided, what it cost, and what must match to repeat it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from harness.evaluation.localisation import localisation
from harness.evaluation.study_scores import study_scores
from harness.models.description import Origin
from harness.results.predictions import UnitPredictions
from harness.results.record import Record

if TYPE_CHECKING:
    from harness.protocols.held_out import ScoredRows
    from harness.sources.inputs import Inputs
    from harness.studies.planned_unit import PlannedUnit, PreparedUnit
    from harness.studies.resolve import ResolvedStudy
    from harness.studies.scoring import ScoredUnit


def predictions_of(unit: PlannedUnit, scored: ScoredUnit) -> UnitPredictions:
    """The table of test predictions."""
    rows = scored.rows
    return UnitPredictions(
        task=rows.task,
        repeat=unit.spec.repeat,
        fold=unit.spec.fold,
        seed=unit.spec.seed,
        slides=rows.slides,
        truth=rows.truth,
        probabilities=rows.probabilities,
        decision=rows.task.decide(rows.probabilities, scored.threshold),
    )


def record_of(
    resolved: ResolvedStudy,
    prepared: PreparedUnit,
    scored: ScoredUnit,
    predictions: UnitPredictions,
    *,
    content: Mapping[str, Any],
    tuning: Mapping[str, Any] | None = None,
) -> Record:
    """The record of a finished unit.

    Args:
        resolved, prepared, scored, predictions: what was run, and what came of it.
        content: what the identity of the data rests on.
        tuning: what the search of its fold came to.
    """
    unit, result = prepared.unit, scored.result
    return Record(
        unit_id=unit.spec.unit_id,
        study_id=unit.spec.study_id,
        spec=unit.spec.as_dict(),
        config=resolved.as_dict(),
        classes=scored.rows.classes,
        scores=_scores(predictions),
        compute={**result.accounting, **({"shared": dict(shared)} if (shared := resolved.shared_cost) else {})},
        environment=result.environment,
        started=prepared.started.isoformat(timespec="seconds"),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        seeds={
            "seed": unit.spec.seed,
            "root": result.root_seed,
            "axes": "SHA-256 of (root, axis, stage, epoch, step)",
        },
        counts={
            part: {"slides": len(slides), "patients": len({resolved.dataset.patients[slide] for slide in slides})}
            for part, slides in unit.fold.parts()
        },
        selection={
            **_decided(scored),
            "stages": result.facts,
            **({} if tuning is None else {"tuning": tuning, "params": unit.params.as_dict()}),
        },
        validation=scored.validation,
        extra={
            "test_accesses": scored.rows.accesses,
            "sandbox": result.sandbox,
            **({"content": dict(content)} if content else {}),
            **_localisation(scored.rows),
        },
    )


def origin_of(resolved: ResolvedStudy, prepared: PreparedUnit, scored: ScoredUnit, inputs: Inputs) -> Origin:
    """What a kept model says of where it comes from."""
    spec, job, card = prepared.unit.spec, prepared.job, resolved.dataset.card
    hashes = {slide: digest[:16] for slide, digest in inputs.content.items()}
    return Origin(
        unit=spec.unit_id,
        study=spec.study_id,
        dataset=spec.dataset,
        protocol=spec.protocol,
        repeat=spec.repeat,
        fold=spec.fold,
        seed=spec.seed,
        classes=scored.rows.classes,
        threshold=scored.threshold,
        input=dict(spec.input),
        source=card.source.kind,
        tissue=card.tissue.model_dump(mode="json", exclude_defaults=True),
        licence=card.licence,
        trained_on=tuple(sorted(hashes[slide] for slide in job.train.slides)),
        chosen_on=() if job.val is None else tuple(sorted(hashes[slide] for slide in job.val.slides)),
    )


def log_of(record: Record) -> str:
    """log.txt: what happened, in words."""
    lines = [f"{record.started} start {record.unit_id}"]
    for name, facts in record.selection["stages"].items():
        lines.append(f"stage {name}: " + ", ".join(f"{key} {value}" for key, value in facts.items()))
    lines += [f"{name} {value}" for name, value in record.selection.items() if name not in {"stages", "params"}]
    lines += [f"test {name} {score['value']}" for name, score in record.scores.items()]
    return "\n".join([*lines, f"{record.finished} done", ""])


def _decided(scored: ScoredUnit) -> dict[str, Any]:
    """What the task decides, such as the threshold; and the epoch, where it was chosen on the test slides."""
    found = scored.task.decided(scored.threshold)
    return found if scored.epoch is None else {**found, "epoch_on_test": scored.epoch}


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
