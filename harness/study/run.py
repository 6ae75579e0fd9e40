"""Running a study: open the data, audit the splits, run what is not done, put the evidence together."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch

from harness import console
from harness.accounting.environment import environment
from harness.contract.registry import used_plugins
from harness.launch.child import Errand
from harness.launch.inline import run_inline
from harness.protocol.audit import audit
from harness.protocol.seal import Scorer
from harness.report.publish import Publisher
from harness.resources import cache_root
from harness.study.evidence import log_of, predictions_of, record_of
from harness.study.result import StudyResult, result_of
from harness.tracking.questions import Questions
from harness.tracking.store import RunStore
from harness.unit.device import choose_device, choose_precision, make_repeatable
from harness.unit.explain_unit import explain_unit
from harness.unit.open_inputs import open_inputs
from harness.unit.opening import Opening
from harness.unit.order import Order, UnitJob
from harness.unit.run_unit import run_unit

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.study.config import StudyConfig
    from harness.study.resolve import ResolvedStudy
    from harness.training.run import Precision
    from harness.unit.answer import UnitAnswer
    from harness.unit.inputs import Inputs
    from harness.unit.spec import UnitSpec


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
    runner = _Runner(resolved, inputs, store, device)
    with console.progress(resolved.study_id, len(resolved.units)) as bar:
        bar.advance(len(done))
        todo = [unit for unit in resolved.units if unit not in done]
        run_inline(todo, runner.run, runner.failed, after=bar.advance)
    runner.publisher.study(resolved.study_id)
    return result_of(store, resolved.study_id, reused=len(done), failed=runner.n_failed)


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


class _Runner:
    """Runs units of one study and stores what they leave behind."""

    def __init__(self, resolved: ResolvedStudy, inputs: Inputs, store: RunStore, device: torch.device) -> None:
        self.resolved = resolved
        self.inputs = inputs
        self.store = store
        self.device = device
        self.scorer = Scorer(
            resolved.dataset, resolved.splits.folds, instance_labels=inputs.truth_of, journal=Questions(store.root).note
        )
        self.folds = {(fold.repeat, fold.fold): fold for fold in resolved.folds}
        self.environment = environment(str(device))
        self.publisher = Publisher(store)
        self.n_failed = 0

    def run(self, spec: UnitSpec, do: Callable[[Errand], UnitAnswer]) -> None:
        """Run a unit; its scratch space goes once the record is written.

        Args:
            spec: the unit.
            do: does the work in a process of its own.
        """
        started = datetime.now(UTC)
        workdir = self.store.unit_folder(spec.unit_id) / "work"
        job = UnitJob(
            spec=spec,
            method=self.resolved.method,
            params=self.resolved.params,
            fold=self.folds[spec.repeat, spec.fold],
            protocol=self.resolved.protocol,
            device=str(self.device),
            precision=cast("Precision", self.resolved.precision),
            workdir=workdir,
        )
        result = run_unit(job, self.inputs, self.scorer, lambda order: do(self._errand(order)))
        predictions = predictions_of(job, result)
        record = record_of(self.resolved, job, result, predictions, started=started, environment=self.environment)
        pictures = explain_unit(result.scored, self.inputs)
        record = self.store.write_unit(
            record, predictions, curve=result.answer.curve, log=log_of(record), artefacts=pictures
        )
        shutil.rmtree(workdir, ignore_errors=True)
        self.publisher.unit(record)

    def _errand(self, order: Order) -> Errand:
        """The order, and what must stay out of sight of whoever does it: labels, and the evidence of other units."""
        order.workdir.mkdir(parents=True, exist_ok=True)  # what does not exist cannot be kept visible
        plugins = used_plugins()
        lesions = [part.lesions for part in (order.train, order.val) if part is not None and part.lesions is not None]
        return Errand(
            order=order,
            plugins=plugins,
            secrets=(*self.inputs.secrets, *self.store.secrets),
            keep=(
                order.workdir.parent,
                *order.access.files,
                *(path for some in lesions for path in some.files.values()),
                *(Path(plugin) for plugin in plugins if plugin.endswith(".py")),
            ),
            answer=order.workdir / "answer",
        )

    def failed(self, spec: UnitSpec, reason: str, trace: str) -> None:
        """Note that a unit failed."""
        self.n_failed += 1
        self.publisher.failure(
            self.store.write_failure(spec.unit_id, reason, study_id=spec.study_id, spec=spec.as_dict(), traceback=trace)
        )
