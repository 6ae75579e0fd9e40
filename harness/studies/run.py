"""Running a study: open the data, audit the splits, run what is not done, put the evidence together."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import torch

from harness.core import console
from harness.core.resources import cache_root
from harness.jobs.executors.settings import make_executor
from harness.jobs.runner import run
from harness.protocols.audit_study import audit_study
from harness.protocols.fold_checks import fold_warnings
from harness.results.damage import damage_of
from harness.results.store import EXECUTORS, RunStore
from harness.results.stored_scores import store_scores
from harness.results.summary import summarise
from harness.sources.open_inputs import open_inputs
from harness.sources.opening import Opening
from harness.studies.result import StudyResult, result_of
from harness.studies.tune import Tuner
from harness.studies.units import Units
from harness.training.device import choose_device, choose_precision

if TYPE_CHECKING:
    from harness.jobs.executors.executor import Executor
    from harness.protocols.audit_study import AuditReport
    from harness.sources.inputs import Inputs
    from harness.studies.config import StudyConfig
    from harness.studies.resolve import ResolvedStudy
    from harness.studies.unit_spec import UnitSpec


@dataclass(frozen=True, kw_only=True)
class OpenStudy:
    """A study whose data is open and whose splits do not leak.

    Attributes:
        resolved: the study, with the identity of its data.
        inputs: the opened dataset.
        audit: what the leak audit found.
        store: the runs folder.
        device: where jobs run.
    """

    resolved: ResolvedStudy
    inputs: Inputs
    audit: AuditReport
    store: RunStore
    device: torch.device


def open_study(resolved: ResolvedStudy, config: StudyConfig) -> OpenStudy:
    """Open the data of a study and audit its splits.

    Raises:
        DataError: data is missing or unreadable.
        LeakError: a split leaks.
    """
    device = choose_device(config.device, config.devices, elsewhere=config.launch.find()[0].reserves)
    precision = choose_precision(config.precision, device)
    here = device if device.type == "cpu" or torch.cuda.is_available() else torch.device("cpu")
    inputs = open_study_inputs(resolved, config, here)
    resolved = replace(resolved, precision=precision, fingerprint=inputs.fingerprint, opened=inputs.identity)
    audit = audit_inputs(resolved, inputs)
    return OpenStudy(resolved=resolved, inputs=inputs, audit=audit, store=RunStore(config.out), device=device)


def run_study(resolved: ResolvedStudy, config: StudyConfig) -> StudyResult:
    """Run the units that are not done yet and summarise all of them.

    Raises:
        DataError: data is missing or unreadable.
        LeakError: a split leaks; nothing has been trained.
    """
    study = open_study(resolved, config)
    resolved, inputs, store, device = study.resolved, study.inputs, study.store, str(study.device)
    _write_plan(store, resolved, study.audit)
    done = [unit for unit in resolved.units if store.is_done(unit.unit_id)]
    if done:
        console.note(f"{len(done)} of {console.count(len(resolved.units), 'unit')} done already")
    todo = [unit for unit in resolved.units if unit not in done]
    _look_over(store, done, todo)
    units = Units(resolved, inputs, store, device, todo=todo, keep_models=config.keep_model)
    if todo:
        with make_executor(config.launch, study.device, config.devices, folder=store.root / EXECUTORS) as executor:
            if resolved.tuning is not None:
                units.tuner = _tuned(study, executor)
            run(units, executor, inputs.sources)
    store_scores(store, summarise(store, store.study(resolved.study_id)))
    units.publisher.study(resolved.study_id)
    return result_of(
        store,
        resolved.study_id,
        reused=len(done) + units.n_elsewhere,
        failed=units.n_failed,
        asked=[unit.unit_id for unit in resolved.units],
    )


def _look_over(store: RunStore, done: Sequence[UnitSpec], todo: Sequence[UnitSpec]) -> None:
    """Say which evidence is damaged and made again; remove what a kill kept from being removed."""
    for unit in todo:
        if problem := damage_of(partial(store.altered, unit.unit_id)):
            console.warn(f"the evidence of unit {unit.unit_id} is damaged, so it is run again: {problem}")
    for unit in done:
        shutil.rmtree(store.unit_folder(unit.unit_id) / "work", ignore_errors=True)


def _tuned(study: OpenStudy, executor: Executor) -> Tuner:
    """Search the hyper-parameters of every fold, and leave the trials as a table in the study's folder."""
    tuner = Tuner(study.resolved, study.inputs, study.store, str(study.device))
    try:
        run(tuner, executor, study.inputs.sources)
    finally:
        study.store.write_trials(study.resolved.study_id, tuner.rows())
    return tuner


def open_study_inputs(resolved: ResolvedStudy, config: StudyConfig, device: torch.device) -> Inputs:
    """The bags of all slides that the protocol uses, whichever folds are run."""
    used = dict.fromkeys(slide for fold in resolved.splits.folds for _, part in fold.parts() for slide in part)
    opening = Opening(
        settings=resolved.input,
        slides=tuple(used),
        data_root=config.data_root,
        cache=config.cache or cache_root(),
        workers=config.workers or os.cpu_count() or 1,
        device=device,
        features=None if resolved.features is None else resolved.features.folder,
    )
    return open_inputs(resolved.dataset, opening)


def audit_inputs(resolved: ResolvedStudy, inputs: Inputs) -> AuditReport:
    """Refuse a study that leaks; say what was compared, and what could not be."""
    found = audit_study(
        resolved.dataset,
        resolved.splits.folds,
        inputs.content,
        asked=resolved.folds,
        comparison=None if inputs.compare is None else inputs.compare(),
        trained_elsewhere=inputs.trained_elsewhere,
        unchecked=inputs.unchecked,
        allow_leaks=resolved.protocol.allow_leaks,
    )
    more = fold_warnings(resolved.dataset, resolved.protocol, resolved.splits.folds)
    found = replace(found, warnings=(*found.warnings, *more))
    for line in found.lines:
        console.note(line)
    for warning in found.warnings:
        console.warn(warning)
    return found


def _write_plan(store: RunStore, resolved: ResolvedStudy, found: AuditReport) -> None:
    """study.json: the resolved configuration and every unit of the whole study, asked for now or not."""
    whole = replace(resolved, folds=resolved.splits.folds)
    with store.planning(resolved.study_id):
        _plan(store, whole, found)


def _plan(store: RunStore, resolved: ResolvedStudy, found: AuditReport) -> None:
    earlier = store.plan(resolved.study_id).get("units", [])
    units = list(dict.fromkeys([*earlier, *(unit.unit_id for unit in resolved.units)]))
    store.write_study(
        {
            "study_id": resolved.study_id,
            "method": resolved.method_card.name,
            "dataset": resolved.dataset.name,
            "protocol": resolved.protocol_name,
            "ranked": resolved.protocol.ranked,
            "config": resolved.as_dict(),
            "audit": found.as_dict(),
            "units": units,
            "n_units": len(units),
        }
    )
