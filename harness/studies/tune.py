"""Tuning a study: every outer fold searches on its own inner validation, before any of its test slides is predicted."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from harness.core import console
from harness.core.errors import MethodError
from harness.jobs.failures import describe, is_own_fault
from harness.results.trial_store import TrialResult, TrialStore
from harness.studies.planned_unit import PlannedUnit, PreparedUnit
from harness.studies.scoring import validation_scores
from harness.studies.tuning.inner import inner_folds
from harness.studies.tuning.search import Question, Search, flat
from harness.studies.tuning.space import space_of
from harness.studies.unit_spec import UnitSpec
from harness.studies.work import StudyWork

if TYPE_CHECKING:
    from pathlib import Path

    from harness.api.params import Params
    from harness.datasets.card import ProtocolCard
    from harness.datasets.splits import Fold
    from harness.jobs.result import JobResult
    from harness.results.store import RunStore
    from harness.sources.inputs import Inputs
    from harness.studies.resolve import ResolvedStudy

TRIAL_SEED = 0
"""Trials are trained with this seed, whichever seeds the study is run with."""


@dataclass(frozen=True)
class TrialStep:
    """A trial on one inner fold.

    Attributes:
        fold: the outer fold.
        question: trial and inner fold, as the search asks for it.
        spec: the unit that is trained for it.
    """

    fold: str
    question: Question
    spec: UnitSpec = field(compare=False)


class Tuner(StudyWork[TrialStep]):
    """Tunes the folds of a study. What has been done before is not done again.

    Another process that tunes the same study wants the same trials: each runs what the other is not running.

    Args:
        resolved: the study, its data looked at; it says how it is tuned.
        inputs: the opened dataset.
        store: where trials are stored.
        device: where they run.
    """

    noun = "trial"

    def __init__(self, resolved: ResolvedStudy, inputs: Inputs, store: RunStore, device: str) -> None:
        super().__init__(resolved, inputs, store, device)
        assert resolved.tuning is not None
        settings = resolved.tuning
        self.settings = settings
        self.title = f"tuning {resolved.study_id}"
        self.trials = TrialStore(store.root)
        self.space = space_of(resolved.method.Params, fixed=resolved.fixed, method=resolved.method_card.name)
        self.metric = settings.metric or resolved.dataset.task.metrics[0]
        self.folds = {fold.name: fold for fold in resolved.folds}
        self.inner = {
            name: inner_folds(fold, settings.folds, resolved.dataset, self.metric) for name, fold in self.folds.items()
        }
        self.searches = {name: self._search(name) for name in self.folds}
        self.total = settings.trials * settings.folds * len(self.searches)
        self.stopped: dict[str, str] = {}

    def pending(self) -> Sequence[TrialStep]:
        """What all searches want to know next; those that the machine has let down are left for another time."""
        if not self.todo:  # a search asks again only when everything that it asked for is there
            going = [(name, search) for name, search in self.searches.items() if name not in self.stopped]
            self.todo = [self._step(name, question) for name, search in going for question in search.questions()]
        return self.todo

    def params(self, fold: Fold) -> Params:
        """The hyper-parameters that a fold's search chose.

        Raises:
            MethodError: none of its trials was completed, or the machine stopped them.
        """
        search = self.searches[fold.name]
        if fold.name in self.stopped:
            raise MethodError(
                f"tuning was not finished: {self.stopped[fold.name]}",
                place=f"tuning of {self.resolved.study_id}, {fold.name}",
                fix="mend that; the same command goes on with the trial that was under way",
            )
        if (chosen := search.best) is None:
            reasons = list(dict.fromkeys(trial.reason for trial in search.trials if trial.reason))
            raise MethodError(
                f"no trial of {fold.name} was completed: {'; '.join(reasons) or 'all were pruned'}",
                place=f"tuning of {self.resolved.method_card.name} on {self.resolved.dataset.name}",
                fix="mend what the reasons name, or narrow the search by --set",
            )
        return self._params(chosen.params)

    def facts(self, fold: Fold) -> dict[str, Any]:
        """What tuning did for a fold, for the record of its units."""
        search = self.searches[fold.name]
        chosen = search.best
        states = [trial.state for trial in search.trials]
        return {
            "params": dict(chosen.params) if chosen else {},
            "trial": chosen.number if chosen else None,
            "metric": self.metric,
            "value": chosen.value(self.metric) if chosen else None,
            "trials": len(states),
            "failed": states.count("failed"),
            "pruned": states.count("pruned"),
            "device_s": round(search.device_s, 3),
        }

    def rows(self) -> list[dict[str, Any]]:
        """All trials of all folds as rows of a table."""
        searches = self.searches.items()
        return [row for name, one in searches for row in flat(name, one.trials, self.metric, one.best)]

    def folder(self, key: TrialStep) -> Path:
        """Scratch space of a trial while it runs; there it is locked, too."""
        return self.trials.folder(key.spec.unit_id)

    def found(self, key: TrialStep) -> bool:
        """Whether its result is stored: of an earlier run, or by another process meanwhile."""
        if (result := self.trials.read(key.spec.unit_id)) is None:
            return False
        self._take(key, result)
        return True

    def plan(self, key: TrialStep) -> PlannedUnit:
        """A trial sees nothing of the test slides of the outer fold."""
        return PlannedUnit(
            spec=key.spec,
            method=self.resolved.method,
            params=self._params(key.question.params),
            fold=self.inner[key.fold][key.question.step],
            protocol=trial_protocol(self.resolved.protocol),
            device=self.device,
            precision=self.resolved.precision,
            workdir=self.folder(key) / "work",
            held_out=self.folds[key.fold].test,
        )

    def store_result(self, key: TrialStep, outcome: JobResult | Exception, prepared: PreparedUnit | None) -> None:
        """Store the scores; or stop the fold where the machine failed, which says nothing about hyper-parameters."""
        trial = f"trial {key.question.trial}"
        scores, reason, compute = None, "", {}
        if not isinstance(outcome, Exception):
            assert prepared is not None
            scores, compute = validation_scores(prepared, outcome), outcome.accounting
        elif is_own_fault(outcome):
            reason = describe(outcome)[0]
            console.warn(f"{trial} of {key.fold} failed: {reason}")
        else:
            self.stopped[key.fold] = describe(outcome)[0]
            console.warn(f"tuning of {key.fold} stops at {trial}: {self.stopped[key.fold]}")
            return
        started = datetime.now(UTC) if prepared is None else prepared.started
        result = TrialResult(
            unit_id=key.spec.unit_id,
            spec=key.spec.as_dict(),
            scores=None if scores is None else {name: v if v == v else None for name, v in scores.items()},
            reason=reason,
            device_s=device_seconds(compute),
            compute=compute,
            started=started.isoformat(timespec="seconds"),
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        self.trials.write(result)
        self._take(key, result)

    def status(self, key: TrialStep) -> str:
        """The best trial of the fold so far."""
        chosen = self.searches[key.fold].best
        if chosen is None:
            return f"{key.fold}: nothing yet"
        return f"{key.fold}: best {self.metric} {chosen.value(self.metric):.3f} (trial {chosen.number})"

    def _take(self, key: TrialStep, result: TrialResult) -> None:
        """Give a stored result to the search; the scratch space of the trial is not needed any more."""
        self.searches[key.fold].tell(key.question, result.known_scores, result.device_s, result.reason)
        shutil.rmtree(self.folder(key), ignore_errors=True)

    def _search(self, fold: str) -> Search:
        budget = self.settings.budget_s
        return Search(
            self.settings,
            self.space,
            f"{self.resolved.study_id}/{fold}",
            self.resolved.params.as_dict(),
            metric=self.metric,
            share_s=None if budget is None else budget / len(self.resolved.splits.folds),
        )

    def _step(self, fold: str, question: Question) -> TrialStep:
        spec = self.resolved.unit(self.folds[fold], TRIAL_SEED)
        inner = f"trial-i{question.step}of{self.settings.folds}"
        params = self._params(question.params).as_dict()
        return TrialStep(fold, question, replace(spec, params=params, tuning=None, inner=inner))

    def _params(self, searched: Mapping[str, Any]) -> Params:
        values = self.resolved.params.as_dict() | dict(searched)
        return self.resolved.method.Params.build(values, place="the search space")


def trial_protocol(protocol: ProtocolCard) -> ProtocolCard:
    """The protocol as trials follow it: no slide that is trained on validates, and none of the test slides selects."""
    honest = {"select": "best", "threshold": "validation"}
    return protocol.model_copy(update={"fit_on": "train"} | {name: honest[name] for name in protocol.on_test})


def device_seconds(compute: Mapping[str, Any]) -> float:
    """Seconds on the device by the meter's account: on the GPU, or on the clock where there is none."""
    if compute.get("gpu_hours"):
        return float(compute["gpu_hours"]) * 3600
    return float(compute.get("wall_s") or 0.0)
