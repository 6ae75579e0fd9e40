"""Pooling and attention networks against plain formulas; trunk, head and first weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from harness import UsageError, pack
from methods.aggregators.attention import AttentionMIL, AttentionScore
from methods.aggregators.pooling import PoolingMIL
from methods.aggregators.trunk import SlideHead, Trunk, initialise
from methods.widths import parse_widths


@pytest.mark.parametrize("pool", ["mean", "max"])
def test_pooling_formula(pool: str) -> None:
    torch.manual_seed(0)
    network = PoolingMIL(6, 3, pool=pool, widths=(8, 5)).eval()
    bags = [torch.randn(size, 6) for size in (4, 1, 9)]
    first, second, head = (m for m in network.modules() if isinstance(m, nn.Linear))
    embedded = [functional.relu(second(functional.relu(first(bag)))) for bag in bags]
    pooled = torch.stack([e.mean(0) if pool == "mean" else e.max(0).values for e in embedded])
    torch.testing.assert_close(network(pack(bags)).logits, head(pooled))


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("seed", [0, 1])
def test_attention_formula(gated: bool, seed: int) -> None:
    torch.manual_seed(seed)
    network = AttentionMIL(6, 4, hidden=5, gated=gated, widths=(7,)).eval()
    bags = [torch.randn(size, 6) for size in (4, 1, 9)]
    output = network(pack(bags))
    score = network.score
    for number, bag in enumerate(bags):
        h = network.trunk(bag)
        hidden = torch.tanh(h @ score.value.weight.T + score.value.bias)
        if gated:
            assert score.gate is not None
            hidden = hidden * torch.sigmoid(h @ score.gate.weight.T + score.gate.bias)
        attention = (hidden @ score.weight.weight[0] + score.weight.bias).softmax(0)
        z = (attention[:, None] * h).sum(0)
        torch.testing.assert_close(output.logits[number], network.head.linear(z), atol=1e-6, rtol=1e-5)


def test_single_logit_is_a_bernoulli_model() -> None:
    torch.manual_seed(0)
    network = AttentionMIL(6, 2, hidden=5)
    assert network.head.linear.out_features == 1
    output = network(pack([torch.randn(3, 6), torch.randn(4, 6)]))
    labels = torch.tensor([0, 1])
    z = network.head.linear(output.extra["embedding"])[:, 0]
    torch.testing.assert_close(output.logits.softmax(1)[:, 1], z.sigmoid())
    expected = functional.binary_cross_entropy_with_logits(z, labels.float())
    torch.testing.assert_close(network.loss(output, labels), expected)


def test_single_logit_is_for_two_classes_only() -> None:
    assert SlideHead(4, 3, single_logit=True).linear.out_features == 3
    assert SlideHead(4, 2).linear.out_features == 2


def test_dropout_behind_each_or_the_last_layer() -> None:
    def kinds(where: str) -> list[str]:
        return [type(layer).__name__ for layer in Trunk(4, (3, 2), dropout=0.5, dropout_at=where)]

    assert kinds("each") == ["Linear", "ReLU", "Dropout"] * 2
    assert kinds("last") == ["Linear", "ReLU", "Linear", "ReLU", "Dropout"]


def test_a_trunk_without_layers_is_the_identity() -> None:
    trunk = Trunk(4, ())
    x = torch.randn(3, 4)
    assert trunk.dim == 4
    assert trunk(x) is x


def test_glorot_weights_like_keras() -> None:
    torch.manual_seed(0)
    score = AttentionScore(400, 200, gated=True)
    initialise(score, "glorot")
    bound = (6 / 600) ** 0.5
    assert score.value.weight.abs().max() <= bound
    assert score.value.weight.abs().max() > 0.98 * bound
    assert not score.value.bias.any()
    assert not score.weight.bias.any()


def test_widths() -> None:
    assert parse_widths("256-128-64") == (256, 128, 64)
    assert parse_widths("512") == (512,)
    assert parse_widths("none") == ()
    for wrong in ("256,128", "0-4", "wide"):
        with pytest.raises(UsageError, match="layer widths"):
            parse_widths(wrong)
