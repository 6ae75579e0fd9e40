"""Running one unit: train, choose the threshold on validation, predict the test slides, have them scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from harness.accounting.meter import Meter
from harness.contract.method import Method, Task
from harness.contract.params import Params
from harness.errors import BenchError, MethodError
from harness.evaluation.threshold import choose_threshold
from harness.protocol.card import ProtocolCard
from harness.protocol.reports import reports_for
from harness.protocol.seal import Scorer, labels_for
from harness.seeds import Seeds
from harness.training.run import Precision, Run

if TYPE_CHECKING:
    from harness.bags.feature_source import Normaliser
    from harness.bags.source import BagSource
    from harness.contract.prediction import Prediction
    from harness.protocol.seal import ScoredRows
    from harness.protocol.splits import Fold
    from harness.unit.inputs import Inputs
    from harness.unit.spec import UnitSpec


@dataclass(frozen=True, kw_only=True)
class UnitJob:
    """All that running a unit takes beside the data.

    Attributes:
        spec: its identity.
        method, params: what is trained.
        fold: which slides.
        protocol: how is selected, normalised and thresholded.
        device, precision: where and in which arithmetic.
        workdir: scratch space that survives an interruption.
    """

    spec: UnitSpec
    method: type[Method]
    params: Params
    fold: Fold
    protocol: ProtocolCard
    device: torch.device
    precision: Precision
    workdir: Path


@dataclass(frozen=True, kw_only=True)
class UnitResult:
    """What a unit leaves behind.

    Attributes:
        scored: test predictions beside the truth.
        threshold: decision threshold on the second class's probability; None decides by the largest one.
        curve: rows of the training curves.
        facts: per stage: epochs, best epoch, whether resumed ...
        accounting: time, memory and device hours by stage.
        root_seed: what all draws were derived from.
    """

    scored: ScoredRows
    threshold: float | None
    curve: list[dict[str, float | str]]
    facts: dict[str, dict[str, float | int | str | bool | None]]
    accounting: dict[str, Any]
    root_seed: int


def run_unit(job: UnitJob, inputs: Inputs, scorer: Scorer) -> UnitResult:
    """Run one unit, continuing where an earlier attempt was interrupted."""
    job.workdir.mkdir(parents=True, exist_ok=True)
    run = Run(
        seeds=Seeds(Seeds(job.spec.seed).seed("unit", job.spec.dataset, job.spec.repeat, job.spec.fold)),
        device=job.device,
        precision=job.precision,
        workdir=job.workdir,
        meter=Meter(str(job.device)),
        select=job.protocol.select,
        label=f"r{job.fold.repeat}f{job.fold.fold}",
    )
    run.load_meter()
    card = inputs.dataset.card
    method = job.method(job.params, Task(card.classes, encoder=str(job.spec.input["encoder"])))
    # Where the final fit takes the validation slides too, nothing may be selected on them.
    fit_all = job.protocol.fit_on == "train+val"
    fitted = job.fold.train + job.fold.val if fit_all else job.fold.train
    normaliser = _normaliser(job, inputs, fitted)
    train = _labelled(job, inputs, fitted, normaliser)
    val = _labelled(job, inputs, job.fold.val, normaliser) if job.fold.val and not fit_all else None
    run.fold = replace(job.fold, train=fitted, val=() if fit_all else job.fold.val)
    test = inputs.bags(job.fold.test, None, normaliser)
    try:
        method.fit(train, val, run)
        with run.meter.stage("predict"):
            threshold = _threshold(job, method, val, run)
            prediction = _predict(method, test, run)
    except BenchError:
        raise
    except torch.cuda.OutOfMemoryError as error:
        raise MethodError(
            "the GPU's memory does not hold this unit",
            place=f"{job.spec.unit_id}: {str(error).splitlines()[0]}",
            fix="fewer tiles per step (--set tiles_per_bag, batch_size or encode_chunk) or --precision bf16",
        ) from error
    scored = scorer.score(job.fold, prediction)
    return UnitResult(
        scored=scored,
        threshold=threshold,
        curve=run.curve,
        facts=run.facts,
        accounting=run.meter.summary(),
        root_seed=run.seeds.root,
    )


def _labelled(job: UnitJob, inputs: Inputs, slides: Sequence[str], normaliser: Normaliser | None) -> BagSource:
    labels = labels_for(inputs.dataset, slides, sealed=job.fold.test)
    # Annotations go to methods that say on their card that they use them, and never those of test slides.
    needs = job.method.card.needs
    bags = inputs.bags(slides, labels, normaliser, masks="masks" in needs)
    if "reports" in needs:
        bags.reports = reports_for(inputs.dataset, slides, sealed=job.fold.test)
        bags.patients = tuple(inputs.dataset.patients[slide] for slide in slides)
    return bags


def _normaliser(job: UnitJob, inputs: Inputs, fitted: Sequence[str]) -> Normaliser | None:
    if job.protocol.normalise == "none":
        return None
    if job.protocol.normalise == "train":
        return inputs.normaliser(fitted)
    return inputs.normaliser([slide for _, slides in job.fold.parts() for slide in slides])


def _threshold(job: UnitJob, method: Method, val: BagSource | None, run: Run) -> float | None:
    """The decision threshold of a binary task from the validation slides; None for the largest probability."""
    if job.protocol.threshold == "argmax" or method.task.n_classes != 2:
        return None
    if val is None or val.labels is None:
        raise MethodError(
            "the protocol takes the threshold from validation slides, and the fold has none",
            place=f"{job.spec.dataset}, protocol {job.spec.protocol}, {job.fold.name}",
            fix="set threshold: argmax in the protocol, or list validation slides in its split file",
        )
    return choose_threshold(val.labels, _predict(method, val, run).probabilities[:, 1])


def _predict(method: Method, bags: BagSource, run: Run) -> Prediction:
    prediction = method.predict(bags, run)
    prediction.check(bags.ids, method.task.n_classes, method=method.card.name)
    return prediction
