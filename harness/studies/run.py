"""Running a study: open the data, audit the splits, run what is not done, put the evidence together."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import torch

from harness.core import console
from harness.core.resources import cache_root
from harness.launch.choose import choose_launcher
from harness.protocols.audit_study import audit_study
from harness.protocols.fold_checks import fold_warnings
from harness.results.claims import Claims
from harness.results.damage import damage_of
from harness.results.store import RunStore
from harness.sources.open_inputs import open_inputs
from harness.sources.opening import Opening
from harness.studies.result import StudyResult, result_of
from harness.studies.tune import Tuner
from harness.studies.turns import Turns
from harness.studies.units import Units
from harness.training.device import choose_device, choose_precision

if TYPE_CHECKING:
    from harness.launch.launcher import Launcher
    from harness.protocols.audit_study import AuditReport
    from harness.sources.inputs import Inputs
    from harness.studies.config import StudyConfig
    from harness.studies.resolve import ResolvedStudy
    from harness.unit.spec import UnitSpec


def run_study(resolved: ResolvedStudy, config: StudyConfig) -> StudyResult:
    """Run the units that are not done yet and summarise all of them.

    Raises:
        DataError: data is missing or unreadable.
        LeakError: a split leaks; nothing has been trained.
    """
    device = choose_device(config.device, config.devices if config.launch.launcher == "inline" else 1)
    precision = choose_precision(config.precision, device)
    inputs = open_study_inputs(resolved, config, device)
    resolved = replace(resolved, precision=precision, fingerprint=inputs.fingerprint, opened=inputs.identity)
    found = audit_inputs(resolved, inputs)
    store = RunStore(config.out)
    _write_plan(store, resolved, found)
    done = [unit for unit in resolved.units if store.is_done(unit.unit_id)]
    if done:
        console.note(f"{len(done)} of {console.count(len(resolved.units), 'unit')} done already")
    todo = [unit for unit in resolved.units if unit not in done]
    _look_over(store, done, todo)
    with choose_launcher(config.launch, device, config.devices) if todo else nullcontext() as launcher:
        tuner = _tuned(resolved, inputs, store, launcher, str(device)) if launcher and resolved.tuning else None
        units = Units(resolved, inputs, store, device, tuner)
        with console.progress(resolved.study_id, len(resolved.units)) as bar, Claims() as claims:
            bar.advance(len(done))
            turns = Turns(claims, units.folder, units.over_elsewhere, bar.advance)
            turns.left = todo
            while launcher is not None and turns.left:
                for unit, outcome in launcher.run(turns.tasks(units.errand)):
                    units.finish(unit, outcome)
                    turns.ended(unit)
                    bar.advance()
                turns.wait()
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


def _tuned(resolved: ResolvedStudy, inputs: Inputs, store: RunStore, launcher: Launcher, device: str) -> Tuner:
    """Search the hyper-parameters of every fold, and leave the trials as a table in the study's folder."""
    tuner = Tuner(resolved, inputs, store, device)
    try:
        tuner.run(launcher)
    finally:
        store.write_trials(resolved.study_id, tuner.rows())
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
