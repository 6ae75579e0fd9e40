"""Choosing an executor: what makes no sense is refused before anything is started."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from harness.core.errors import UsageError
from harness.jobs.executors.executor import Executor
from harness.jobs.executors.local import Local
from harness.jobs.executors.settings import LaunchSettings, make_executor

CPU = torch.device("cpu")


def made(settings: LaunchSettings) -> Executor:
    return make_executor(settings, CPU, folder=Path("executors"))


@pytest.mark.parametrize("name", ["local", "inline"])
def test_local_computes_with_the_threads_of_this_process(name):
    executor = made(LaunchSettings(launcher=name))
    assert isinstance(executor, Local)
    assert executor.worker.environment["OMP_NUM_THREADS"] == str(torch.get_num_threads())
    three = made(LaunchSettings(cpus_per_unit=3, memory_limit=10**9))
    assert three.worker.environment["OMP_NUM_THREADS"] == "3"
    assert three.worker.environment["BENCH_MEMORY_LIMIT"] == str(10**9)


@pytest.mark.parametrize(
    ("settings", "place", "said"),
    [
        ({"launcher": "rai"}, "--launcher", "unknown launcher 'rai'"),
        ({"options": {"address": "auto"}}, "--address", "no options"),
        ({"parallel": 2}, "--parallel", "local launcher"),
        ({"gpus_per_unit": 0.5}, "--gpus-per-unit", "local launcher"),
        ({"launcher": "ray", "parallel": 0}, "--parallel", "0 is not"),
        ({"launcher": "ray", "cpus_per_unit": 0.5}, "--cpus-per-unit", "0.5 is not"),
        ({"launcher": "ray", "gpus_per_unit": 1.5}, "--gpus-per-unit", "1.5 is no share"),
        ({"launcher": "ray", "gpus_per_unit": -1}, "--gpus-per-unit", "-1 is no share"),
        ({"launcher": "ray", "options": {"address": "ray://head:10001"}}, "--address", "client protocol"),
        ({"launcher": "slurm", "options": {"partiton": "gpu"}}, "--launcher-option partiton", "unknown option"),
        ({"launcher": "slurm", "options": {"minutes": "soon"}}, "--launcher-option minutes", "integer"),
        ({"launcher": "slurm", "options": {"minutes": 0}}, "--launcher-option minutes", "greater"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, place, said):
    with pytest.raises(UsageError, match=said) as told:
        LaunchSettings(**settings).find()
    assert told.value.place == place


def test_there_is_no_gpu_to_share_on_a_cpu():
    with pytest.raises(UsageError, match="no GPU to share"):
        made(LaunchSettings(launcher="ray", gpus_per_unit=0.25))


@pytest.mark.parametrize(("name", "package"), [("ray", "ray"), ("slurm", "submitit")])
def test_without_its_package_the_command_that_installs_it_is_told(monkeypatch, name, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UsageError, match="not installed") as told:
        made(LaunchSettings(launcher=name)).__enter__()
    assert f"pip install 'wsibench[{name}]'" in told.value.fix


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere"])
def test_a_cluster_that_is_not_there_is_told_at_once(address):
    pytest.importorskip("ray")
    with pytest.raises(UsageError, match="no Ray cluster") as told:
        made(LaunchSettings(launcher="ray", options={"address": address})).__enter__()
    assert told.value.place == f"--address {address}"
