"""What a search would have chosen after its first trials, and the units that were trained with that."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.core.errors import DataError, UsageError
from harness.studies.tuning.history import History, histories
from harness.studies.tuning.trials import best

if TYPE_CHECKING:
    from harness.results.record import Record
    from harness.results.store import RunStore
    from harness.results.studies import Study

_NOT_TRAINED = ("repeat", "fold", "seed", "params", "tuning")
_UNIT = re.compile(r"-r(\d+)f(\d+)-s\d+-")
_TOLD = 4


@dataclass(frozen=True)
class ChosenTrial:
    """What a fold's search chooses.

    Attributes:
        fold: its name, ``r0f0``.
        trials: how many trials it had.
        trial, value: the chosen one and its validation score.
        actual: the one that the study chose.
        device_s: device time of these trials.
    """

    fold: str
    trials: int
    trial: int
    value: float
    actual: int
    device_s: float


def chosen_trials(
    store: RunStore, study: Study, records: Sequence[Record], trials: int | None
) -> tuple[list[ChosenTrial], list[Record]]:
    """What each fold's search chooses, and the units that were trained with it.

    Args:
        store: the evidence.
        study: the study.
        records: its units that are replayed.
        trials: the first so many of every search; None for all.

    Raises:
        UsageError: the study was not tuned, or its searches cannot be cut there.
        DataError: a unit was not trained with what is chosen; the fix trains it.
    """
    settings = records[0].spec.get("tuning")
    if settings is None:
        if trials is not None:
            raise UsageError("the study was not tuned", place="--trials", fix=f"leave it out for {study.study_id}")
        return [], list(records)
    if trials is not None:
        _check_budget(study, settings, trials)
    space = ((study.config or {}).get("tuning") or {}).get("space") or []
    searches = {one.fold: one for one in histories(store.trials(study.study_id), space)}
    folds = dict.fromkeys(f"r{one.spec['repeat']}f{one.spec['fold']}" for one in records)
    chosen = {fold: _choice(study, fold, searches.get(fold), trials) for fold in folds}
    taken: list[Record] = []
    missing: list[tuple[Record, Mapping[str, Any]]] = []
    others: Sequence[Record] | None = None
    for record in records:
        fold = f"r{record.spec['repeat']}f{record.spec['fold']}"
        one = chosen[fold]
        if one.trial == one.actual:
            taken.append(record)
            continue
        others = store.records() if others is None else others
        searched = searches[fold].trials[one.trial].params
        found = _trained_with(record, {**params_of(record), **searched}, others)
        if found is None:
            missing.append((record, searched))
        else:
            taken.append(found)
    if missing:
        raise _untrained(study, missing, chosen)
    return list(chosen.values()), taken


def _check_budget(study: Study, settings: Mapping[str, Any], trials: int) -> None:
    batch = int(settings.get("batch", 1))
    if trials < 1:
        raise UsageError(f"{trials} is no number of trials", place="--trials", fix="give 1 or more")
    if settings.get("pruner", "none") != "none" and trials % batch:
        raise UsageError(
            f"trials were pruned in batches of {batch}, each beside the others: {trials} are no whole batches",
            place=f"--trials, {study.study_id}",
            fix=f"give a multiple of {batch}",
        )


def _choice(study: Study, fold: str, search: History | None, trials: int | None) -> ChosenTrial:
    if search is None or search.chosen is None:
        raise DataError(
            f"the table of trials has none of fold {fold}",
            place=study.study_id,
            fix=f"{command_of(study)} makes it again from the stored trials",
        )
    if trials is not None and trials > len(search.trials):
        raise DataError(
            f"the search of {fold} has {len(search.trials)} trials, not {trials}",
            place=study.study_id,
            fix="a larger budget is a study of its own: run it with --trials",
        )
    first = [trial for trial in search.trials if trials is None or trial.number < trials]
    found, own = best(first, search.metric), best(search.trials, search.metric)
    if found is None:
        raise DataError(
            f"none of the first {trials} trials of {fold} was completed",
            place=study.study_id,
            fix="replay more of them",
        )
    if own is None or own.number != search.chosen:
        raise DataError(
            f"damaged: the table of trials does not lead to the trial that was chosen in {fold}",
            place=study.study_id,
            fix=f"bench verify {study.study_id} says what differs",
        )
    spent = sum(trial.device_s for trial in first)
    return ChosenTrial(fold, len(first), found.number, found.value(search.metric), search.chosen, spent)


def _trained_with(record: Record, params: Mapping[str, Any], others: Sequence[Record]) -> Record | None:
    """A unit of the same fold, seed, data and code that was trained with these hyper-parameters."""
    same = [
        one
        for one in others
        if _shared(one) == _shared(record)
        and (place_of(one), one.spec["seed"]) == (place_of(record), record.spec["seed"])
        and params_of(one) == params
    ]
    return same[0] if same else None


def _shared(record: Record) -> dict[str, Any]:
    """Of a unit's identity what its training depends on, beside fold, seed and hyper-parameters."""
    spec = {name: value for name, value in record.spec.items() if name not in _NOT_TRAINED}
    settings = dict(spec.get("protocol_settings") or {})
    settings.pop("metric_versions", None)
    return {**spec, "protocol_settings": settings}


def params_of(record: Record) -> dict[str, Any]:
    """The hyper-parameters that a unit was trained with: those that its search found, where it was tuned."""
    return dict(record.selection.get("params") or record.spec["params"])


def _untrained(
    study: Study, missing: Sequence[tuple[Record, Mapping[str, Any]]], chosen: Mapping[str, ChosenTrial]
) -> DataError:
    """The refusal, with the commands that train what is missing."""
    folds = dict.fromkeys(f"r{one.spec['repeat']}f{one.spec['fold']}" for one, _ in missing)
    others = [f"{fold} would have chosen trial {chosen[fold].trial}" for fold in folds]
    record, params = missing[0]
    tuned = record.spec["tuning"]
    fixed = {name: record.spec["params"][name] for name in tuned.get("fixed", ()) if name in record.spec["params"]}
    sets = " ".join(f"--set {name}={_typed(value)}" for name, value in {**fixed, **params}.items())
    number = places_of(study).index(place_of(record))
    command = f"{command_of(study, tuned=False)} --fold {number} --seed {record.spec['seed']} {sets}"
    more = "" if len(missing) == 1 else f" (the first of {len(missing)} units; the refusal then names the next)"
    return DataError(
        f"no test predictions are stored for {len(missing)} unit{'s' * (len(missing) > 1)}: {'; '.join(others[:_TOLD])}"
        + (" ..." if len(others) > _TOLD else ""),
        place=study.study_id,
        fix=f"train what is missing{more}: {command}",
    )


def _typed(value: Any) -> str:
    return "none" if value is None else shlex.quote(str(value).lower() if isinstance(value, bool) else str(value))


def places_of(study: Study) -> list[tuple[int, int]]:
    """Repeat and fold of every fold of the protocol, in the order in which they are numbered."""
    named = [found for unit in study.planned or () if (found := _UNIT.search(unit))]
    return sorted({(int(one[1]), int(one[2])) for one in named} | {place_of(record) for record in study.records})


def place_of(record: Record) -> tuple[int, int]:
    """Repeat and fold of a unit."""
    return record.spec["repeat"], record.spec["fold"]


def command_of(study: Study, *, tuned: bool = True) -> str:
    """``bench run`` of the study."""
    preset = (study.config or {}).get("preset") or "none"
    words = ["bench", "run", "--method", study.method, "--dataset", study.dataset, "--protocol", study.protocol]
    words += ["--preset", str(preset)]
    tuning = study.records[0].spec.get("tuning") if study.records else None
    return shlex.join(words) + (f" --trials {tuning['trials']}" if tuned and tuning else "")
