"""A worker, and errands for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.plugins import load_plugin
from support.units import unit_of

from harness.datasets.dataset import load_dataset
from harness.launch.child import Errand
from harness.launch.workers import Worker
from harness.unit.order import make_order


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
        workdir = tmp_path / name / "work"
        workdir.mkdir(parents=True)
        place = {"cache": tmp_path / "cache", "workdir": workdir}
        job, inputs = unit_of(load_dataset(toy_dataset), method, **place, params=params)
        return Errand(
            order=make_order(job, inputs)[0],
            plugins=(str(plugin),),
            secrets=(*inputs.secrets, *secrets),
            keep=(workdir.parent, plugin),
            answer=workdir / "answer",
        )

    return make
