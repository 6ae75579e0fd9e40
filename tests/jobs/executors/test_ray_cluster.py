"""Room on a Ray cluster is counted node by node."""

from __future__ import annotations

import pytest

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
