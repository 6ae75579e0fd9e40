"""A worker, and jobs for it."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from support.plugins import load_plugin
from support.units import unit_of

from harness.datasets.dataset import load_dataset
from harness.jobs.isolation.worker import Worker
from harness.jobs.job import Job
from harness.studies.planned_unit import prepare


@pytest.fixture(autouse=True)
def _real_worker_processes(monkeypatch):
    """Here worker processes are what is tested, so they are started, not forked from a warm one."""
    monkeypatch.setattr("harness.jobs.isolation.worker.subprocess", subprocess)


@pytest.fixture(scope="session")
def worker():
    """One worker for all tests: each job that it runs has a process of its own."""
    with Worker() as one:
        yield one


@pytest.fixture
def make_job(toy_dataset: Path, tmp_path: Path):
    """A function that makes a job over the toy dataset for a plugin given as source."""

    def make(source: str, *, name: str = "unit", **params: object) -> Job:
        plugin = tmp_path / f"{name}_plugin.py"
        plugin.write_text(source)
        (method,) = load_plugin(str(plugin))
        workdir = tmp_path / name / "work"
        workdir.mkdir(parents=True)
        place = {"cache": tmp_path / "cache", "workdir": workdir}
        unit, inputs = unit_of(load_dataset(toy_dataset), method, **place, params=params)
        visible = (workdir.parent, plugin)
        return replace(prepare(unit, inputs).job, plugins=(str(plugin),), visible=visible)

    return make
