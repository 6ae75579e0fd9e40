"""A method's further numbers per tile need nothing but the method: they come back with the prediction and are drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from support.units import run_unit

from harness import Aggregator, BagOutput, MethodCard, MethodError, MILMethod, segment_mean
from harness.jobs.result import JobResult
from harness.results.names import safe_name
from harness.sources.explain_unit import explain_unit


class Net(Aggregator):
    """Mean of the bag; its second map is the first feature of each tile."""

    def __init__(self, dim: int, n_classes: int) -> None:
        super().__init__()
        self.head = torch.nn.Linear(dim, n_classes)

    def forward(self, bags):
        return BagOutput(self.head(segment_mean(bags.x, bags.offsets)), tiles={"first feature": bags.x[:, 0]})


class SecondMap(MILMethod):
    card = MethodCard(name="second_map", title="Second map", paper="none", inputs=("features",))

    def aggregator(self, dim):
        return Net(dim, self.task.n_classes)


@pytest.fixture
def scored(toy_unit, tmp_path):
    unit, inputs, scorer = toy_unit(method=SecondMap)
    return run_unit(unit, inputs, scorer), inputs


def test_numbers_per_tile_come_back_in_the_order_of_tiles(scored, tmp_path):
    unit, inputs = scored
    found = unit.rows.tiles["first feature"]
    bags = inputs.access.bags(unit.rows.slides)
    assert [len(values) for values in found] == [bags.count(bag) for bag in range(len(bags))]
    for bag, values in enumerate(found):
        first = bags.read(bag)[:, 0].numpy()
        assert np.corrcoef(values, first)[0, 1] == pytest.approx(1), "features are scaled, which keeps their order"


def test_they_go_through_files_and_are_drawn_like_attention(scored, tmp_path):
    unit, inputs = scored
    unit.result.save(tmp_path / "result")
    again = JobResult.load(tmp_path / "result")
    for one, other in zip(unit.result.test.tiles["first feature"], again.test.tiles["first feature"], strict=True):
        assert np.array_equal(one, other)
    assert again.test.attention is None
    drawn = {}

    def picture(slide, weights):
        assert (weights >= 0).all()
        return drawn.setdefault(slide, np.zeros((2, 2, 3), np.uint8))

    names = set(explain_unit(unit.rows, replace(inputs, picture_of=picture)))
    assert drawn
    assert names == {f"{safe_name('first feature')}-{slide}.png" for slide in drawn}
    assert unit.result.without_tiles().test.per_tile == {}


def test_another_number_of_tiles_than_are_labelled_is_refused(toy_unit, scored):
    unit, inputs, scorer = toy_unit(name="labelled")
    prediction = scored[0].result.with_names(dict(zip(scored[0].result.test.slides, unit.fold.test, strict=True))).test
    labels = {slide: np.zeros(2, np.int64) for slide in unit.fold.test}
    scorer = type(scorer)(inputs.dataset, [unit.fold], instance_labels=labels.get)
    with pytest.raises(MethodError, match="first feature"):
        scorer.score(unit.fold, prediction)
