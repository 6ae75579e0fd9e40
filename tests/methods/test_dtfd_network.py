"""DTFD against its formula written out plainly, its two tiers, and its shuffling."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from harness import pack
from methods.aggregators.dtfd import DTFD, RULES, Tier


def attend(tier: Tier, h: Tensor) -> Tensor:
    return tier.score(h)[:, 0].softmax(0)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("n", [1, 2, 5, 40])
@pytest.mark.parametrize("seed", [0, 1])
def test_formula(rule: str, n: int, seed: int) -> None:
    torch.manual_seed(seed)
    network = DTFD(6, 2, rule=rule, pseudo_bags=3, instances=2, width=8, hidden=4).eval()
    bag, order = torch.randn(n, 6), torch.randperm(n)
    tier1, tier2, distilled, attention = network.bag(bag, order)
    logits, handed = [], []
    for chunk in np.array_split(order.numpy(), 3):
        if not len(chunk):
            continue
        h = network.embed(bag[chunk])
        a = attend(network.tier1, h)
        slide = a @ h
        logits.append(network.tier1.classify(slide))
        probability = ((a[:, None] * h) @ network.tier1.classify.weight.T).softmax(1)[:, -1]
        ranked = probability.argsort(descending=True)
        handed.append(
            {"AFS": slide[None], "MaxS": h[ranked[:2]], "MaxMinS": h[torch.cat([ranked[:2], ranked[-2:]])]}[rule]
        )
    vectors = torch.cat(handed)
    torch.testing.assert_close(tier1, torch.stack(logits))
    torch.testing.assert_close(distilled, vectors)
    weights = attend(network.tier2, vectors)
    torch.testing.assert_close(tier2[0], network.tier2.classify(weights @ vectors))
    torch.testing.assert_close(attention.sum(), torch.tensor(1.0))


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("seed", range(3))
def test_tiles_whose_probabilities_round_to_the_same_number_are_taken_in_order(n_classes: int, seed: int) -> None:
    """The published code ranks by the probability in single precision; confident tiles all have 1, or 0."""
    torch.manual_seed(seed)
    network = DTFD(6, n_classes, rule="MaxMinS", pseudo_bags=1, instances=3, width=8, hidden=4).eval()
    bag, order = 1e5 * torch.randn(40, 6), torch.randperm(40)
    h = network.embed(bag[order])
    weights = torch.full((40,), 1 / 40)
    probability = ((weights[:, None] * h) @ network.tier1.classify.weight.T).softmax(1)[:, -1].tolist()
    assert len(set(probability)) < 40
    ranked = sorted(range(40), key=lambda row: -probability[row])  # stable
    handed = network._distil(h.detach(), weights, weights @ h)
    assert torch.equal(handed, h[ranked[:3] + ranked[-3:]])


@pytest.mark.parametrize("rule", RULES)
def test_tier_two_never_trains_tier_one(rule: str) -> None:
    torch.manual_seed(0)
    network = DTFD(6, 2, rule=rule, width=8, hidden=4).train()
    x = torch.randn(20, 6, requires_grad=True)
    output = network(pack([x]))
    functional.cross_entropy(output.logits, torch.tensor([1])).backward()
    trained = {name for name, p in network.named_parameters() if p.grad is not None}
    assert trained
    assert all(name.startswith("tier2.") for name in trained)
    assert x.grad is None


def test_loss_weighs_bags_equally() -> None:
    torch.manual_seed(0)
    network = DTFD(6, 2, pseudo_bags=4, width=8, hidden=4).eval()
    # The first bag makes two pseudo-bags only.
    output = network(pack([torch.randn(2, 6), torch.randn(30, 6)]))
    labels = torch.tensor([1, 0])
    first, second = torch.split(output.extra["tier1_logits"], [2, 4])
    tier1 = [
        functional.cross_entropy(part, y.repeat(len(part))) for part, y in zip((first, second), labels, strict=True)
    ]
    expected = (tier1[0] + tier1[1]) / 2 + functional.cross_entropy(output.logits, labels)
    torch.testing.assert_close(network.loss(output, labels), expected)


def test_training_shuffles_and_evaluation_does_not() -> None:
    torch.manual_seed(0)
    network = DTFD(6, 2, width=8, hidden=4)
    packed = pack([torch.randn(40, 6)])
    network.train()
    assert not torch.equal(network(packed).logits, network(packed).logits)
    network.eval()
    assert torch.equal(network(packed).logits, network(packed).logits)


def test_unknown_rule() -> None:
    with pytest.raises(ValueError, match="unknown distillation rule"):
        DTFD(6, 2, rule="Max")
