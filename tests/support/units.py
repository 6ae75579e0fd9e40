"""A unit of a dataset that needs no preparation: ready to run, and run."""

from __future__ import annotations

from pathlib import Path

import torch

from harness.api.code_version import method_version
from harness.datasets.dataset import Dataset
from harness.jobs.train import train_and_predict
from harness.protocols.held_out import Scorer
from harness.sources.inputs import Inputs
from harness.sources.open_inputs import open_inputs
from harness.sources.opening import Opening
from harness.studies.planned_unit import PlannedUnit, prepare
from harness.studies.scoring import ScoredUnit, score_unit
from harness.studies.unit_spec import UnitSpec


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
) -> tuple[PlannedUnit, Inputs]:
    """One unit, and the opened dataset."""
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
    unit = PlannedUnit(
        spec=spec,
        method=method,
        params=chosen,
        fold=splits.folds[fold],
        protocol=dataset.card.protocols[protocol],
        device="cpu",
        precision="fp32",
        workdir=workdir,
    )
    return unit, inputs


def run_unit(unit: PlannedUnit, inputs: Inputs, scorer: Scorer) -> ScoredUnit:
    """Run one unit in this process, continuing where an earlier attempt was interrupted.

    A study does not: it has the job run in a process that knows no test label.
    """
    prepared = prepare(unit, inputs)
    result = train_and_predict(prepared.job, unit.method).with_names(prepared.names)
    return score_unit(prepared, result, scorer)
