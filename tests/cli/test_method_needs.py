"""Data that a method cannot work on is refused by name before anything is trained."""

from __future__ import annotations

import pytest

PLUGIN = """
import torch
from harness import Aggregator, BagOutput, MethodCard, MILMethod, segment_mean

class Net(Aggregator):
    def __init__(self, dim, classes):
        super().__init__()
        self.head = torch.nn.Linear(dim, classes)

    def forward(self, bags):
        assert bags.coords is not None and len(bags.coords) == len(bags.x)
        return BagOutput(self.head(segment_mean(bags.x, bags.offsets)))

class Spatial(MILMethod):
    card = MethodCard(name="spatial", title="Spatial", paper="none", coordinates=True)

    def aggregator(self, dim):
        return Net(dim, self.task.n_classes)

class Threefold(MILMethod):
    card = MethodCard(name="threefold", title="Threefold", paper="none", classes=3)

    def aggregator(self, dim):
        return Net(dim, self.task.n_classes)
"""


@pytest.mark.parametrize(("method", "names"), [("spatial", "position"), ("threefold", "3 classes")])
def test_it_is_refused(bench, toy_dataset, tmp_path, method, names):
    (tmp_path / "needs.py").write_text(PLUGIN)
    answer = bench("run", "--plugin", "needs.py", "--method", method, "--dataset", str(toy_dataset), "--out", "runs")
    assert answer.code == 2
    assert names in answer.check_three_lines()[0]
    assert not (tmp_path / "runs" / "units").exists()


def test_the_contract_suite_gives_a_method_coordinates(bench, tmp_path):
    (tmp_path / "needs.py").write_text(PLUGIN)
    assert bench("test", "spatial", "--plugin", "needs.py").code == 0
