"""What a study would have reported with fewer trials, seeds or folds, or another rule: from stored evidence alone.

A search that had been stopped after its first trials would have chosen the best of these. Where that is the trial that
was chosen, its test predictions are there; where it is another one, they are there only if a unit was trained with its
hyper-parameters, in this study or another. Nothing is trained, and what is not there is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from harness.core.errors import DataError, UsageError
from harness.core.suggest import unknown
from harness.datasets.table import listed
from harness.evaluation.study_scores import Predictions, StudyScores, study_scores
from harness.results.access_log import AccessLog
from harness.results.summary import study_predictions, summarise
from harness.studies.replay_trials import ChosenTrial, chosen_trials, command_of, params_of, place_of, places_of

if TYPE_CHECKING:
    from harness.results.record import Record
    from harness.results.store import RunStore
    from harness.results.studies import Study

SELECTIONS = {"best-val": "best", "last-epoch": "last"}
"""Rules for the epoch, by the name that the protocol has for them."""


@dataclass(frozen=True)
class Rules:
    """What is replayed; None where a study's own rule stays.

    Attributes:
        trials: the first so many of every search.
        seeds: the first so many, in the order of their numbers.
        folds: fold numbers, through all repeats.
        select: ``best-val`` or ``last-epoch``.
        threshold: ``validation`` or ``argmax``.
    """

    trials: int | None = None
    seeds: int | None = None
    folds: tuple[int, ...] | None = None
    select: str | None = None
    threshold: str | None = None


@dataclass(frozen=True)
class Replayed:
    """A replay; it is never ranked.

    Attributes:
        study: the study that was replayed.
        metric_scores: what it would have reported.
        actual: what it has reported.
        units: the units whose predictions these are.
        chosen: what every fold's search chooses; empty where it was not tuned.
        same: whether the rules are the study's own, so that both scores are the same.
        accesses: test-set accesses that were noted for it.
    """

    study: Study
    metric_scores: StudyScores
    actual: StudyScores
    units: tuple[str, ...]
    chosen: tuple[ChosenTrial, ...]
    same: bool
    accesses: int


def replay(store: RunStore, study: Study, rules: Rules, *, resamples: int = 2000) -> Replayed:
    """Recompute what a study would have reported under other rules.

    Every unit of a replay that is not the study as it is counts as a test-set access, under ``replay/...`` in the log.

    Args:
        store: the evidence.
        study: with finished units.
        rules: what is different.
        resamples: of the bootstrap.

    Raises:
        UsageError: a rule that the study cannot have had.
        DataError: the stored evidence does not allow it; says what to run instead.
    """
    if not study.records:
        raise DataError("the study has no finished unit", place=study.study_id, fix="run it first")
    records = _kept(study, rules)
    chosen, taken = chosen_trials(store, study, records, rules.trials)
    _check_epochs(study, taken, rules)
    replayed = replace(study, records=tuple(taken))
    same = [one.unit_id for one in taken] == [one.unit_id for one in study.records]
    argmax = rules.threshold == "argmax" and _settings(study).get("threshold") != "argmax"
    actual = summarise(store, study, resamples=resamples).scores
    assert actual is not None
    if rules.threshold == "validation" and _settings(study).get("threshold") != "validation":
        raise _not_kept(study, "predictions of validation slides are not kept, so no threshold can be taken from them")
    data = study_predictions(store, replayed)
    assert data is not None
    if argmax:
        if not isinstance(data, Predictions):
            raise UsageError("the task has no threshold", place="--threshold", fix="leave it out")
        data = replace(data, predicted=data.probabilities.argmax(axis=1))
    scores = actual if same and not argmax else study_scores(data, resamples=resamples)
    accesses = 0 if same and not argmax else _noted(store, study, taken)
    units = tuple(one.unit_id for one in taken)
    return Replayed(study, scores, actual, units, tuple(chosen), same and not argmax, accesses)


def _kept(study: Study, rules: Rules) -> list[Record]:
    """The study's records of the folds and seeds that are replayed; refuses those that are missing."""
    seeds = sorted({record.spec["seed"] for record in study.records})
    if rules.seeds is not None and not 1 <= rules.seeds <= len(seeds):
        raise DataError(
            f"the study has {len(seeds)} seeds, not {rules.seeds}",
            place=study.study_id,
            fix=f"run the others first: {command_of(study)} --seeds {rules.seeds}",
        )
    folds = places_of(study)
    if rules.folds is not None and (wrong := [k for k in rules.folds if not 0 <= k < len(folds)]):
        raise UsageError(f"there is no fold {wrong[0]}", place="--fold", fix=f"choose from 0 to {len(folds) - 1}")
    done = {place_of(record) for record in study.records}
    wanted = [place for place in folds if place in done] if rules.folds is None else [folds[k] for k in rules.folds]
    taken = seeds[: rules.seeds]
    records = [one for one in study.records if place_of(one) in wanted and one.spec["seed"] in taken]
    there = {(place_of(one), one.spec["seed"]) for one in records}
    lacking = [(place, seed) for seed in taken for place in wanted if (place, seed) not in there]
    if lacking and (rules.folds is not None or rules.seeds is not None):
        names = [f"r{place[0]}f{place[1]} seed {seed}" for place, seed in lacking]
        raise DataError(
            f"{len(names)} of the units that are replayed are not done: {listed(names)}",
            place=study.study_id,
            fix=f"finish the study: {command_of(study)}",
        )
    return records


def _check_epochs(study: Study, records: Sequence[Record], rules: Rules) -> None:
    """Refuse another rule for the epoch where the weights that it keeps have not predicted."""
    if rules.select is None:
        return
    if rules.select not in SELECTIONS:
        raise unknown("rule", rules.select, SELECTIONS, place="--select", listing="bench replay --help")
    if SELECTIONS[rules.select] == _settings(study).get("select", "best"):
        return
    other = [record.unit_id for record in records if not (rules.select == "last-epoch" and _kept_last(record))]
    if other:
        raise _not_kept(
            study,
            f"{len(other)} units keep the weights of another epoch than {rules.select} would, and only those have "
            f"predicted: {listed(other)}",
        )


def _kept_last(record: Record) -> bool:
    """Whether the epoch that was kept is the last of all that were planned."""
    stages = list((record.selection.get("stages") or {}).values())
    last = stages[-1] if stages else {}
    epochs = last.get("epochs")
    return (
        isinstance(epochs, int) and last.get("best_epoch") == epochs - 1 and epochs == params_of(record).get("epochs")
    )


def _not_kept(study: Study, problem: str) -> DataError:
    return DataError(
        problem,
        place=study.study_id,
        fix=f"run it under a protocol with that rule (bench datasets show {study.dataset} lists them), or "
        f"bench selection-bias {study.method} {study.dataset}, which predicts after every epoch",
    )


def _settings(study: Study) -> Mapping[str, Any]:
    found = study.records[0].spec.get("protocol_settings")
    return found if isinstance(found, Mapping) else {}


def _noted(store: RunStore, study: Study, records: Sequence[Record]) -> int:
    """Note an access for each unit: somebody sees what another choice does on the test slides."""
    log = AccessLog(store.root)
    for record in records:
        frame = store.predictions([record.unit_id])
        columns = [f"p_{name}" for name in record.classes]
        log.note(f"replay/{study.study_id}/{record.unit_id}", frame["slide"].tolist(), frame[columns].to_numpy())
    return len(records)
