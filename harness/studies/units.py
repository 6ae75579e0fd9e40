"""The units of a study, from their specification to an errand, and from its answer to evidence."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from harness.core import console
from harness.core.atomic import placing
from harness.features.precomputed import deliver
from harness.launch.child import Errand
from harness.launch.launcher import describe
from harness.protocols.held_out import Scorer
from harness.results.access_log import Questions
from harness.results.publish import Publisher
from harness.sources.explain_unit import explain_unit
from harness.studies.errands import make_errand
from harness.studies.evidence import log_of, predictions_of, record_of
from harness.unit.job import UnitJob
from harness.unit.judge import judge
from harness.unit.order import Order, make_order

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from harness.results.store import RunStore
    from harness.sources.inputs import Inputs
    from harness.studies.resolve import ResolvedStudy
    from harness.studies.tune import Tuner
    from harness.unit.answer import UnitAnswer
    from harness.unit.spec import UnitSpec


@dataclass(frozen=True)
class _UnderWay:
    """A unit that has been ordered: what is needed to make something of the answer."""

    job: UnitJob
    order: Order
    real: dict[str, str]
    started: datetime


class Units:
    """Orders the work of units and stores what comes back.

    Args:
        resolved: the study, its data looked at.
        inputs: the opened dataset.
        store: where the evidence goes.
        device: where units run.
        tuner: has found the hyper-parameters of every fold; None takes the study's own.

    Attributes:
        n_failed: how many units have failed, here or in other processes meanwhile.
        n_elsewhere: how many units other processes have done meanwhile.
    """

    def __init__(
        self,
        resolved: ResolvedStudy,
        inputs: Inputs,
        store: RunStore,
        device: torch.device,
        tuner: Tuner | None = None,
    ) -> None:
        self.resolved = resolved
        self.tuner = tuner
        self.inputs = inputs
        self.store = store
        self.device = device
        self.scorer = Scorer(
            resolved.dataset, resolved.splits.folds, instance_labels=inputs.truth_of, journal=Questions(store.root).note
        )
        self.folds = {(fold.repeat, fold.fold): fold for fold in resolved.folds}
        self.publisher = Publisher(store)
        self.n_failed = 0
        self.n_elsewhere = 0
        self._failed_before = {unit.unit_id: store.attempts(unit.unit_id) for unit in resolved.units}
        self._under_way: dict[str, _UnderWay] = {}

    def folder(self, spec: UnitSpec) -> Path:
        """Where the evidence of a unit goes."""
        return self.store.unit_folder(spec.unit_id)

    def over_elsewhere(self, spec: UnitSpec) -> bool:
        """Whether another process has ended a unit since we began: done, or failed, which it would here too."""
        if self.store.is_done(spec.unit_id):
            self.n_elsewhere += 1
        elif self.store.attempts(spec.unit_id) > self._failed_before[spec.unit_id]:
            self.n_failed += 1
        else:
            return False
        return True

    def errand(self, spec: UnitSpec) -> Errand:
        """What has to be done for a unit."""
        fold = self.folds[spec.repeat, spec.fold]
        job = UnitJob(
            spec=spec,
            method=self.resolved.method,
            params=self.resolved.params if self.tuner is None else self.tuner.params(fold),
            fold=fold,
            protocol=self.resolved.protocol,
            device=str(self.device),
            precision=self.resolved.precision,
            workdir=self.folder(spec) / "work",
        )
        order, real = make_order(job, self.inputs)
        self._under_way[spec.unit_id] = _UnderWay(job, order, real, datetime.now(UTC))
        return make_errand(order, self.inputs, self.store)

    def finish(self, spec: UnitSpec, outcome: UnitAnswer | Exception) -> None:
        """Score an answer and store the evidence, or note that the unit failed."""
        under_way = self._under_way.pop(spec.unit_id, None)
        try:
            if under_way is not None:
                outcome = self.inputs.sources.confirmed(outcome, under_way.job.slides)
            if isinstance(outcome, Exception) or under_way is None:
                raise outcome if isinstance(outcome, Exception) else RuntimeError("an answer to no order")
            with placing(self.folder(spec)):
                self._store(under_way, outcome)
        except Exception as error:  # a bad answer is the unit's failure, and no other's
            self._failed(spec, error, {} if under_way is None else under_way.real)

    def _store(self, unit: _UnderWay, answer: UnitAnswer) -> None:
        """Write the evidence of a unit; its scratch space goes once the record is written."""
        job = unit.job
        result = judge(job, unit.order, answer.with_names(unit.real), self.scorer)
        predictions = predictions_of(job, result)
        record = record_of(
            self.resolved,
            job,
            result,
            predictions,
            started=unit.started,
            environment=answer.environment,
            content=self.inputs.sources.basis,
            tuning=None if self.tuner is None else self.tuner.facts(job.fold),
        )
        # Before the record, which says that all is there.
        deliver(job.workdir / "keep", self.store.unit_folder(job.spec.unit_id), names=unit.real)
        record = self.store.write_unit(
            record,
            predictions,
            curve=result.answer.curve,
            log=log_of(record),
            artefacts=explain_unit(result.scored, self.inputs),
        )
        shutil.rmtree(job.workdir, ignore_errors=True)
        self.publisher.unit(record)

    def _failed(self, spec: UnitSpec, error: Exception, real: Mapping[str, str]) -> None:
        reason, trace = describe(error)
        reason = _with_names(reason, real)
        console.warn(f"unit {spec.unit_id} failed: {reason}")
        self.n_failed += 1
        self.publisher.failure(
            self.store.write_failure(spec.unit_id, reason, study_id=spec.study_id, spec=spec.as_dict(), traceback=trace)
        )


def _with_names(text: str, real: Mapping[str, str]) -> str:
    """``text`` with the real ids of test slides: whoever trained knows them by others, which nobody can look up."""
    return re.sub(r"test-[\w-]*\d+", lambda found: real.get(found[0], found[0]), text)
