"""Room on a Ray cluster is counted node by node, and signals amid its start wait."""

from __future__ import annotations

import signal

import pytest

from harness.jobs.executors import ray_cluster
from harness.jobs.executors.executor import Resources
from harness.jobs.executors.ray_cluster import Cluster


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
    cluster = Cluster(None, Resources(cpus=cpus, gpus=gpus), cores=1)
    cluster.ray = nodes
    assert cluster.room() == room
    wished = Cluster(None, Resources(cpus=cpus, gpus=gpus, parallel=7), cores=1)
    assert wished.room() == 7


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_amid_the_start_waits_for_its_end(number):
    from ray._private import utils

    done = []

    def stop(*_):
        raise KeyboardInterrupt

    def handler_of_ray(*_):
        raise SystemExit(number)

    before = signal.signal(number, stop)
    try:
        with pytest.raises(KeyboardInterrupt), ray_cluster._signals_held():
            utils.set_sigterm_handler(handler_of_ray)
            signal.raise_signal(number)
            done.append("the start goes on")
        assert done
        with pytest.raises(KeyboardInterrupt), ray_cluster._signals_held():
            signal.raise_signal(number)
            signal.raise_signal(number)
            done.append("not reached")
        assert len(done) == 1
        assert signal.getsignal(number) is stop
    finally:
        signal.signal(number, before)
