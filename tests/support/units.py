"""A unit of a dataset that needs no preparation: ready to run, and run."""

from __future__ import annotations

from pathlib import Path

import torch

from harness.api.code_version import method_version
from harness.datasets.dataset import Dataset
from harness.protocols.held_out import Scorer
from harness.sources.inputs import Inputs
from harness.sources.open_inputs import open_inputs
from harness.sources.opening import Opening
from harness.unit.job import UnitJob
from harness.unit.judge import UnitResult, judge
from harness.unit.order import make_order
from harness.unit.spec import UnitSpec
from harness.unit.work import work


def unit_of(
    dataset: Dataset,
    method: type,
    *,
    cache: Path,
    workdir: Path,
    protocol: str = "cv2",
    fold: int = 0,
    seed: int = 0,
    params: dict[str, object] | None = None,
) -> tuple[UnitJob, Inputs]:
    """The job of one unit, and the opened dataset."""
    settings = dataset.card.inputs[0]
    splits = dataset.splits(protocol)
    opening = Opening(
        settings=settings,
        slides=dataset.slides,
        data_root=None,
        cache=cache,
        workers=1,
        device=torch.device("cpu"),
    )
    inputs = open_inputs(dataset, opening)
    chosen = method.Params.build(params or {}, place="test")
    spec = UnitSpec(
        method=method.card.name,
        method_version=method_version(method),
        params=chosen.as_dict(),
        dataset=dataset.name,
        dataset_fingerprint=inputs.fingerprint,
        protocol=protocol,
        protocol_settings={},
        split_sha256=splits.sha256,
        repeat=0,
        fold=fold,
        seed=seed,
        input=settings.model_dump(mode="json"),
        precision="fp32",
    )
    job = UnitJob(
        spec=spec,
        method=method,
        params=chosen,
        fold=splits.folds[fold],
        protocol=dataset.card.protocols[protocol],
        device="cpu",
        precision="fp32",
        workdir=workdir,
    )
    return job, inputs


def run_unit(job: UnitJob, inputs: Inputs, scorer: Scorer) -> UnitResult:
    """Run one unit in this process, continuing where an earlier attempt was interrupted.

    A study does not: it has the work done in a process that knows no test label.
    """
    order, real = make_order(job, inputs)
    return judge(job, order, work(order, job.method).with_names(real), scorer)
