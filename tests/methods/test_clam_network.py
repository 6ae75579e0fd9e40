"""CLAM's instance clustering and the smooth SVM loss against plain formulas."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from harness import pack
from methods.aggregators.clam import CLAM
from methods.aggregators.smooth_svm import smooth_top1_svm


def plain_instance_loss(network: CLAM, bag: Tensor, label: int) -> Tensor:
    h = network.embed(bag)
    attention = network.score(h).T.softmax(1)
    k = min(network.k_sample, len(bag))
    total = torch.zeros(())
    for c, classifier in enumerate(network.instance):
        branch = attention[c if network.multi_branch else 0]
        ranked = branch.argsort(descending=True)
        if c == label:
            chosen = torch.cat([ranked[:k], ranked.flip(0)[:k]])
            targets = torch.tensor([1] * k + [0] * k)
        elif network.subtyping:
            chosen, targets = ranked[:k], torch.tensor([0] * k)
        else:
            continue
        total = total + network.instance_loss(classifier(h[chosen]), targets)
    return total / len(network.instance) if network.subtyping else total


@pytest.mark.parametrize("multi_branch", [False, True])
@pytest.mark.parametrize("subtyping", [False, True])
@pytest.mark.parametrize("kind", ["ce", "svm"])
@pytest.mark.parametrize("gated", [False, True])
def test_formula(multi_branch: bool, subtyping: bool, kind: str, gated: bool) -> None:
    torch.manual_seed(2)
    network = CLAM(
        5,
        3,
        multi_branch=multi_branch,
        subtyping=subtyping,
        instance_loss=kind,
        gated=gated,
        width=8,
        hidden=4,
        k_sample=4,
    ).eval()
    # Many tiles, fewer than 2 k, fewer than k, and one.
    bags = [torch.randn(size, 5) for size in (30, 6, 3, 1)]
    labels = torch.tensor([2, 0, 1, 1])
    output = network(pack(bags))
    expected = torch.stack([plain_instance_loss(network, b, int(y)) for b, y in zip(bags, labels, strict=True)])
    torch.testing.assert_close(network.instance_losses(output, labels), expected)
    loss = 0.7 * functional.cross_entropy(output.logits, labels) + 0.3 * expected.mean()
    torch.testing.assert_close(network.loss(output, labels), loss)

    for number, bag in enumerate(bags):
        h = network.embed(bag)
        slides = network.score(h).T.softmax(1) @ h
        if multi_branch:
            logits = (slides * network.classify.weight).sum(1) + network.classify.bias
        else:
            logits = network.classify(slides[0])
        start = [0, 30, 36, 39][number]
        branch = network.score(h).T.softmax(1)[int(logits.argmax()) if multi_branch else 0]
        torch.testing.assert_close(output.attention[start : start + len(bag)], branch)
        torch.testing.assert_close(output.logits[number], logits, atol=1e-6, rtol=1e-5)


def test_the_bag_weight_of_one_leaves_the_bag_loss_alone() -> None:
    torch.manual_seed(0)
    network = CLAM(5, 2, multi_branch=False, width=8, hidden=4, bag_weight=1.0).eval()
    output = network(pack([torch.randn(9, 5)]))
    labels = torch.tensor([1])
    torch.testing.assert_close(network.loss(output, labels), functional.cross_entropy(output.logits, labels))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_smooth_svm_formula(temperature: float) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = 0.5 * torch.randn(50, 3, generator=generator)
    targets = torch.randint(3, (50,), generator=generator)
    rows = []
    for scores, y in zip(logits.tolist(), targets.tolist(), strict=True):
        terms = [math.exp(((c != y) + scores[c] - scores[y]) / temperature) for c in range(3)]
        rows.append(temperature * math.log(sum(terms)))
    ours = smooth_top1_svm(logits, targets, temperature=temperature)
    assert float(ours) == pytest.approx(sum(rows) / len(rows), abs=1e-5)


def test_smooth_svm_is_hard_where_one_score_leads_by_far() -> None:
    logits = torch.tensor([[9.0, 0.0], [0.0, 9.0]])
    assert float(smooth_top1_svm(logits, torch.tensor([0, 1]))) == 0
    assert float(smooth_top1_svm(logits, torch.tensor([1, 0]))) == 10
    near = torch.tensor([[6.9, 0.0]])
    assert 0 < float(smooth_top1_svm(near, torch.tensor([0]))) < 0.003
