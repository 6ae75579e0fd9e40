"""Choosing a launcher: what makes no sense is told before anything is started."""

from __future__ import annotations

import sys
import tempfile

import pytest
import torch

from harness.core.errors import UsageError
from harness.launch.choose import choose_launcher
from harness.launch.inline import Inline
from harness.launch.ray_cluster import Cluster, Scratch
from harness.launch.ray_task import here
from harness.launch.settings import LaunchSettings

CPU = torch.device("cpu")


def test_inline_is_the_default_and_computes_with_the_threads_of_this_process():
    launcher = choose_launcher(LaunchSettings(), CPU)
    assert isinstance(launcher, Inline)
    assert launcher._worker._environment["OMP_NUM_THREADS"] == str(torch.get_num_threads())
    three = choose_launcher(LaunchSettings(cpus_per_unit=3), CPU)
    assert three._worker._environment["OMP_NUM_THREADS"] == "3"


@pytest.mark.parametrize(
    ("options", "place", "said"),
    [
        ({"launcher": "rai"}, "--launcher", "unknown launcher 'rai'"),
        ({"address": "auto"}, "--address", "inline launcher"),
        ({"parallel": 2}, "--parallel", "inline launcher"),
        ({"gpus_per_unit": 0.5}, "--gpus-per-unit", "inline launcher"),
        ({"launcher": "ray", "parallel": 0}, "--parallel", "0 is not"),
        ({"launcher": "ray", "cpus_per_unit": 0.5}, "--cpus-per-unit", "0.5 is not"),
        ({"launcher": "ray", "gpus_per_unit": 1.5}, "--gpus-per-unit", "1.5 is no share"),
        ({"launcher": "ray", "gpus_per_unit": -1}, "--gpus-per-unit", "-1 is no share"),
        ({"launcher": "ray", "address": "ray://head:10001"}, "--address ray://head:10001", "client protocol"),
    ],
)
def test_settings_that_make_no_sense_are_refused(options, place, said):
    with pytest.raises(UsageError, match=said) as told:
        LaunchSettings(**options)
    assert told.value.place == place


def test_there_is_no_gpu_to_share_on_a_cpu():
    with pytest.raises(UsageError, match="no GPU to share"):
        choose_launcher(LaunchSettings(launcher="ray", gpus_per_unit=0.25), CPU)


def test_without_ray_the_command_that_installs_it_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match="not installed") as told:
        choose_launcher(LaunchSettings(launcher="ray"), CPU).__enter__()
    assert "pip install 'wsibench[ray]'" in told.value.fix


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere"])
def test_a_cluster_that_is_not_there_is_told_at_once(address):
    pytest.importorskip("ray")
    with pytest.raises(UsageError, match="no Ray cluster") as told:
        choose_launcher(LaunchSettings(launcher="ray", address=address), CPU).__enter__()
    assert told.value.place == f"--address {address}"


class Nodes:
    """Stands for Ray where only its list of nodes is asked for."""

    def __init__(self, *nodes: dict[str, float]) -> None:
        self._nodes = [{"Alive": True, "Resources": node} for node in nodes]

    def nodes(self) -> list[dict[str, object]]:
        return [*self._nodes, {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}}]


@pytest.mark.parametrize(
    ("cpus", "gpus", "room"),
    [(1, 0.0, 12), (3, 0.0, 3), (16, 0.0, 1), (1, 1.0, 5), (1, 2.0, 2), (1, 0.25, 12), (1, 0.4, 10), (4, 0.25, 3)],
)
def test_room_is_counted_node_by_node(cpus, gpus, room):
    nodes = Nodes({"CPU": 8.0, "GPU": 4.0}, {"CPU": 4.0, "GPU": 1.0})
    cluster = Cluster(LaunchSettings(launcher="ray"), cpus=cpus, gpus=gpus, cores=1)
    cluster.ray = nodes
    assert cluster.room() == room
    wished = Cluster(LaunchSettings(launcher="ray", parallel=7), cpus=cpus, gpus=gpus, cores=1)
    assert wished.room() == 7


def test_a_gpu_that_ray_gives_is_the_first_one_that_is_seen():
    assert [here(device) for device in ("cpu", "cuda", "cuda:0", "cuda:3")] == ["cpu", "cuda", "cuda:0", "cuda:0"]


def test_scratch_folders_of_the_killed_are_removed_and_of_the_living_are_not(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    living, killed = Scratch(), Scratch()
    killed._file.close()  # what the system does when a process dies
    other = Scratch()
    assert living.folder.is_dir()
    assert not killed.folder.exists()
    living.close()
    other.close()
    assert not list(tmp_path.iterdir())
