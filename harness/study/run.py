"""Running a study: open the data, audit the splits, run what is not done, put the evidence together."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import torch

from harness import console
from harness.launch.inline import Inline
from harness.protocol.audit import audit
from harness.resources import cache_root
from harness.study.result import StudyResult, result_of
from harness.study.units import Units
from harness.tracking.store import RunStore
from harness.unit.device import choose_device, choose_precision, make_repeatable
from harness.unit.open_inputs import open_inputs
from harness.unit.opening import Opening

if TYPE_CHECKING:
    from harness.study.config import StudyConfig
    from harness.study.resolve import ResolvedStudy
    from harness.unit.inputs import Inputs


def run_study(resolved: ResolvedStudy, config: StudyConfig) -> StudyResult:
    """Run the units that are not done yet and summarise all of them.

    Raises:
        DataError: data is missing or unreadable.
        LeakError: a split leaks; nothing has been trained.
    """
    device = choose_device(config.device)
    precision = choose_precision(config.precision, device)
    make_repeatable()
    inputs = open_study_inputs(resolved, config, device)
    resolved = replace(resolved, precision=precision, fingerprint=inputs.fingerprint)
    _audit(resolved, inputs)
    store = RunStore(config.out)
    _write_plan(store, resolved)
    done = [unit for unit in resolved.units if store.is_done(unit.unit_id)]
    if done:
        console.note(f"{len(done)} of {console.count(len(resolved.units), 'unit')} done already")
    units = Units(resolved, inputs, store, device)
    with console.progress(resolved.study_id, len(resolved.units)) as bar:
        bar.advance(len(done))
        todo = [unit for unit in resolved.units if unit not in done]
        for unit, outcome in Inline().run((unit, partial(units.errand, unit)) for unit in todo):
            units.finish(unit, outcome)
            bar.advance()
    units.publisher.study(resolved.study_id)
    return result_of(store, resolved.study_id, reused=len(done), failed=units.n_failed)


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
    )
    return open_inputs(resolved.dataset, opening)


def _audit(resolved: ResolvedStudy, inputs: Inputs) -> None:
    warnings: dict[str, None] = {}
    for fold in resolved.splits.folds:
        warnings |= dict.fromkeys(audit(fold, resolved.dataset.patients, inputs.content))
    for warning in warnings:
        console.warn(warning)


def _write_plan(store: RunStore, resolved: ResolvedStudy) -> None:
    """study.json: the resolved configuration and every unit of the whole study, asked for now or not."""
    whole = replace(resolved, folds=resolved.splits.folds)
    earlier = store.plan(resolved.study_id).get("units", [])
    units = list(dict.fromkeys([*earlier, *(unit.unit_id for unit in whole.units)]))
    store.write_study(
        {
            "study_id": resolved.study_id,
            "method": resolved.method_card.name,
            "dataset": resolved.dataset.name,
            "protocol": resolved.protocol_name,
            "ranked": resolved.protocol.ranked,
            "config": whole.as_dict(),
            "units": units,
            "n_units": len(units),
        }
    )
