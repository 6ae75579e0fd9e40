"""A unit of the toy study, ready to run."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.plugins import load_plugin
from support.units import unit_of

from harness.datasets.dataset import load_dataset
from harness.protocols.held_out import Scorer
from harness.sources.inputs import Inputs
from harness.unit.job import UnitJob


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
        place = {"cache": tmp_path / "cache", "workdir": tmp_path / name}
        job, inputs = unit_of(dataset, method, **place, protocol=protocol, fold=fold, seed=seed, params=params)
        return job, inputs, Scorer(dataset, dataset.splits(protocol).folds)

    return make
