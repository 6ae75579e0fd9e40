"""``bench selection-bias``: what selection on the test slides adds to the scores of a method, from the same trainings.

Every training predicts after each of its epochs. The process that scores takes from that what a clean study would,
and what one that selects on the test slides would. What is done when the process is killed stays done.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core import console
from harness.core.atomic import write_text
from harness.core.errors import MethodError, UnitFailedError, UsageError
from harness.core.hashing import sha256_json
from harness.jobs.executors.settings import make_executor
from harness.jobs.failures import describe, is_own_fault
from harness.jobs.locks import FolderLocks
from harness.jobs.result import JobResult
from harness.jobs.runner import run
from harness.protocols.held_out import Scorer
from harness.results.access_log import AccessLog
from harness.results.names import safe_name
from harness.results.store import EXECUTORS, FORMER_SELECTION_BIAS, SELECTION_BIAS, RunStore
from harness.studies.planned_unit import PlannedUnit, PreparedUnit, prepare
from harness.studies.run import open_study
from harness.studies.scoring import threshold_of, validation_scores
from harness.studies.selection_bias_result import SelectionBias, choice_row, selections_of
from harness.studies.selection_on_test import at_epoch, score_epochs, selected_epoch
from harness.studies.selections import Choice, Training, choices
from harness.studies.tune import trial_protocol
from harness.studies.tuning.inner import inner_folds
from harness.studies.tuning.propose import propose
from harness.studies.tuning.space import space_of
from harness.studies.work import StudyWork

if TYPE_CHECKING:
    from harness.api.params import Params
    from harness.datasets.splits import Fold
    from harness.sources.inputs import Inputs
    from harness.studies.config import StudyConfig
    from harness.studies.resolve import ResolvedStudy

_RESULT, _FAILED = "result", "failed.txt"


def selection_bias(resolved: ResolvedStudy, config: StudyConfig) -> tuple[SelectionBias, Path]:
    """Train what has not been trained yet, and compare all ways to select. No access to test labels is made twice.

    Args:
        resolved: the study; its tuning says how many trials there are, by random search.
        config: where it runs.

    Returns:
        The result, and the file that holds it.

    Raises:
        UsageError: the method cannot predict while it is trained, or another process does the same.
        UnitFailedError: trainings failed by the machine's fault; the same command continues.
    """
    _check(resolved)
    study = open_study(resolved, config)
    resolved = study.resolved
    folder = _folder(study.store.root, resolved.study_id)
    part = sha256_json([[fold.name for fold in resolved.folds], list(resolved.seeds)])[:8]
    path = folder / f"result-{part}.json"
    with FolderLocks() as locks:
        if not locks.take(folder):
            place = str(folder)
            raise UsageError("another process is running this", place=place, fix="wait for it, or choose another --out")
        if (known := SelectionBias.load(path)) is not None:
            console.note("done already: nothing is trained or scored again")
            return known, path
        trainings = Trainings(resolved, study.inputs, study.store, str(study.device), folder / "trainings")
        if trainings.todo:
            with make_executor(config.launch, study.device, folder=study.store.root / EXECUTORS) as executor:
                run(trainings, executor, study.inputs.sources)
        trainings.check()
        result = trainings.result()
        result.save(path)
        trainings.clear()
    return result, path


def _folder(root: Path, study_id: str) -> Path:
    former = root / FORMER_SELECTION_BIAS / safe_name(study_id)
    return former if former.exists() else root / SELECTION_BIAS / safe_name(study_id)


def _check(resolved: ResolvedStudy) -> None:
    if not resolved.method.final_stage:
        raise UsageError(
            f"method {resolved.method_card.name} cannot predict while it is trained: its epochs cannot be compared",
            place="bench selection-bias",
            fix="choose a method that is trained in one stage, such as abmil",
        )
    for fold in resolved.folds if resolved.tuning is not None else ():
        # Refuses a fold that has nothing to choose a trial on.
        inner_folds(fold, 1, resolved.dataset, resolved.dataset.task.metrics[0])


@dataclass(frozen=True, eq=False)
class PlannedTraining:
    """A training: one set of hyper-parameters on one fold with one seed.

    Attributes:
        unit: what is trained.
        fold, seed, trial: its place among the others.
    """

    unit: PlannedUnit
    fold: Fold
    seed: int
    trial: int

    @property
    def name(self) -> str:
        """Where it is, for the user."""
        return f"trial {self.trial} of {self.fold.name}, seed {self.seed}"

    @property
    def folder(self) -> Path:
        """What is stored of it."""
        return self.unit.workdir.parent

    @property
    def result(self) -> JobResult | None:
        """What it predicts, under the job's ids; None where it is not done, or its files are damaged."""
        try:
            return JobResult.load(self.folder / _RESULT)
        except MethodError:
            return None

    @property
    def failure(self) -> str | None:
        """Why it failed; None where it has not."""
        try:
            return (self.folder / _FAILED).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None


class Trainings(StudyWork[PlannedTraining]):
    """The trainings of one ``bench selection-bias``; see :class:`StudyWork` for the other arguments.

    Args:
        trainings: the folder that holds what they predict.
    """

    noun = "training"

    def __init__(self, resolved: ResolvedStudy, inputs: Inputs, store: RunStore, device: str, trainings: Path) -> None:
        super().__init__(resolved, inputs, store, device)
        self.trainings = trainings
        self.title = f"selection bias {resolved.study_id}"
        self.metric = resolved.dataset.task.metrics[0]
        # What is tuned or selected on validation slides must not train on them.
        leaky = resolved.tuning is not None or resolved.protocol.on_test
        self.protocol = trial_protocol(resolved.protocol) if leaky else resolved.protocol
        self.trials = resolved.tuning.trials if resolved.tuning else 1
        self.places = [(seed, fold) for seed in resolved.seeds for fold in resolved.folds]
        self.planned = [self._plan(fold, seed, trial) for seed, fold in self.places for trial in range(self.trials)]
        self.todo = [one for one in self.planned if not self.found(one)]
        self.total, self.done = len(self.planned), len(self.planned) - len(self.todo)
        self.n_lost = 0
        if self.done:
            console.note(f"{self.done} of {self.total} trainings done already")

    def folder(self, key: PlannedTraining) -> Path:
        """What is stored of a training."""
        return key.folder

    def found(self, key: PlannedTraining) -> bool:
        """Whether it is done, or has failed by its own fault."""
        return key.result is not None or key.failure is not None

    def plan(self, key: PlannedTraining) -> PlannedUnit:
        """The unit of a training."""
        return key.unit

    def store_result(self, key: PlannedTraining, outcome: JobResult | Exception, prepared: PreparedUnit | None) -> None:
        """Store a result, or why there is none; what the machine made fail is tried again another time."""
        if isinstance(outcome, Exception):
            reason, _ = describe(outcome)
            console.warn(f"{key.name} failed: {reason}")
            if not is_own_fault(outcome):
                self.n_lost += 1
                return
            write_text(key.folder / _FAILED, reason)
        else:
            outcome.without_tiles().save(key.folder / _RESULT)
        shutil.rmtree(key.unit.workdir, ignore_errors=True)

    def status(self, key: PlannedTraining) -> str:
        """Which training it was."""
        return f"{key.fold.name}, trial {key.trial}"

    def check(self) -> None:
        """See that nothing is missing.

        Raises:
            UnitFailedError: the machine made some fail.
        """
        if self.n_lost:
            raise UnitFailedError(
                f"{console.count(self.n_lost, 'training')} failed by no fault of their own; the others are stored",
                place=str(self.trainings),
                fix="mend what the warnings name; the same command does only what is missing",
            )

    def result(self) -> SelectionBias:
        """Score the epochs of all trainings, and what each way to select takes of them."""
        scorer = Scorer(self.resolved.dataset, self.resolved.splits.folds, log=AccessLog(self.store.root).note)
        chosen: dict[str, list[Choice]] = {}
        rows: list[dict[str, Any]] = []
        for seed, fold in self.places:
            for name, choice in choices(self._scored(seed, fold, scorer), self.metric).items():
                chosen.setdefault(name, []).append(choice)
                rows.append(choice_row(fold.name, seed, name, choice))
        # Where the study's own hyper-parameters failed in a fold, there is nothing to compare with.
        whole = {name: taken for name, taken in chosen.items() if len(taken) == len(self.places)}
        selections, patients, resamples = selections_of(whole)
        reasons = {one.unit.spec.unit_id: one.failure for one in self.planned}
        return SelectionBias(
            study_id=self.resolved.study_id,
            selections=selections,
            choices=rows,
            trials=self.trials,
            units=len(self.places),
            failed={name: reason for name, reason in reasons.items() if reason is not None},
            accesses=scorer.accesses,
            patients=patients,
            resamples=resamples,
            config=self.resolved.as_dict(),
        )

    def clear(self) -> None:
        """Remove scratch space that a kill has left: of a training that was done, but not yet cleared away."""
        for one in self.planned:
            shutil.rmtree(one.unit.workdir, ignore_errors=True)

    def _plan(self, fold: Fold, seed: int, trial: int) -> PlannedTraining:
        params = self._params(fold, trial)
        spec = replace(self.resolved, protocol=self.protocol).unit(fold, seed)
        spec = replace(spec, params=params.as_dict(), tuning=None, inner="watched")
        unit = PlannedUnit(
            spec=spec,
            method=self.resolved.method,
            params=params,
            fold=fold,
            protocol=self.protocol,
            device=self.device,
            precision=self.resolved.precision,
            workdir=self.trainings / safe_name(spec.unit_id) / "work",
            every_epoch=True,
        )
        return PlannedTraining(unit, fold, seed, trial)

    def _params(self, fold: Fold, trial: int) -> Params:
        """Of a trial: those that tuning by random search would try in this fold; of trial 0 the study's own."""
        resolved, values = self.resolved, self.resolved.params.as_dict()
        if trial and resolved.tuning is not None:
            space = space_of(resolved.method.Params, fixed=resolved.fixed, method=resolved.method_card.name)
            values |= propose(resolved.tuning, space, f"{resolved.study_id}/{fold.name}", trial, (), self.metric)
        return resolved.method.Params.build(values, place="the search space")

    def _scored(self, seed: int, fold: Fold, scorer: Scorer) -> Sequence[Training]:
        planned = [one for one in self.planned if (one.seed, one.fold) == (seed, fold)]
        found = [self._score(one, result, scorer) for one in planned if (result := one.result) is not None]
        if not found:
            reasons = dict.fromkeys(one.failure or "lost" for one in planned)
            raise MethodError(
                f"no training of {fold.name} with seed {seed} was completed: {'; '.join(reasons)}",
                place=f"{self.resolved.method_card.name} on {self.resolved.dataset.name}",
                fix="mend what the reasons name, or set hyper-parameters with --set",
            )
        return found

    def _score(self, one: PlannedTraining, result: JobResult, scorer: Scorer) -> Training:
        prepared = prepare(one.unit, self.inputs)
        result = result.with_names(prepared.names)
        return Training(
            trial=one.trial,
            seed=one.seed,
            epoch=selected_epoch(result),
            validation=validation_scores(prepared, result),
            threshold=lambda epoch: threshold_of(prepared, at_epoch(result, epoch)),
            rows=score_epochs(one.fold, result, scorer, accessor=f"selection-bias/{one.unit.spec.unit_id}"),
        )
