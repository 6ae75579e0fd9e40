"""The training loop: what is kept, when it stops, and that an interruption leaves no trace."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from harness.core.errors import MethodError
from harness.training.loop import train_stage

SETTINGS = [
    {},
    {"accumulate": 2},
    {"ema_decay": 0.9, "weights": "ema"},
    {"optimizer": "sgd", "schedule": lambda progress: 1 / (1 + progress)},
    {"clip_grad_norm": 0.1, "select_by": "last"},
    {"optimizer": "radam"},
    {"optimizer": "lookahead_radam", "accumulate": 2},
    {"optimizer": "lookahead_radam", "select_from": 2},
]


def _trained(make_run, make_stage, name, **settings):
    run = make_run(name)
    stage = make_stage(run, **settings)
    train_stage(stage, run)
    return stage.module.state_dict(), run


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: "-".join(s) or "plain")
@pytest.mark.parametrize("stop_after", [1, 5, 7, 13, 19])
def test_an_interrupted_stage_ends_bit_for_bit_like_an_uninterrupted_one(make_run, make_stage, settings, stop_after):
    expected, whole = _trained(make_run, make_stage, "whole", **settings)
    broken = make_run("broken")
    with pytest.raises(InterruptedError):
        train_stage(make_stage(broken, stop_after=stop_after, **settings), broken)
    torch.manual_seed(999)  # a new process starts with another state of the global generator
    result, resumed = _trained(make_run, make_stage, "broken", **settings)
    for name, value in expected.items():
        assert torch.equal(value, result[name]), name
    assert resumed.curve == whole.curve
    assert resumed.facts["toy"]["resumed_at_epoch"] is not None or stop_after == 1


def test_a_finished_stage_is_loaded_not_trained(make_run, make_stage):
    expected, first = _trained(make_run, make_stage, "run")
    run = make_run("run")
    stage = make_stage(run, stop_after=0)
    train_stage(stage, run)
    assert all(torch.equal(value, stage.module.state_dict()[name]) for name, value in expected.items())
    assert run.curve == first.curve


def test_a_damaged_checkpoint_falls_back_to_the_one_before(make_run, make_stage, tmp_path):
    expected, _ = _trained(make_run, make_stage, "whole")
    broken = make_run("broken")
    with pytest.raises(InterruptedError):
        train_stage(make_stage(broken, stop_after=9), broken)
    latest = tmp_path / "broken" / "toy.pt"
    latest.write_bytes(latest.read_bytes()[:100])
    result, _ = _trained(make_run, make_stage, "broken")
    assert all(torch.equal(value, result[name]) for name, value in expected.items())


def test_the_best_epoch_on_validation_is_kept(make_run, make_stage):
    run = make_run()
    stage = make_stage(run, epochs=8, schedule=lambda progress: 1.0 if progress < 3 else 60.0)
    train_stage(stage, run)
    losses = [row["val_loss"] for row in run.curve]
    facts = run.facts["toy"]
    assert facts["best_epoch"] == losses.index(min(losses)) < 7
    with torch.no_grad():
        kept = stage.validate()["loss"]
    assert kept == pytest.approx(min(losses), abs=1e-6)


def test_patience_stops_but_not_before_the_least_epochs(make_run, make_stage):
    for least, expected in ((0, 3), (6, 6)):
        run = make_run(f"least{least}")
        stage = make_stage(run, epochs=20, patience=2, min_epochs=least, select_by="constant", maximise=True)
        stage.validate = lambda: {"constant": 0.5}
        train_stage(stage, run)
        assert run.facts["toy"]["epochs"] == expected


def test_averaged_weights_are_the_published_average(make_run, make_stage):
    run = make_run()
    stage = make_stage(run, epochs=1, ema_decay=0.5, weights="ema", select_by="last")
    seen = [{name: value.clone() for name, value in stage.module.state_dict().items()}]
    original = stage.optimizers[0].step
    history = []

    def step(*args, **kwargs):
        result = original(*args, **kwargs)
        history.append({n: v.clone() for n, v in stage.module.state_dict().items()})
        return result

    stage.optimizers[0].step = step
    train_stage(stage, run)
    expected = seen[0]["layers.0.weight"]
    for state in history:
        expected = 0.5 * expected + 0.5 * state["layers.0.weight"]
    torch.testing.assert_close(stage.module.state_dict()["layers.0.weight"], expected)
    assert "val_ema_loss" in run.curve[0]
    assert "val_loss" in run.curve[0]


def test_a_loss_that_is_not_a_number_names_stage_epoch_and_step(make_run, make_stage):
    run = make_run()
    stage = make_stage(run)
    stage.loss = lambda batch: torch.tensor(float("nan"), requires_grad=True)
    with pytest.raises(MethodError, match="loss is nan") as caught:
        train_stage(stage, run)
    assert caught.value.place == "stage toy, epoch 0, step 0"


def test_a_metric_that_validation_does_not_give_is_named(make_run, make_stage):
    run = make_run()
    with pytest.raises(MethodError, match="no metric 'auk'"):
        train_stage(make_stage(run, select_by="auk"), run)


def test_accumulated_small_batches_equal_one_large_batch(make_run, make_stage):
    """With the same samples, two batches of two bags give the gradient of one batch of four."""
    run = make_run()
    small = make_stage(run)
    batches = list(small.batches(0, 0))[:2]
    net = small.module.eval()
    (sum(small.loss(batch) for batch in batches) / 2).backward()
    accumulated = net.layers[0].weight.grad.clone()
    net.zero_grad()
    x = torch.cat([batch.bags.x for batch in batches])
    y = torch.cat([batch.bags.labels for batch in batches]).repeat_interleave(6)
    torch.nn.functional.cross_entropy(net(x), y).backward()
    torch.testing.assert_close(net.layers[0].weight.grad, accumulated)


def test_every_bag_of_an_optimiser_step_weighs_the_same(make_run, make_stage):
    """Ten bags in batches of four, three of them to a step: the last batch has two bags, which do not count double."""
    run = make_run()
    stage = make_stage(run, batch_size=4, accumulate=3, epochs=1, clip_grad_norm=None, validate=None)
    net = stage.module
    net.train = lambda mode=True: nn.Module.train(net, False)  # no dropout, no batch statistics
    net.eval()
    batches = list(stage.batches(0, 0))
    assert [len(batch.bags.labels) for batch in batches] == [4, 4, 2]
    x = torch.cat([batch.bags.x for batch in batches])
    y = torch.cat([batch.bags.labels for batch in batches]).repeat_interleave(6)
    nn.functional.cross_entropy(net(x), y).backward()
    expected = [parameter.grad.clone() for parameter in net.parameters()]
    net.zero_grad()
    seen = []
    stage.optimizers[0].step = lambda: seen.append([parameter.grad.clone() for parameter in net.parameters()])
    train_stage(stage, run)
    assert len(seen) == 1
    torch.testing.assert_close(seen[0], expected)


def test_a_last_step_of_fewer_batches_is_their_mean(make_run, make_stage):
    """Nine batches, eight to a step: the ninth is a step of its own."""
    stage = make_stage(make_run(), accumulate=8)
    stage.steps_per_epoch, stage.bags_in = 9, None
    assert [stage.divisor(step) for step in (0, 7, 8)] == [8, 8, 1]


def test_each_optimiser_can_have_its_own_largest_gradient(make_run, make_stage):
    run = make_run()
    stage = make_stage(run, epochs=1, clip_grad_norm=[1e-3, None])
    first, last = stage.module.layers[0], stage.module.layers[4]
    stage.optimizers = [torch.optim.SGD(layer.parameters(), lr=1.0) for layer in (first, last)]
    before = [layer.weight.detach().clone() for layer in (first, last)]
    train_stage(stage, run)
    moved = [float((layer.weight.detach() - old).norm()) for layer, old in zip((first, last), before, strict=True)]
    assert 0 < moved[0] <= stage.steps_per_epoch * 1e-3 + 1e-6
    assert moved[1] > 0.05


def test_lookahead_works_with_loss_scaling(make_run, make_stage):
    """The scaler unscales, skips and steps through the wrapper as through any optimiser."""
    run = make_run()
    run.precision = "fp16"
    stage = make_stage(run, optimizer="lookahead_radam", clip_grad_norm=1.0)
    before = stage.module.layers[0].weight.detach().clone()
    train_stage(stage, run)
    assert not torch.equal(before, stage.module.layers[0].weight)
    assert all(value.isfinite().all() for value in stage.module.state_dict().values())


def test_no_epoch_before_select_from_is_kept_and_patience_waits_for_it(make_run, make_stage):
    run = make_run()
    stage = make_stage(run, epochs=9, select_from=4, patience=2, select_by="constant", maximise=True)
    stage.validate = lambda: {"constant": 0.5}
    train_stage(stage, run)
    assert (run.facts["toy"]["best_epoch"], run.facts["toy"]["epochs"]) == (4, 7)


def test_select_from_beyond_the_end_keeps_the_last_epoch(make_run, make_stage):
    run = make_run()
    train_stage(make_stage(run, epochs=3, select_from=160), run)
    assert run.facts["toy"]["best_epoch"] == 2


@pytest.mark.parametrize("weights", ["raw", "ema"])
def test_raw_and_averaged_weights_are_both_scored_and_the_named_ones_kept(make_run, make_stage, weights):
    run = make_run()
    stage = make_stage(run, epochs=6, ema_decay=0.8, weights=weights)
    train_stage(stage, run)
    raw = [row["val_loss"] for row in run.curve]
    average = [row["val_ema_loss"] for row in run.curve]
    facts = run.facts["toy"]
    assert facts["weights"] == weights
    assert (facts["best_raw"], facts["best_ema"]) == (min(raw), min(average))
    assert min(raw) != min(average)
    assert facts["best_value"] == min(raw if weights == "raw" else average)
    with torch.no_grad():
        assert stage.validate()["loss"] == pytest.approx(facts["best_value"], abs=1e-6)
