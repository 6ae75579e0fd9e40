"""Running a study: open the data, audit the splits, run what is not done, put the evidence together."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import torch

from harness.core import console
from harness.core.errors import DataError
from harness.core.hashing import sha256_json
from harness.core.resources import cache_root
from harness.datasets.catalog import folders_of
from harness.datasets.table import listed
from harness.jobs.executors.settings import make_executor
from harness.jobs.runner import run
from harness.protocols.audit_study import AuditReport, audit_study
from harness.protocols.fold_checks import fold_warnings
from harness.results.damage import damage_of
from harness.results.store import EXECUTORS, RunStore
from harness.results.stored_scores import store_scores
from harness.results.summary import summarise
from harness.sources.inputs import Inputs
from harness.sources.open_inputs import open_inputs
from harness.sources.opening import Opening
from harness.studies.result import StudyResult, result_of
from harness.studies.tune import Tuner
from harness.studies.units import Units
from harness.training.device import choose_device, choose_precision

if TYPE_CHECKING:
    from harness.jobs.executors.executor import Executor
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


Opened = dict[str, tuple[Inputs, AuditReport]]
"""What was opened and audited in this process; studies on the same input and folds share it."""


def open_study(resolved: ResolvedStudy, config: StudyConfig, opened: Opened | None = None) -> OpenStudy:
    """Open the data of a study and audit its splits.

    Args:
        resolved, config: the study.
        opened: what other studies have opened; this one adds its own.

    Raises:
        DataError: data is missing or unreadable.
        LeakError: a split leaks.
    """
    device = choose_device(config.device, config.devices, elsewhere=config.launch.find()[0].reserves)
    precision = choose_precision(config.precision, device)
    here = device if device.type == "cpu" or torch.cuda.is_available() else torch.device("cpu")
    known = {} if opened is None else opened
    key = _opened_key(resolved, config)
    inputs = known[key][0] if key in known else open_study_inputs(resolved, config, here)
    resolved = replace(
        resolved,
        precision=precision,
        fingerprint=inputs.fingerprint,
        opened=inputs.identity,
        shared_cost=inputs.shared_cost,
    )
    _check_coordinates(resolved, inputs)
    if key not in known:
        known[key] = inputs, audit_inputs(resolved, inputs)
    return OpenStudy(resolved=resolved, inputs=inputs, audit=known[key][1], store=RunStore(config.out), device=device)


def _check_coordinates(resolved: ResolvedStudy, inputs: Inputs) -> None:
    """Refuse data without the positions of tiles, where the method needs them."""
    missing = inputs.access.without_coords(resolved.dataset.slides) if resolved.method.card.coordinates else ()
    if missing:
        raise DataError(
            f"method {resolved.method.card.name} needs the position of every tile, and those of "
            f"{console.count(len(missing), 'slide')} are not known: {listed(missing)}",
            place=f"dataset {resolved.dataset.name}",
            fix="make the dataset of features with coordinates, or choose another method",
        )


def _opened_key(resolved: ResolvedStudy, config: StudyConfig) -> str:
    """Everything that inputs and audit depend on, within one process."""
    return sha256_json(
        {
            "dataset": str(resolved.dataset.folder),
            "input": resolved.input.model_dump(mode="json"),
            "protocol": resolved.protocol_name,
            "split": resolved.splits.sha256,
            "folds": [fold.name for fold in resolved.folds],
            "features": str(config.features),
            "data_root": str(config.data_root),
        }
    )


@dataclass(frozen=True, kw_only=True)
class StudyRun:
    """A study that is ready to be run.

    Attributes:
        study: with its data open.
        units: what is not done yet.
        reused: how many of its units were done before.
    """

    study: OpenStudy
    units: Units
    reused: int

    def tune(self, executor: Executor) -> None:
        """Search the hyper-parameters of every fold, if the study is tuned and something is to be run."""
        if self.units.todo and self.study.resolved.tuning is not None:
            self.units.tuner = _tuned(self.study, executor)

    def result(self) -> StudyResult:
        """What it came to, once its units are run; it is written to study.json and shown in MLflow."""
        resolved, store = self.study.resolved, self.study.store
        store_scores(store, summarise(store, store.study(resolved.study_id)))
        self.units.publisher.study(resolved.study_id)
        return result_of(
            store,
            resolved.study_id,
            reused=self.reused + self.units.n_elsewhere,
            failed=self.units.n_failed,
            asked=[unit.unit_id for unit in resolved.units],
        )


def begin(resolved: ResolvedStudy, config: StudyConfig, opened: Opened | None = None) -> StudyRun:
    """Open the data of a study, write its plan, and see what is to be done.

    Args:
        resolved, config, opened: see :func:`open_study`.

    Raises:
        DataError: data is missing or unreadable.
        LeakError: a split leaks.
    """
    study = open_study(resolved, config, opened)
    resolved, store = study.resolved, study.store
    _write_plan(store, resolved, study.audit, config.dataset)
    done = [unit for unit in resolved.units if store.is_done(unit.unit_id)]
    if done:
        console.note(f"{resolved.study_id}: {len(done)} of {console.count(len(resolved.units), 'unit')} done already")
    todo = [unit for unit in resolved.units if unit not in done]
    _look_over(store, done, todo)
    units = Units(resolved, study.inputs, store, str(study.device), todo=todo, keep_models=config.keep_model)
    return StudyRun(study=study, units=units, reused=len(done))


def run_study(resolved: ResolvedStudy, config: StudyConfig) -> StudyResult:
    """Run the units that are not done yet and summarise all of them.

    Raises:
        DataError: data is missing or unreadable.
        LeakError: a split leaks; nothing has been trained.
    """
    begun = begin(resolved, config)
    study = begun.study
    if begun.units.todo:
        folder = study.store.root / EXECUTORS
        with make_executor(config.launch, study.device, config.devices, folder=folder) as executor:
            begun.tune(executor)
            run(begun.units, executor, study.inputs.sources)
    return begun.result()


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


def _write_plan(store: RunStore, resolved: ResolvedStudy, found: AuditReport, typed: str) -> None:
    """study.json: the resolved configuration and every unit of the whole study, asked for now or not.

    Of a dataset that was ``typed`` as a path, the folder is kept: nothing else would find it again.
    """
    folder = resolved.dataset.folder.resolve()
    place = {"dataset_folder": str(folder)} if folder in folders_of(typed) else {}
    whole = replace(resolved, folds=resolved.splits.folds)
    with store.planning(resolved.study_id):
        _plan(store, whole, found, place)


def _plan(store: RunStore, resolved: ResolvedStudy, found: AuditReport, place: Mapping[str, str]) -> None:
    earlier = store.plan(resolved.study_id).get("units", [])
    units = list(dict.fromkeys([*earlier, *(unit.unit_id for unit in resolved.units)]))
    store.write_study(
        {
            "study_id": resolved.study_id,
            "method": resolved.method_card.name,
            "dataset": resolved.dataset.name,
            **place,
            "protocol": resolved.protocol_name,
            "ranked": resolved.protocol.ranked,
            "config": resolved.as_dict(),
            "audit": found.as_dict(),
            "units": units,
            "n_units": len(units),
        }
    )
