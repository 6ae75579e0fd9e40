"""A real step is tried before a stage is trained: it leaves no trace, and the first fallback that fits is used."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from support.short_of_memory import PLENTY, short_of_memory
from support.tiles import tile_bags

from harness import (
    Aggregator,
    BagOutput,
    Classification,
    MethodCard,
    MethodError,
    MILMethod,
    MILParams,
    Stage,
    segment_mean,
)
from harness.bags.feature_source import FeatureBags
from harness.bags.loader import BagLoader
from harness.core.seeds import Seeds
from harness.training.memory import probe
from harness.training.memory.fallback import Fallback
from harness.training.memory.state import Memory
from harness.training.memory.watch import OverLimitError


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
    values = {"epochs": 2, "batch_size": 2, "optimizer": "sgd", "lr": 0.01} | params
    return kind(kind.Params.build(values, place="test"), Classification(("no", "yes"), encoder=encoder))


class Bank:
    """Extra state that counts the steps it has seen."""

    def __init__(self) -> None:
        self.steps = 0

    def state_dict(self):
        return {"steps": self.steps}

    def load_state_dict(self, state):
        self.steps = state["steps"]


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "lookahead_radam"])
def test_a_probe_changes_no_bit(make_stage, make_run, optimizer):
    found = []
    for name, limit in (("without", None), ("with", PLENTY)):
        run, bank = make_run(name, memory=Memory(limit=limit)), Bank()
        stage = make_stage(run, optimizer=optimizer, accumulate=2, ema_decay=0.9)
        inner = stage.loss

        def loss(batch, inner=inner, bank=bank):
            bank.steps += 1
            return inner(batch)

        torch.manual_seed(5)
        run.train(replace(stage, loss=loss, extra_state=bank))
        found.append((stage.module.state_dict(), run.curve, bank.steps, torch.get_rng_state(), run.memory.peak))
    assert (found[0][-1], found[1][-1] is not None) == (None, True), "one of the two was probed"
    for name, value in found[0][0].items():
        assert torch.equal(value, found[1][0][name]), name
    assert found[0][1:3] == found[1][1:3]
    assert torch.equal(found[0][3], found[1][3])


def test_a_probe_of_a_continued_stage_changes_no_bit(make_stage, make_run):
    usual = make_run("usual")
    stage = make_stage(usual)
    usual.train(stage)
    run = make_run("continued")
    with pytest.raises(InterruptedError):
        run.train(make_stage(run, stop_after=8))
    again = make_run("continued", memory=Memory(limit=PLENTY))
    continued = make_stage(again)
    again.train(continued)
    assert again.memory.peak is not None
    for name, value in stage.module.state_dict().items():
        assert torch.equal(value, continued.module.state_dict()[name]), name


def test_a_probe_that_fails_amid_a_step_changes_no_bit(make_stage, make_run, monkeypatch):
    usual = make_run("usual", precision="bf16")
    stage = make_stage(usual)
    usual.train(stage)
    run = make_run("short", memory=Memory(limit=PLENTY))
    short_of_memory(monkeypatch, run, Fallback("bf16"), encoder=False)
    late = make_stage(run)
    run.train(late)
    assert (run.memory.fallback.kind, run.precision) == ("bf16", "bf16")
    for name, value in stage.module.state_dict().items():
        assert torch.equal(value, late.module.state_dict()[name]), name


def test_small_trainings_on_a_processor_are_not_probed(make_run, monkeypatch):
    train, run = tile_bags((6, 5, 4), 27), make_run()
    _method(encoder="conv27").fit(train, None, run)
    assert run.memory.peak is None
    assert run.memory.room > 0
    monkeypatch.setattr(probe, "PER_INPUT", 10**9)
    large = make_run("large")
    _method(encoder="conv27", epochs=1).fit(
        tile_bags((600, 5, 4), 27), None, large
    )  # less may fit into memory that lies free
    assert large.memory.peak > 0


def test_the_largest_batch_is_tried():
    bags = {f"s{k}": np.full((size, 2), size, np.float32) for k, size in enumerate((3, 9, 5, 7))}
    source = FeatureBags(list(bags), np.array([0, 1, 0, 1]), bags.__getitem__, 2)

    def sizes(**settings):
        batch = BagLoader(source=source, stage="t", seeds=Seeds(1), batch_size=2, **settings).largest()
        return batch.bags.ids, batch.bags.offsets.diff().tolist()

    assert sizes() == (("s1", "s3"), [9, 7])
    assert sizes(tiles=4) == (("s1", "s3"), [4, 4])
    assert sizes(balanced=True) == (("s1", "s1"), [9, 9])
    assert sizes(part=(1, 2)) == (("s3",), [7])


def test_fallbacks_are_tried_in_order_and_the_exact_ones_change_nothing(make_run, monkeypatch):
    train = tile_bags((40, 50), 27)

    run, method = make_run("usual"), _method(Calm, "conv27", epochs=1)
    method.fit(train, None, run)
    usual = method.network.state_dict()
    for enough in (Fallback("chunks", 16), Fallback("recompute", 16), Fallback("bf16", 16)):
        run = make_run(f"{enough.kind}{enough.chunk}", memory=Memory(limit=PLENTY))
        with monkeypatch.context() as patch:
            tried = short_of_memory(patch, run, enough)
            method = _method(Calm, "conv27", epochs=1)
            method.fit(train, None, run)
        order = [Fallback(), Fallback("chunks", 64), Fallback("chunks", 16), Fallback("recompute", 64)]
        order += [Fallback("recompute", 16), Fallback("bf16", 16)]
        assert tried == order[: order.index(enough) + 1]
        assert run.memory.account()["fallback"] == enough.kind
        assert (run.precision == "bf16") == (enough.kind == "bf16")
        if enough.kind != "bf16":
            for name, value in usual.items():
                torch.testing.assert_close(method.network.state_dict()[name], value, rtol=1e-4, atol=2e-5)


def test_what_never_fits_fails_with_the_slide_and_what_to_do(make_run, monkeypatch):
    memory = Memory(limit=PLENTY, largest=lambda: ("b1", 50), advice="lower tiles_per_bag")
    run = make_run(memory=memory)
    short_of_memory(monkeypatch, run, None)
    with pytest.raises(MethodError) as error:
        _method(encoder="conv27").fit(tile_bags((40, 50), 27), None, run)
    assert "slide is b1 with 50 tiles" in error.value.problem
    assert "bf16" in error.value.place
    assert "tiles_per_bag" in error.value.fix
    assert "--memory-limit" in error.value.fix


def test_dropout_in_an_encoder_is_said_to_change(make_run, monkeypatch):
    run = make_run(memory=Memory(limit=PLENTY))
    short_of_memory(monkeypatch, run, Fallback("chunks", 16))
    _method(encoder="conv27", epochs=1).fit(tile_bags((40, 50), 27), None, run)
    assert run.memory.account()["changes"] == "dropout"


def test_other_errors_of_a_step_are_no_lack_of_memory(make_stage, make_run):
    run = make_run(memory=Memory(limit=PLENTY))

    def loss(batch):
        raise ValueError("a mistake")

    with pytest.raises(ValueError, match="a mistake"):
        run.train(replace(make_stage(run), loss=loss))


def test_a_stage_of_a_plugin_falls_back_without_saying_anything_about_memory(make_run, monkeypatch):
    """Batches are plain tensors here, and the encoder is torch's own."""
    from harness import encode_in_chunks

    generator = torch.Generator().manual_seed(0)
    tiles = torch.randn(3, 40, 6, generator=generator)

    def fit(name, enough):
        torch.manual_seed(1)
        net = torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.Tanh(), torch.nn.Linear(5, 1))
        run, seen = make_run(name, memory=Memory(limit=PLENTY)), []

        def encode(part):
            seen.append(len(part))
            return net(part)

        stage = Stage(
            name="own",
            module=net,
            batches=lambda epoch, start: iter(tiles[start:]),
            steps_per_epoch=3,
            loss=lambda batch: encode_in_chunks(encode, batch, 0, module=net, recompute=False).square().mean(),
            optimizers=[torch.optim.SGD(net.parameters(), 0.1)],
            epochs=2,
        )
        with monkeypatch.context() as patch:
            short_of_memory(patch, run, enough)
            run.train(stage)
        return net.state_dict(), seen

    usual, seen = fit("usual", Fallback())
    assert set(seen) == {40}
    less, seen = fit("less", Fallback("recompute", 16))
    assert seen[-6:] == [16, 16, 8, 8, 16, 16], "every chunk is encoded twice"
    for name, value in usual.items():
        torch.testing.assert_close(less[name], value)


def test_a_limit_is_kept_by_real_measurements(make_run):
    """The activations of some hundred tiles at once, and of 16 of them."""
    train = tile_bags((700, 20), 27)

    def fit(name, limit):
        memory = Memory(limit=limit)
        for attempt in range(6):
            run = make_run(f"{name}-{attempt}", memory=memory)
            method = _method(Calm, "conv27", epochs=1, batch_size=1)
            try:
                method.fit(train, None, run)
            except OverLimitError:  # a later step took a little more than the probe: the job is begun again
                run.fall_back("a step takes more than there is", place="test")
            else:
                return memory, method.network.state_dict()
        raise AssertionError("no fallback fits")

    fit("warm", PLENTY)  # libraries take memory of their own the first time
    first, usual = fit("usual", PLENTY)
    assert first.fallback.kind == "none"
    assert first.peak > 30e6, first.peak
    second, less = fit("less", first.peak // 2)
    assert second.fallback.kind in {"chunks", "recompute"}
    assert second.peak <= first.peak // 2
    assert second.stage == "train"
    for name, value in usual.items():
        torch.testing.assert_close(less[name], value, rtol=1e-4, atol=2e-5)
