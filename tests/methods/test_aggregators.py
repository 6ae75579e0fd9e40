"""What every aggregator must do, whatever it computes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from harness import Aggregator, pack
from methods.aggregators.abmilx import ABMILX
from methods.aggregators.attention import AttentionMIL
from methods.aggregators.clam import CLAM
from methods.aggregators.dsmil import DSMIL
from methods.aggregators.dtfd import DTFD
from methods.aggregators.pooling import PoolingMIL
from methods.aggregators.transmil import TransMIL

DIM = 12
BUILD: dict[str, Callable[[int], Aggregator]] = {
    "mean": lambda c: PoolingMIL(DIM, c, pool="mean", widths=(16,), dropout=0.3),
    "max": lambda c: PoolingMIL(DIM, c, pool="max", widths=(16, 8), dropout=0.3),
    "abmil": lambda c: AttentionMIL(DIM, c, hidden=8, widths=(16,), dropout=0.3),
    "gated": lambda c: AttentionMIL(DIM, c, hidden=8, gated=True),
    "abmilx": lambda c: ABMILX(DIM, c, width=16, heads=4),
    "abmilx_ffn": lambda c: ABMILX(DIM, c, width=16, heads=2, norm="none", bias=True, attention_bias=True, ffn=True),
    "clam_sb": lambda c: CLAM(DIM, c, multi_branch=False, width=16, hidden=8),
    "clam_mb": lambda c: CLAM(DIM, c, multi_branch=True, width=16, hidden=8, subtyping=True, instance_loss="svm"),
    "dsmil": lambda c: DSMIL(DIM, c, query_dim=8),
    "dsmil_v": lambda c: DSMIL(DIM, c, query_dim=8, nonlinear=False, passing_v=True, dropout=0.2, loss="ce"),
    "dsmil_one": lambda c: DSMIL(DIM, c, query_dim=8, single_logit=True),
    "transmil": lambda c: TransMIL(DIM, c, width=16, heads=2),
    "dtfd_afs": lambda c: DTFD(DIM, c, rule="AFS", width=16, hidden=8),
    "dtfd_maxs": lambda c: DTFD(DIM, c, rule="MaxS", width=16, hidden=8, instances=2),
    "dtfd_maxmins": lambda c: DTFD(DIM, c, rule="MaxMinS", width=16, hidden=8, instances=2),
}
ORDERED = {"transmil", "dtfd_afs", "dtfd_maxs", "dtfd_maxmins"}
"""Methods whose result depends on the order of the tiles."""


def build(name: str, n_classes: int = 2) -> Aggregator:
    torch.manual_seed(1)
    return BUILD[name](n_classes)


def bags(*sizes: int, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(size, DIM, generator=generator) for size in sizes]


@pytest.fixture(params=BUILD)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize("sizes", [(7, 1, 33, 4), (9, 9, 9)])
def test_packed_bags_give_what_single_bags_give(name: str, sizes: tuple[int, ...]) -> None:
    network = build(name, 3).eval()
    singles = bags(*sizes)
    packed = network(pack(singles))
    alone = [network(pack([bag])) for bag in singles]
    torch.testing.assert_close(packed.logits, torch.cat([output.logits for output in alone]), atol=1e-5, rtol=1e-5)
    if packed.attention is not None:
        torch.testing.assert_close(
            packed.attention, torch.cat([output.attention for output in alone]), atol=1e-5, rtol=1e-5
        )


def test_attention_sums_to_one_over_each_bag(name: str) -> None:
    sizes = (5, 1, 40)
    output = build(name, 3).eval()(pack(bags(*sizes)))
    assert (output.attention is None) == (name in {"mean", "max"})
    if output.attention is not None:
        assert output.attention.shape[0] == sum(sizes)
        assert (output.attention >= 0).all()
        for part in torch.split(output.attention, sizes):
            torch.testing.assert_close(part.sum(0), torch.ones_like(part[0]), atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_tiny_bags_train(name: str, size: int, n_classes: int) -> None:
    network = build(name, n_classes).train()
    output = network(pack(bags(size, size + 1)))
    loss = network.loss(output, torch.tensor([n_classes - 1, 0]))
    loss.backward()
    assert output.logits.shape == (2, n_classes)
    assert torch.isfinite(loss)
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)


def test_every_parameter_learns(name: str) -> None:
    network = build(name, 3).train()
    # Each class once: CLAM trains the instance classifier of a bag's own class.
    network.loss(network(pack(bags(30, 25, 40))), torch.tensor([0, 1, 2])).backward()
    still = [key for key, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    # A constant added to all scores of a softmax changes nothing: that bias has no gradient beyond rounding.
    assert [key for key in still if not key.endswith(("score.2.bias", "score.weight.bias"))] == []


def test_order_of_tiles(name: str) -> None:
    network = build(name, 3).eval()
    (bag,) = bags(23)
    order = torch.randperm(23, generator=torch.Generator().manual_seed(3))
    straight, shuffled = network(pack([bag])), network(pack([bag[order]]))
    same = torch.allclose(straight.logits, shuffled.logits, atol=1e-5)
    assert same != (name in ORDERED)
    if same and straight.attention is not None:
        torch.testing.assert_close(straight.attention[order], shuffled.attention, atol=1e-5, rtol=1e-5)


def test_evaluation_repeats_itself_and_changes_nothing(name: str) -> None:
    network = build(name).eval()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    state = torch.random.get_rng_state()
    first, second = (network(pack(bags(17, 6))) for _ in range(2))
    assert torch.equal(first.logits, second.logits)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


def test_training_is_a_function_of_the_seed(name: str) -> None:
    losses = []
    for _ in range(2):
        network = build(name).train()
        torch.manual_seed(5)
        losses.append(network.loss(network(pack(bags(17, 6))), torch.tensor([0, 1])))
    assert torch.equal(*losses)


def test_input_is_left_alone(name: str) -> None:
    (bag,) = bags(9)
    kept = bag.clone()
    build(name).train()(pack([bag]))
    assert torch.equal(bag, kept)


def test_hundred_thousand_tiles(name: str) -> None:
    network = build(name).train(name == "dtfd_afs")
    # Attention plus costs time with the square of the bag (half a minute for 100,000 on one core), not memory.
    size = 15_000 if name.startswith("abmilx") else 100_000
    (bag,) = bags(size)
    with torch.no_grad():
        output = network(pack([bag]))
        loss = network.loss(output, torch.tensor([1]))
    assert torch.isfinite(output.logits).all()
    assert torch.isfinite(loss)
    if output.attention is not None:
        assert len(output.attention) == size


@pytest.mark.parametrize("dim", [1, 7, 384])
@pytest.mark.parametrize("n_classes", [2, 3, 7])
def test_other_widths_and_numbers_of_classes(
    name: str, dim: int, n_classes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "DIM", dim)
    network = build(name, n_classes).train()
    output = network(pack(bags(11, 1, 5)))
    loss = network.loss(output, torch.tensor([n_classes - 1, 0, 1]))
    loss.backward()
    assert output.logits.shape == (3, n_classes)
    assert torch.isfinite(loss)
    assert torch.isfinite(output.logits).all()


def test_tiles_that_are_all_the_same(name: str) -> None:
    """Every ranking is a tie: whichever tiles are taken, the outcome is that of one of them."""
    network = build(name, 3).eval()
    (tile,) = bags(1)
    same, more = network(pack([tile.repeat(4, 1)])), network(pack([tile.repeat(50, 1)]))
    labels = torch.tensor([2])
    for output in (same, more):
        assert torch.isfinite(network.loss(output, labels))
        if output.attention is not None and name not in ORDERED:
            torch.testing.assert_close(output.attention, output.attention[:1].expand_as(output.attention))
    if name != "transmil":
        torch.testing.assert_close(same.logits, more.logits, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(network.loss(same, labels), network.loss(more, labels), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["abmil", "clam_mb", "dsmil", "abmilx", "transmil", "dtfd_afs"])
def test_half_precision_stays_near(name: str) -> None:
    network = build(name).eval()
    packed = pack(bags(50, 20))
    full = network(packed)
    with torch.autocast("cpu", torch.bfloat16):
        half = network(packed)
    torch.testing.assert_close(half.logits.float(), full.logits, atol=0.1, rtol=0.1)


@pytest.mark.parametrize("name", ["abmil", "gated", "abmilx", "abmilx_ffn", "dsmil_v", "clam_sb", "transmil"])
def test_gradient_is_the_slope(name: str) -> None:
    """Analytic gradients against finite differences in double precision."""
    network = build(name).double().eval()
    sizes = (5, 3)
    x = torch.cat(bags(*sizes)).double().requires_grad_()

    def loss(values: Tensor) -> Tensor:
        output = network(pack(list(torch.split(values, sizes))))
        return network.loss(output, torch.tensor([0, 1]))

    assert torch.autograd.gradcheck(loss, (x,), eps=1e-6, atol=1e-6)
