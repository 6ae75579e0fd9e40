"""A training is kept within its memory: estimates agree with what is measured, the first rung that fits is taken."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from support.tiles import tile_bags

from harness import (
    Aggregator,
    BagOutput,
    MemoryPlan,
    MethodCard,
    MethodError,
    MILMethod,
    MILParams,
    Task,
    fit_in,
    segment_mean,
)
from harness.bags.feature_source import FeatureBags
from harness.encoders import build_encoder
from harness.training.memory.bag_part import bag_part, largest_step
from harness.training.memory.footprint import Alive
from harness.training.memory.ladder import AS_ASKED, BF16, RECOMPUTE, SMALLER_CHUNKS, Memory, Rung, ladder
from harness.training.mil_fit import build_network, stage


class Net(Aggregator):
    def __init__(self, dim: int, n_classes: int) -> None:
        super().__init__()
        self.head = torch.nn.Linear(dim, n_classes)

    def forward(self, bags):
        return BagOutput(self.head(segment_mean(bags.x, bags.offsets)))


class Mean(MILMethod):
    card = MethodCard(name="mean", title="Mean", paper="none", inputs=("tiles", "features"))
    Params = MILParams

    def aggregator(self, dim):
        return Net(dim, self.task.n_classes)


class Calm(Mean):
    """The encoder conv27 without its dropout, so that chunks change nothing."""

    def stages(self, train, val, run):
        for one in super().stages(train, val, run):
            for part in self.network.modules():
                if isinstance(part, torch.nn.Dropout):
                    part.p = 0.0
            yield one


def _method(kind: type = Mean, encoder: str = "", **params: object) -> Mean:
    values = {"epochs": 1, "batch_size": 2} | params
    return kind(kind.Params.build(values, place="test"), Task(("no", "yes"), encoder=encoder))


def _estimator(method, train, run):
    network = build_network(method, train, run)
    return bag_part(network, method.params, train, [train], run), network


@pytest.mark.parametrize(
    ("encoder", "px", "sizes", "params"),
    [
        ("conv27", 27, (40, 70, 20, 60), {}),
        ("conv27", 27, (40, 70, 20, 60), {"recompute": True, "encode_chunk": 16}),
        ("conv64", 64, (30, 50), {"augment": "weak", "ema_decay": 0.9, "tiles_per_bag": 40}),
        ("conv64", 64, (30, 50), {"recompute": True, "encode_chunk": 10, "optimizer": "sgd"}),
        ("random:resnet18", 64, (12, 8), {"optimizer": "adamw", "augment": "rotate"}),
        ("random:resnet18", 64, (12, 8), {"recompute": True, "encode_chunk": 4}),
    ],
)
def test_estimates_lie_within_a_factor_of_two_of_the_measured_peak(encoder, px, sizes, params, make_run):
    method, run, train = _method(encoder=encoder, **params), make_run(), tile_bags(sizes, px)
    estimator, network = _estimator(method, train, run)
    estimate = estimator(Rung(AS_ASKED, network.chunk, network.recompute, "fp32"))
    method.network = network
    training = stage(method, train, None, run)
    with Alive(list(network.parameters())) as alive:
        run.train(training)
    measured = alive.peak + estimator.held
    assert measured / 2 < estimate.total < 2 * measured


def test_estimates_on_features_and_what_they_grow_with(make_run):
    bags = {f"s{k}": np.ones((3000 * (k + 1), 64), np.float32) for k in range(3)}
    train = FeatureBags(list(bags), np.array([0, 1, 0]), bags.__getitem__, 64)
    method, run = _method(batch_size=1), make_run()
    estimator, network = _estimator(method, train, run)
    estimate = estimator(Rung(AS_ASKED, 0, False, "fp32"))
    method.network = network
    with Alive(list(network.parameters())) as alive:
        run.train(stage(method, train, None, run))
    assert alive.peak / 2 < estimate.total < 3 * alive.peak  # features that are read do not pass through torch
    assert estimator.longest == 9000
    larger, _ = _estimator(_method(batch_size=3), train, run)
    assert larger(Rung(AS_ASKED, 0, False, "fp32")).total > 1.8 * estimate.total


def test_the_largest_step():
    bags = tile_bags((5, 9, 7), 8)
    step = largest_step(bags, MILParams(batch_size=2))
    assert (step.slide, step.tiles, step.sizes, step.read) == ("b1", 9, (9, 7), 16)
    assert largest_step(bags, MILParams(batch_size=2, balanced=True)).sizes == (9, 9)
    assert largest_step(bags, MILParams(batch_size=2, tiles_per_bag=4)).sizes == (4, 4)
    assert largest_step(bags, MILParams(batch_size=4), devices=2).sizes == (9, 7)
    attended = largest_step(bags, MILParams(batch_size=2, tiles_per_bag=4, tile_sampling="attention"))
    assert (attended.sizes, attended.read) == ((4, 4), 16)


def _ways(rungs):
    return [(rung.number, rung.chunk, rung.recompute, rung.precision) for rung in rungs]


def test_the_ladder_costs_time_first_and_numbers_last():
    rungs = ladder(Rung(0, 0, False, "fp32"), 300, build_encoder("conv27", tile_px=27, seed=0))
    smaller = [(256, False), (64, False), (16, False)]
    assert _ways(rungs) == [
        (0, 0, False, "fp32"),
        *((SMALLER_CHUNKS, chunk, False, "fp32") for chunk, _ in smaller),
        *((RECOMPUTE, chunk, True, "fp32") for chunk, _ in smaller),
        *((BF16, chunk, True, "bf16") for chunk, _ in smaller),
    ]
    assert {rung.changes for rung in rungs} == {"", "draws of dropout", "arithmetic"}
    assert [rung.how for rung in rungs][-1] == "chunks of 16 tiles, activations computed twice, bf16"


def test_batch_norm_keeps_its_chunks_whatever_it_costs():
    encoder = build_encoder("conv64", tile_px=64, seed=0)
    assert _ways(ladder(Rung(0, 0, False, "fp32"), 300, encoder)) == [(0, 0, False, "fp32"), (BF16, 0, False, "bf16")]
    assert _ways(ladder(Rung(0, 100, False, "fp32"), 300, encoder)) == [
        (0, 100, False, "fp32"),
        (RECOMPUTE, 100, True, "fp32"),
        (BF16, 100, True, "bf16"),
    ]


def test_batch_norm_with_fixed_statistics_hinders_nothing():
    encoder = build_encoder("conv64", tile_px=64, seed=0)
    rungs = ladder(Rung(0, 0, False, "fp32"), 100, encoder, fixed_norms=True)
    assert [rung[:3] for rung in _ways(rungs)] == [
        (AS_ASKED, 0, False),
        *((SMALLER_CHUNKS, chunk, False) for chunk in (64, 16)),
        *((number, chunk, True) for number in (RECOMPUTE, BF16) for chunk in (64, 16)),
    ]


def test_the_peak_of_several_parts_is_that_of_the_largest(make_run):
    run = make_run()
    parts = [
        replace(_estimator(_method(encoder="conv27"), tile_bags(sizes, 27), run)[0], name=name)
        for name, sizes in (("small", (5, 6)), ("large", (50, 60)), ("after", (7, 8)))
    ]
    plan = MemoryPlan.of(parts, run, lambda rung: None, encoder=parts[0].module.encoder)
    part, estimate = plan.largest(plan.rungs[0])
    assert (part.name, estimate.total) == ("large", parts[1](plan.rungs[0]).total)
    assert plan.held == sum(one.held for one in parts)
    fit_in(plan, run)
    assert (run.memory.facts["stage"], run.memory.facts["largest_tiles"]) == ("large", 60)
    # After a rung in bf16 the ladder is still that of the precision that was asked for.
    run.precision = "bf16"
    again = MemoryPlan.of(parts, run, lambda rung: None, encoder=parts[0].module.encoder)
    assert _ways(again.rungs) == _ways(plan.rungs)


def test_what_is_asked_already_is_no_rung():
    encoder = build_encoder("conv27", tile_px=27, seed=0)
    assert _ways(ladder(Rung(0, 20, True, "bf16"), 300, encoder)) == [
        (0, 20, True, "bf16"),
        (SMALLER_CHUNKS, 16, True, "bf16"),
    ]
    assert _ways(ladder(Rung(0, 0, False, "fp32"), 300, None)) == [(0, 0, False, "fp32"), (BF16, 0, False, "bf16")]
    assert _ways(ladder(Rung(0, 0, False, "fp32"), 300, None, bf16=False)) == [(0, 0, False, "fp32")]


def _limits(method, train, run):
    """A rung of each number, and a limit under which it is the first that fits."""
    estimator, network = _estimator(method, train, run)
    asked = Rung(AS_ASKED, network.chunk, network.recompute, "fp32")
    rungs = ladder(asked, sum(estimator.step.sizes), network.encoder)
    found, least = {}, None
    for rung in rungs:
        total = estimator(rung).total
        if least is None or total < least:
            found.setdefault(rung.number, (rung, total))
            least = total
    return found, least


def test_each_rung_is_reached_and_the_exact_ones_change_nothing(make_run):
    train = tile_bags((90, 120), 27)
    plain = {"optimizer": "sgd", "lr": 0.01}  # Adam makes much of the last digits of a gradient

    def fit(name, limit=None, **params):
        method, run = _method(Calm, "conv27", **plain, epochs=2, **params), make_run(name)
        run.memory = Memory(limit=limit)
        method.fit(train, None, run)
        return method.network.state_dict(), run

    usual, run = fit("usual")
    assert (run.memory.facts["rung"], run.precision) == (AS_ASKED, "fp32")
    limits, least = _limits(_method(Calm, "conv27", **plain), train, make_run("limits"))
    assert set(limits) >= {AS_ASKED, RECOMPUTE, BF16}
    for number, (rung, limit) in limits.items():
        found, run = fit(f"rung{number}", limit)
        facts = run.memory.facts
        assert (facts["rung"], facts["how"], facts["available_mb"]) == (number, rung.how, round(limit / 1e6, 3))
        assert facts["estimate_mb"] <= facts["available_mb"]
        assert run.precision == rung.precision
        if number < BF16:
            for name, value in usual.items():
                torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-6)
    recomputed, _ = _limits(_method(Calm, "conv27", **plain, recompute=True), train, make_run("recomputed"))
    found, run = fit("chunks", recomputed[SMALLER_CHUNKS][1], recompute=True)
    assert run.memory.facts["rung"] == SMALLER_CHUNKS
    for name, value in usual.items():
        torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-6)
    with pytest.raises(MethodError) as error:
        fit("none", least - 1)
    assert "slide b1 has 120 tiles, the largest step 210" in error.value.problem
    assert "--set tiles_per_bag=" in error.value.fix
    assert "--memory-limit" in error.value.fix


def test_estimating_changes_no_bit_of_the_training(make_run, monkeypatch):
    results = []
    for name in ("with", "without"):
        if name == "without":
            monkeypatch.setattr("harness.training.memory.fitting.fit_in", lambda *_: None)
        method, run = _method(encoder="conv27", augment="rotate", epochs=2), make_run(name)
        method.fit(tile_bags((20, 30, 10, 15), 27), None, run)
        results.append((method.network.state_dict(), run.curve, torch.get_rng_state()))
    assert run.memory.facts["estimate_mb"] is None
    assert all(torch.equal(value, results[1][0][name]) for name, value in results[0][0].items())
    assert results[0][1] == results[1][1]
    assert torch.equal(results[0][2], results[1][2])


def test_an_interrupted_unit_goes_on_as_it_began(make_run):
    train, run = tile_bags((90, 120), 27), make_run()
    limits, _ = _limits(_method(encoder="conv27"), train, run)
    _, limit = limits[RECOMPUTE]
    for allowed in (limit, None):  # there is more memory when it is continued
        method, again = _method(encoder="conv27"), make_run()
        again.memory = Memory(limit=allowed)
        list(method.stages(train, None, again))
        assert again.memory.facts["rung"] == RECOMPUTE
        assert method.network.recompute
    (run.workdir / "memory.json").write_text("{")
    fresh = make_run()
    list(_method(encoder="conv27").stages(train, None, fresh))
    assert fresh.memory.facts["rung"] == AS_ASKED, "a damaged note is none"


def test_what_ran_out_is_not_tried_again(make_run):
    train, run = tile_bags((90, 120), 27), make_run()
    assert not Memory().refuse(run.workdir), "without an estimate there is nothing to go down from"
    list(_method(encoder="conv27").stages(train, None, run))
    first = run.memory.facts["estimate_mb"]
    assert run.memory.refuse(run.workdir)
    list(_method(encoder="conv27").stages(train, None, run))
    assert run.memory.facts["rung"] > AS_ASKED
    assert run.memory.facts["estimate_mb"] <= 0.9 * first
    assert run.memory.facts["ran_out"] == 1


def test_features_have_bf16_alone_and_advice(make_run):
    bags = {f"s{k}": np.ones((20_000, 64), np.float32) for k in range(2)}
    train = FeatureBags(list(bags), np.array([0, 1]), bags.__getitem__, 64)
    run = replace(make_run(), memory=Memory(limit=10**6))
    with pytest.raises(MethodError) as error:
        list(_method().stages(train, None, run))
    assert "slide s1 has 20000 tiles" in error.value.problem
    assert "encoder" not in error.value.fix


def test_a_network_that_cannot_be_tried_out_is_trained_as_asked(make_run):
    class Odd(Net):
        def __deepcopy__(self, memo):
            raise TypeError("there is but one of me")

    class OddMethod(Mean):
        def aggregator(self, dim):
            return Odd(dim, 2)

    run = make_run()
    list(_method(OddMethod, "conv27").stages(tile_bags((5, 6), 27), None, run))
    assert run.memory.facts["estimate_mb"] is None
    assert "there is but one of me" in run.memory.facts["why"]
    assert json.dumps(run.memory.account({"peak_rss_mb": 1.0}, on_gpu=False))
