"""A worker, and errands for it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from harness.contract.plugins import load_plugin
from harness.launch.child import Errand
from harness.launch.workers import Worker
from harness.protocol.dataset import load_dataset
from harness.unit.job import UnitJob
from harness.unit.open_inputs import open_inputs
from harness.unit.opening import Opening
from harness.unit.order import make_order
from harness.unit.spec import UnitSpec


@pytest.fixture(scope="session")
def worker():
    """One worker for all tests: what it does is done in processes of their own."""
    with Worker() as one:
        yield one


@pytest.fixture
def errand(toy_dataset: Path, tmp_path: Path):
    """A function that makes an errand over the toy dataset for a plugin given as source."""

    def make(source: str, *, name: str = "unit", secrets: tuple[Path, ...] = (), **params: object) -> Errand:
        plugin = tmp_path / f"{name}_plugin.py"
        plugin.write_text(source)
        (method,) = load_plugin(str(plugin))
        dataset = load_dataset(toy_dataset)
        settings = dataset.card.inputs[0]
        splits = dataset.splits("cv2")
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
            protocol="cv2",
            protocol_settings={},
            split_sha256=splits.sha256,
            repeat=0,
            fold=0,
            seed=0,
            input=settings.model_dump(mode="json"),
            precision="fp32",
        )
        workdir = tmp_path / name / "work"
        workdir.mkdir(parents=True)
        job = UnitJob(
            spec=spec,
            method=method,
            params=chosen,
            fold=splits.folds[0],
            protocol=dataset.card.protocols["cv2"],
            device="cpu",
            precision="fp32",
            workdir=workdir,
        )
        return Errand(
            order=make_order(job, inputs)[0],
            plugins=(str(plugin),),
            secrets=(*inputs.secrets, *secrets),
            keep=(workdir.parent, plugin),
            answer=workdir / "answer",
        )

    return make
