"""Tuning a study: every outer fold searches on its own inner validation, before any of its test slides is predicted."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from harness.core import console
from harness.core.errors import MethodError
from harness.launch.launcher import describe, is_own_fault
from harness.results.claims import Claims
from harness.results.trial_store import TrialResult, TrialStore
from harness.studies.errands import make_errand
from harness.studies.tuning.inner import inner_folds
from harness.studies.tuning.search import Question, Search, flat
from harness.studies.tuning.space import space_of
from harness.studies.turns import Turns
from harness.unit.job import UnitJob
from harness.unit.judge import validation_scores
from harness.unit.order import Order, make_order
from harness.unit.spec import UnitSpec

if TYPE_CHECKING:
    from pathlib import Path

    from harness.api.params import Params
    from harness.datasets.card import ProtocolCard
    from harness.datasets.splits import Fold
    from harness.launch.child import Errand
    from harness.launch.launcher import Launcher
    from harness.results.store import RunStore
    from harness.sources.inputs import Inputs
    from harness.studies.resolve import ResolvedStudy
    from harness.unit.answer import UnitAnswer

TRIAL_SEED = 0
"""Trials are trained with this seed, whichever seeds the study is run with."""


@dataclass(frozen=True)
class Ask:
    """A question of one fold's search.

    Attributes:
        fold: the outer fold.
        question: trial and inner fold.
        spec: the unit that answers it.
    """

    fold: str
    question: Question
    spec: UnitSpec = field(compare=False)


@dataclass(frozen=True)
class _UnderWay:
    job: UnitJob
    order: Order
    started: datetime


class Tuner:
    """Tunes the folds of a study.

    Args:
        resolved: the study, its data looked at; it says how it is tuned.
        inputs: the opened dataset.
        store: where trials are kept.
        device: where they run.
    """

    def __init__(self, resolved: ResolvedStudy, inputs: Inputs, store: RunStore, device: str) -> None:
        assert resolved.tuning is not None
        settings = resolved.tuning
        self.resolved = resolved
        self.settings = settings
        self.inputs = inputs
        self.store = store
        self.device = device
        self.trials = TrialStore(store.root)
        self.space = space_of(resolved.method.Params, fixed=resolved.fixed, method=resolved.method_card.name)
        self.metric = settings.metric or resolved.dataset.task.metrics[0]
        self.inner = {
            fold.name: inner_folds(fold, settings.folds, resolved.dataset, self.metric) for fold in resolved.folds
        }
        self.searches = {fold.name: self._search(fold) for fold in resolved.folds}
        self.stopped: dict[str, str] = {}
        self._under_way: dict[Ask, _UnderWay] = {}

    def run(self, launcher: Launcher) -> None:
        """Search every fold to its end. What has been done before is not done again."""
        total = self.settings.trials * self.settings.folds * len(self.searches)
        with console.progress(f"tuning {self.resolved.study_id}", total) as bar, Claims() as claims:
            turns = Turns(claims, self._folder, lambda ask: self._stored(ask) is not None, noun="trial")
            while asks := self._asks():
                for ask, result in self._results(asks, launcher, turns):
                    search = self.searches[ask.fold]
                    search.tell(ask.question, result.known_scores, result.device_s, result.reason)
                    bar.advance(status=self._status(ask.fold))

    def _asks(self) -> list[Ask]:
        """What all searches want to know next; those that the machine has let down are left for another time."""
        going = [(name, search) for name, search in self.searches.items() if name not in self.stopped]
        return [self._ask(name, question) for name, search in going for question in search.questions()]

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

    def _search(self, fold: Fold) -> Search:
        budget = self.settings.budget_s
        return Search(
            self.settings,
            self.space,
            f"{self.resolved.study_id}/{fold.name}",
            self.resolved.params.as_dict(),
            metric=self.metric,
            share_s=None if budget is None else budget / len(self.resolved.splits.folds),
        )

    def _results(self, asks: Sequence[Ask], launcher: Launcher, turns: Turns[Ask]) -> Iterator[tuple[Ask, TrialResult]]:
        """Results of ``asks`` as they come in; those that are stored already come first.

        Another process that tunes the same study asks the same: each does what the other is not doing.
        """
        open_asks = list(asks)
        while open_asks:
            stored = {ask: result for ask in open_asks if (result := self._stored(ask)) is not None}
            for ask in stored:
                # Scratch space is there where a kill came between the result and its removal, or for a claim.
                shutil.rmtree(self._folder(ask), ignore_errors=True)
                turns.ended(ask)
            yield from stored.items()
            open_asks = [ask for ask in open_asks if ask not in stored]
            turns.left = list(open_asks)
            for ask, done in launcher.run(turns.tasks(self._errand)):
                outcome = self._confirmed(ask, done)
                if isinstance(outcome, Exception) and not is_own_fault(outcome):
                    self._stop(ask, outcome)
                else:
                    yield ask, self._store(ask, outcome)
                open_asks.remove(ask)
                turns.ended(ask)
            turns.wait()

    def _confirmed(self, ask: Ask, outcome: UnitAnswer | Exception) -> UnitAnswer | Exception:
        """The outcome; that the data has changed meanwhile takes its place."""
        under_way = self._under_way.get(ask)
        return outcome if under_way is None else self.inputs.sources.confirmed(outcome, under_way.job.slides)

    def _stop(self, ask: Ask, error: Exception) -> None:
        """Leave a fold for another time: a full disk says nothing about hyper-parameters, and is not their result."""
        self._under_way.pop(ask, None)
        self.stopped[ask.fold] = describe(error)[0]
        console.warn(f"tuning of {ask.fold} stops at trial {ask.question.trial}: {self.stopped[ask.fold]}")

    def _errand(self, ask: Ask) -> Errand:
        outer, fold = self._fold(ask.fold), self.inner[ask.fold][ask.question.step]
        job = UnitJob(
            spec=ask.spec,
            method=self.resolved.method,
            params=self._params(ask.question.params),
            fold=fold,
            protocol=trial_protocol(self.resolved.protocol),
            device=self.device,
            precision=self.resolved.precision,
            workdir=self._folder(ask) / "work",
            sealed=outer.test,
        )
        order, _ = make_order(job, self.inputs)
        self._under_way[ask] = _UnderWay(job, order, datetime.now(UTC))
        return make_errand(order, self.inputs, self.store)

    def _stored(self, ask: Ask) -> TrialResult | None:
        return self.trials.read(ask.spec.unit_id)

    def _folder(self, ask: Ask) -> Path:
        """Scratch space of a trial while it runs; there it is claimed, too."""
        return self.trials.folder(ask.spec.unit_id)

    def _store(self, ask: Ask, outcome: UnitAnswer | Exception) -> TrialResult:
        under_way = self._under_way.pop(ask, None)
        started = under_way.started if under_way else datetime.now(UTC)
        scores, reason, compute = None, "", {}
        if isinstance(outcome, Exception) or under_way is None:
            reason = describe(outcome)[0] if isinstance(outcome, Exception) else "an answer to no order"
            console.warn(f"trial {ask.question.trial} of {ask.fold} failed: {reason}")
        else:
            scores, compute = validation_scores(under_way.order, outcome), outcome.accounting
        result = TrialResult(
            unit_id=ask.spec.unit_id,
            spec=ask.spec.as_dict(),
            scores=None if scores is None else {name: v if v == v else None for name, v in scores.items()},
            reason=reason,
            device_s=device_seconds(compute),
            compute=compute,
            started=started.isoformat(timespec="seconds"),
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        self.trials.write(result)
        shutil.rmtree(self._folder(ask), ignore_errors=True)
        return result

    def _ask(self, fold: str, question: Question) -> Ask:
        spec = self.resolved.unit(self._fold(fold), TRIAL_SEED)
        inner = f"trial-i{question.step}of{self.settings.folds}"
        params = self._params(question.params).as_dict()
        return Ask(fold, question, replace(spec, params=params, tuning=None, inner=inner))

    def _fold(self, name: str) -> Fold:
        return next(fold for fold in self.resolved.folds if fold.name == name)

    def _params(self, searched: Mapping[str, Any]) -> Params:
        values = self.resolved.params.as_dict() | dict(searched)
        return self.resolved.method.Params.build(values, place="the search space")

    def _status(self, fold: str) -> str:
        chosen = self.searches[fold].best
        if chosen is None:
            return f"{fold}: nothing yet"
        return f"{fold}: best {self.metric} {chosen.value(self.metric):.3f} (trial {chosen.number})"


def trial_protocol(protocol: ProtocolCard) -> ProtocolCard:
    """The protocol as trials follow it: nothing judges that was trained on, and nothing is chosen on test slides."""
    honest = {"select": "best", "threshold": "validation"}
    return protocol.model_copy(update={"fit_on": "train"} | {name: honest[name] for name in protocol.on_test})


def device_seconds(compute: Mapping[str, Any]) -> float:
    """Seconds on the device by the meter's account: on the GPU, or on the clock where there is none."""
    if compute.get("gpu_hours"):
        return float(compute["gpu_hours"]) * 3600
    return float(compute.get("wall_s") or 0.0)
