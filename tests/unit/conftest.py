"""A unit of the toy study, ready to run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from harness.contract.plugins import load_plugin
from harness.protocol.dataset import load_dataset
from harness.protocol.seal import Scorer
from harness.unit.inputs import Inputs
from harness.unit.job import UnitJob
from harness.unit.open_inputs import open_inputs
from harness.unit.opening import Opening
from harness.unit.spec import UnitSpec


@pytest.fixture
def toy_unit(toy_dataset: Path, tiny_plugin: Path, tmp_path: Path):
    """A function that makes (job, inputs, scorer) for a fold and protocol of the toy dataset."""
    (method,) = load_plugin(str(tiny_plugin))
    dataset = load_dataset(toy_dataset)

    def make(
        *,
        protocol: str = "cv2",
        fold: int = 0,
        seed: int = 0,
        name: str = "work",
        method: type = method,
        **params: object,
    ) -> tuple[UnitJob, Inputs, Scorer]:
        settings = dataset.card.inputs[0]
        splits = dataset.splits(protocol)
        opening = Opening(
            settings=settings,
            slides=dataset.slides,
            data_root=None,
            cache=tmp_path / "cache",
            workers=1,
            device=torch.device("cpu"),
        )
        inputs = open_inputs(dataset, opening)
        chosen = method.Params.build(params, place="test")
        spec = UnitSpec(
            method=method.card.name,
            method_version="0",
            params=chosen.as_dict(),
            dataset="toy",
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
            workdir=tmp_path / name,
        )
        return job, inputs, Scorer(dataset, splits.folds)

    return make
