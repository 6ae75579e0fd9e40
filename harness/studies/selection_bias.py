"""``bench inflate``: what selection on the test slides adds to the scores of a method, from the same trainings.

Every training shows the predictions of all its epochs. The process that scores takes from them what a clean study
would, and what one that looks at the test slides would. What is done when the process is killed stays done.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core import console
from harness.core.atomic import write_text
from harness.core.errors import MethodError, UnitFailedError, UsageError
from harness.core.hashing import sha256_json
from harness.launch.choose import choose_launcher
from harness.launch.launcher import describe, is_own_fault
from harness.protocols.held_out import Scorer
from harness.results.access_log import Questions
from harness.results.claims import Claims
from harness.results.names import safe_name
from harness.results.store import INFLATE, RunStore
from harness.studies.errands import make_errand
from harness.studies.run import audit_inputs, open_study_inputs
from harness.studies.selection_bias_result import InflateResult, choice_row, selections_of
from harness.studies.selections import Choice, Training, choices
from harness.studies.tune import trial_protocol
from harness.studies.tuning.inner import inner_folds
from harness.studies.tuning.propose import propose
from harness.studies.tuning.space import Space, space_of
from harness.training.device import choose_device, choose_precision
from harness.unit.answer import UnitAnswer
from harness.unit.job import UnitJob
from harness.unit.judge import threshold_of, validation_scores
from harness.unit.on_test import at_epoch, kept_epoch, score_epochs
from harness.unit.order import make_order

if TYPE_CHECKING:
    from harness.api.params import Params
    from harness.api.prediction import Prediction
    from harness.datasets.splits import Fold
    from harness.launch.child import Errand
    from harness.launch.settings import LaunchSettings
    from harness.sources.inputs import Inputs
    from harness.studies.config import StudyConfig
    from harness.studies.resolve import ResolvedStudy
    from harness.unit.spec import UnitSpec

_ANSWER, _FAILED = "answer", "failed.txt"


def inflate(resolved: ResolvedStudy, config: StudyConfig) -> tuple[InflateResult, Path]:
    """Train what has not been trained yet, and compare all ways to select. Nothing that was found is asked again.

    Args:
        resolved: the study; its tuning says how many trials there are, by random search.
        config: where it runs.

    Returns:
        The result, and the file that holds it.

    Raises:
        UsageError: the method cannot be watched, or another process is at it.
        UnitFailedError: the machine let trainings down; the same command continues.
    """
    _check(resolved)
    device = choose_device(config.device)
    precision = choose_precision(config.precision, device)
    inputs = open_study_inputs(resolved, config, device)
    resolved = replace(resolved, precision=precision, fingerprint=inputs.fingerprint, opened=inputs.identity)
    audit_inputs(resolved, inputs)
    store = RunStore(config.out)
    folder = store.root / INFLATE / safe_name(resolved.study_id)
    part = sha256_json([[fold.name for fold in resolved.folds], list(resolved.seeds)])[:8]
    path = folder / f"result-{part}.json"
    with Claims() as claims:
        if not claims.take(folder):
            raise UsageError("another process is at it", place=str(folder), fix="wait for it, or choose another --out")
        if (known := InflateResult.load(path)) is not None:
            console.note("done already: nothing is trained or asked again")
            return known, path
        trainings = Trainings(resolved, inputs, store, folder / "trainings", str(device))
        trainings.run(config.launch)
        result = trainings.result()
        result.save(path)
        trainings.clear()
    return result, path


def _check(resolved: ResolvedStudy) -> None:
    if not resolved.method.watched:
        raise UsageError(
            f"method {resolved.method_card.name} cannot predict while it is trained: its epochs cannot be compared",
            place="bench inflate",
            fix="choose a method that is trained in one stage, such as abmil",
        )
    for fold in resolved.folds if resolved.tuning is not None else ():
        inner_folds(
            fold, 1, resolved.dataset, resolved.dataset.task.metrics[0]
        )  # refuses a fold that has nothing to choose a trial on


@dataclass(frozen=True, eq=False)
class Planned:
    """A training: one set of hyper-parameters on one fold with one seed."""

    fold: Fold
    seed: int
    trial: int
    job: UnitJob

    @property
    def spec(self) -> UnitSpec:
        """Its identity."""
        return self.job.spec


class Trainings:
    """The trainings of one ``bench inflate``.

    Args:
        resolved: the study, its data looked at.
        inputs: the opened dataset.
        store: the runs folder.
        folder: where what they predict is kept.
        device: where they run.
    """

    def __init__(self, resolved: ResolvedStudy, inputs: Inputs, store: RunStore, folder: Path, device: str) -> None:
        self.resolved = resolved
        self.inputs = inputs
        self.store = store
        self.folder = folder
        self.device = device
        self.metric = resolved.dataset.task.metrics[0]
        # What is tuned or judged on validation slides must not train on them.
        leaky = resolved.tuning is not None or resolved.protocol.on_test
        self.protocol = trial_protocol(resolved.protocol) if leaky else resolved.protocol
        self.planned = [
            self._plan(fold, seed, trial)
            for seed in resolved.seeds
            for fold in resolved.folds
            for trial in range(resolved.tuning.trials if resolved.tuning else 1)
        ]

    def run(self, launch: LaunchSettings) -> None:
        """Do the trainings that are not done.

        Raises:
            UnitFailedError: some were let down by the machine.
        """
        todo = [one for one in self.planned if self._answer(one) is None and self._failure(one) is None]
        if len(todo) < len(self.planned):
            console.note(f"{len(self.planned) - len(todo)} of {len(self.planned)} trainings done already")
        if not todo:
            return
        import torch

        left = 0
        with (
            choose_launcher(launch, torch.device(self.device)) as launcher,
            console.progress(f"inflate {self.resolved.study_id}", len(self.planned)) as bar,
        ):
            bar.advance(len(self.planned) - len(todo))
            for one, done in launcher.run((one, partial(self._errand, one)) for one in todo):
                outcome = self.inputs.sources.confirmed(done, one.job.slides)
                left += not self._finish(one, outcome)
                bar.advance(status=f"{one.fold.name}, trial {one.trial}")
        if left:
            raise UnitFailedError(
                f"{console.count(left, 'training')} failed by no fault of their own; the others are kept",
                place=str(self.folder),
                fix="mend what the warnings name; the same command does only what is missing",
            )

    def result(self) -> InflateResult:
        """Score the epochs of all trainings, and what each way to select takes of them."""
        scorer = Scorer(self.resolved.dataset, self.resolved.splits.folds, journal=Questions(self.store.root).note)
        chosen: dict[str, list[Choice]] = {}
        rows: list[dict[str, Any]] = []
        units = [(seed, fold) for seed in self.resolved.seeds for fold in self.resolved.folds]
        for seed, fold in units:
            found = choices(self._scored(seed, fold, scorer), self.metric)
            for name, choice in found.items():
                chosen.setdefault(name, []).append(choice)
                rows.append(choice_row(fold.name, seed, name, choice))
        # Where the study's own hyper-parameters failed in a fold, there is nothing to compare with.
        whole = {name: taken for name, taken in chosen.items() if len(taken) == len(units)}
        selections, patients, resamples = selections_of(whole)
        reasons = {one.spec.unit_id: self._failure(one) for one in self.planned}
        return InflateResult(
            study_id=self.resolved.study_id,
            selections=selections,
            choices=rows,
            trials=len(self.planned) // len(units),
            units=len(units),
            failed={name: reason for name, reason in reasons.items() if reason is not None},
            asked=scorer.asked,
            patients=patients,
            resamples=resamples,
            config=self.resolved.as_dict(),
        )

    def clear(self) -> None:
        """Remove scratch space that a kill has left: of a training that was done, but not yet cleared away."""
        for one in self.planned:
            shutil.rmtree(one.job.workdir, ignore_errors=True)

    def _plan(self, fold: Fold, seed: int, trial: int) -> Planned:
        params = self._params(fold, trial)
        spec = replace(self.resolved, protocol=self.protocol).unit(fold, seed)
        spec = replace(spec, params=params.as_dict(), tuning=None, inner="watched")
        job = UnitJob(
            spec=spec,
            method=self.resolved.method,
            params=params,
            fold=fold,
            protocol=self.protocol,
            device=self.device,
            precision=self.resolved.precision,
            workdir=self.folder / safe_name(spec.unit_id) / "work",
            watch=True,
        )
        return Planned(fold, seed, trial, job)

    def _params(self, fold: Fold, trial: int) -> Params:
        """Of a trial: those that tuning by random search would try in this fold; of trial 0 the study's own."""
        resolved, values = self.resolved, self.resolved.params.as_dict()
        if trial and resolved.tuning is not None:
            key = f"{resolved.study_id}/{fold.name}"
            values |= propose(resolved.tuning, self._space, key, trial, (), self.metric)
        return resolved.method.Params.build(values, place="the search space")

    @property
    def _space(self) -> Space:
        return space_of(self.resolved.method.Params, fixed=self.resolved.fixed, method=self.resolved.method_card.name)

    def _errand(self, one: Planned) -> Errand:
        order, _ = make_order(one.job, self.inputs)
        return make_errand(order, self.inputs, self.store)

    def _finish(self, one: Planned, outcome: UnitAnswer | Exception) -> bool:
        """Keep an answer, or why there is none; False where it has to be tried again."""
        if isinstance(outcome, Exception):
            reason, _ = describe(outcome)
            console.warn(f"trial {one.trial} of {one.fold.name}, seed {one.seed} failed: {reason}")
            if not is_own_fault(outcome):
                return False
            write_text(one.job.workdir.parent / _FAILED, reason)
        else:
            # Attention is large, and nothing here needs it.
            bare = replace(outcome, test=_without_attention(outcome.test), val=_without_attention(outcome.val))
            bare.save(one.job.workdir.parent / _ANSWER)
        shutil.rmtree(one.job.workdir, ignore_errors=True)
        return True

    def _answer(self, one: Planned) -> UnitAnswer | None:
        """What a training predicts, under the order's ids; None where it is not done, or its files are damaged."""
        try:
            return UnitAnswer.load(one.job.workdir.parent / _ANSWER)
        except MethodError:
            return None

    def _failure(self, one: Planned) -> str | None:
        """Why a training failed; None where it has not."""
        try:
            return (one.job.workdir.parent / _FAILED).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None

    def _scored(self, seed: int, fold: Fold, scorer: Scorer) -> Sequence[Training]:
        planned = [one for one in self.planned if (one.seed, one.fold) == (seed, fold)]
        found = [self._score(one, answer, scorer) for one in planned if (answer := self._answer(one)) is not None]
        if not found:
            reasons = dict.fromkeys(self._failure(one) or "lost" for one in planned)
            raise MethodError(
                f"no training of {fold.name} with seed {seed} was completed: {'; '.join(reasons)}",
                place=f"{self.resolved.method_card.name} on {self.resolved.dataset.name}",
                fix="mend what the reasons name, or set hyper-parameters with --set",
            )
        return found

    def _score(self, one: Planned, answer: UnitAnswer, scorer: Scorer) -> Training:
        order, real = make_order(one.job, self.inputs)
        answer = answer.with_names(real)
        return Training(
            trial=one.trial,
            seed=one.seed,
            epoch=kept_epoch(answer),
            validation=validation_scores(order, answer),
            threshold=lambda epoch: threshold_of(one.job, order, at_epoch(answer, epoch)),
            rows=score_epochs(one.fold, answer, scorer, asker=f"inflate/{one.spec.unit_id}"),
        )


def _without_attention(prediction: Prediction | None) -> Prediction | None:
    return None if prediction is None else replace(prediction, attention=None)
