"""The units of a study: from their specification to a job, and from its result to evidence."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.core import console
from harness.core.atomic import placing
from harness.features.precomputed import deliver
from harness.jobs.failures import describe
from harness.models.deliver import deliver_model
from harness.protocols.held_out import Scorer
from harness.results.access_log import AccessLog
from harness.results.publish import Publisher
from harness.sources.explain_unit import explain_unit
from harness.studies.evidence import log_of, origin_of, predictions_of, record_of
from harness.studies.planned_unit import PlannedUnit, PreparedUnit
from harness.studies.scoring import score_unit
from harness.studies.work import StudyWork
from harness.training.context import KEEP

if TYPE_CHECKING:
    from pathlib import Path

    from harness.jobs.result import JobResult
    from harness.results.store import RunStore
    from harness.sources.inputs import Inputs
    from harness.studies.resolve import ResolvedStudy
    from harness.studies.tune import Tuner
    from harness.studies.unit_spec import UnitSpec


class Units(StudyWork[str]):
    """Units by their ids, and what becomes of their results; see :class:`StudyWork` for the other arguments.

    Args:
        todo: the units to run; the others of the study are done.
        tuner: has found the hyper-parameters of every fold; None takes the study's own.
        keep_models: whether units keep their trained models.

    Attributes:
        n_failed: how many units have failed, here or in other processes meanwhile.
        n_elsewhere: how many units other processes have done meanwhile.
    """

    def __init__(
        self,
        resolved: ResolvedStudy,
        inputs: Inputs,
        store: RunStore,
        device: str,
        *,
        todo: Sequence[UnitSpec],
        tuner: Tuner | None = None,
        keep_models: bool = False,
    ) -> None:
        super().__init__(resolved, inputs, store, device)
        self.title = resolved.study_id
        self.total = len(resolved.units)
        self.done = self.total - len(todo)
        self.specs = {unit.unit_id: unit for unit in todo}
        self.todo = list(self.specs)
        self.tuner = tuner
        self.keep_models = keep_models
        self.scorer = Scorer(
            resolved.dataset, resolved.splits.folds, instance_labels=inputs.truth_of, log=AccessLog(store.root).note
        )
        self.folds = {(fold.repeat, fold.fold): fold for fold in resolved.folds}
        self.publisher = Publisher(store)
        self.n_failed = 0
        self.n_elsewhere = 0
        self._failed_before = {name: store.attempts(name) for name in self.specs}

    def folder(self, key: str) -> Path:
        """Where the evidence of a unit goes."""
        return self.store.unit_folder(key)

    def found(self, key: str) -> bool:
        """Whether another process has ended a unit since we began: done, or failed, which it would here too."""
        if self.store.is_done(key):
            self.n_elsewhere += 1
        elif self.store.attempts(key) > self._failed_before[key]:
            self.n_failed += 1
        else:
            return False
        return True

    def plan(self, key: str) -> PlannedUnit:
        """A unit with the hyper-parameters of its fold."""
        spec = self.specs[key]
        fold = self.folds[spec.repeat, spec.fold]
        return PlannedUnit(
            spec=spec,
            method=self.resolved.method,
            params=self.resolved.params if self.tuner is None else self.tuner.params(fold),
            fold=fold,
            protocol=self.resolved.protocol,
            device=self.device,
            precision=self.resolved.precision,
            workdir=self.folder(key) / "work",
            keep_model=self.keep_models,
        )

    def store_result(self, key: str, outcome: JobResult | Exception, prepared: PreparedUnit | None) -> None:
        """Score a result and store the evidence, or note that the unit failed."""
        try:
            if isinstance(outcome, Exception):
                raise outcome
            assert prepared is not None
            with placing(self.folder(key)):
                self._write_evidence(prepared, outcome)
        except Exception as error:  # a bad result is the unit's failure, and no other's
            self._failed(self.specs[key], error, {} if prepared is None else prepared.names)

    def _write_evidence(self, prepared: PreparedUnit, result: JobResult) -> None:
        """Write the evidence of a unit; its scratch space goes once the record is written."""
        unit = prepared.unit
        scored = score_unit(prepared, result.with_names(prepared.names), self.scorer)
        predictions = predictions_of(unit, scored)
        record = record_of(
            self.resolved,
            prepared,
            scored,
            predictions,
            content=self.inputs.sources.basis,
            tuning=None if self.tuner is None else self.tuner.facts(unit.fold),
        )
        # Before the record, which says that all is there.
        kept, folder = unit.workdir / KEEP, self.folder(record.unit_id)
        deliver(kept, folder, names=prepared.names)
        deliver_model(kept, folder, origin_of(self.resolved, prepared, scored, self.inputs), record.config)
        record = self.store.write_unit(
            record,
            predictions,
            curve=scored.result.curve,
            log=log_of(record),
            artefacts=explain_unit(scored.rows, self.inputs),
        )
        shutil.rmtree(unit.workdir, ignore_errors=True)
        self.publisher.unit(record)

    def _failed(self, spec: UnitSpec, error: Exception, names: Mapping[str, str]) -> None:
        reason, trace = describe(error)
        reason = _with_names(reason, names)
        console.warn(f"unit {spec.unit_id} failed: {reason}")
        self.n_failed += 1
        self.publisher.failure(
            self.store.write_failure(spec.unit_id, reason, study_id=spec.study_id, spec=spec.as_dict(), traceback=trace)
        )


def _with_names(text: str, names: Mapping[str, str]) -> str:
    """``text`` with the real ids of test slides: the job knows them by others, which nobody can look up."""
    return re.sub(r"test-[\w-]*\d+", lambda found: names.get(found[0], found[0]), text)
