"""A GPU that runs out of memory: the unit goes on with less, or fails with what to do."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
import torch

from harness import Aggregator, BagOutput, MethodError, MILMethod, segment_mean
from harness.jobs.train import train_and_predict
from harness.studies.planned_unit import prepare


class Wide(Aggregator):
    """Takes much for its activations, and little for its weights."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.wide = torch.nn.Linear(dim, 1000)
        self.head = torch.nn.Linear(1000, 2)

    def forward(self, bags):
        hidden = self.wide(bags.x)
        for _ in range(20):
            hidden = torch.tanh(hidden)
        return BagOutput(self.head(segment_mean(hidden, bags.offsets)))


def _short_of_memory(plain: type, times: int) -> type:
    """A method that runs out of memory in its third step, so often."""

    class Greedy(MILMethod):
        card = plain.card
        left = times
        steps = 0

        def aggregator(self, dim):
            head, kind = Wide(dim), type(self)

            def look(module, given):
                if not module.training:
                    return
                kind.steps += 1
                if kind.steps % 3 == 0 and kind.left > 0:
                    kind.left -= 1
                    raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nMore.")

            head.register_forward_pre_hook(look)
            return head

    return Greedy


def _work(toy_unit, kind, **changes):
    unit, inputs, _ = toy_unit(method=kind, epochs=2, **changes)
    return train_and_predict(prepare(unit, inputs).job, kind)


@pytest.fixture
def plain(toy_unit):
    return toy_unit()[0].method


def test_every_unit_tells_its_fallback(toy_unit, plain, monkeypatch):
    monkeypatch.delenv("BENCH_MEMORY_LIMIT", raising=False)
    found = _work(toy_unit, plain).accounting["memory"]
    assert (found["fallback"], found["ran_out"]) == ("none", 0)
    assert found["measured_mb"] is None, "so small a unit is not measured"
    assert found["available_mb"] > 0
    assert found["largest_tiles"] <= 6


def test_with_a_limit_it_is_measured(toy_unit, plain, monkeypatch):
    monkeypatch.setenv("BENCH_MEMORY_LIMIT", "100GB")
    found = _work(toy_unit, plain).accounting["memory"]
    assert (found["fallback"], found["available_mb"], found["stage"]) == ("none", 100_000.0, "train")
    assert 0 <= found["measured_mb"] < 100_000


def test_a_unit_that_runs_out_continues_with_a_fallback(toy_unit, plain, capsys):
    result = _work(toy_unit, _short_of_memory(plain, 1), name="once")
    memory = result.accounting["memory"]
    assert (memory["fallback"], memory["changes"], memory["ran_out"]) == ("bf16", "arithmetic", 1)
    assert "CUDA out of memory. Tried to allocate 2.00 GiB." in capsys.readouterr().err
    assert [row["epoch"] for row in result.curve] == [0, 1], "the attempt that failed has left no rows"
    assert np.isfinite(result.test.probabilities).all()


def test_a_unit_that_goes_on_running_out_fails_with_what_to_do(toy_unit, plain):
    with pytest.raises(MethodError, match="memory") as error:
        _work(toy_unit, _short_of_memory(plain, 99), name="always")
    assert re.search(r"slide is toy_\d+ with \d tiles", error.value.problem)
    assert "tiles_per_bag" in error.value.fix
    assert "bf16" in error.value.place


class Own(MILMethod):
    """Trains in its own way, and runs out of memory however it is trained."""

    def fit(self, train, val, run):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    def predict(self, bags, run):
        raise NotImplementedError


def test_a_method_with_a_training_of_its_own_fails_with_the_slide(toy_unit, plain):
    kind = type("Own", (Own,), {"card": plain.card, "aggregator": plain.aggregator})
    with pytest.raises(MethodError, match="memory") as error:
        _work(toy_unit, kind, name="own")
    assert "CUDA out of memory" in error.value.place


def test_a_limit_that_is_too_small_fails_before_training(toy_unit, plain, monkeypatch):
    monkeypatch.setenv("BENCH_MEMORY_LIMIT", "500")
    growing = itertools.count(0, 10**6)
    for module in ("watch", "state"):
        monkeypatch.setattr(f"harness.training.memory.{module}.bytes_in_use", lambda device: next(growing))
    with pytest.raises(MethodError, match=r"slide is toy_\d+ with \d tiles") as error:
        _work(toy_unit, plain, name="small")
    assert "stage train" in error.value.place
