"""DSMIL against its formula written out plainly."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from harness import pack
from methods.aggregators.dsmil import DSMIL


@pytest.mark.parametrize("nonlinear", [False, True])
@pytest.mark.parametrize("passing_v", [False, True])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_formula(nonlinear: bool, passing_v: bool, n_classes: int) -> None:
    torch.manual_seed(n_classes)
    network = DSMIL(6, n_classes, query_dim=5, nonlinear=nonlinear, passing_v=passing_v).eval()
    bags = [torch.randn(size, 6) for size in (13, 1, 4)]
    output = network(pack(bags))
    attentions = torch.split(output.extra["attention"], [13, 1, 4])
    kernel = network.bag.weight.reshape(n_classes, n_classes, 6)
    for number, bag in enumerate(bags):
        instance = bag @ network.instance.weight.T + network.instance.bias
        slides = []
        for c in range(n_classes):
            critical = bag[instance[:, c].argmax()]
            scores = torch.stack([network.query(tile) @ network.query(critical) for tile in bag]) / 5**0.5
            attention = scores.softmax(0)
            torch.testing.assert_close(attentions[number][:, c], attention, atol=1e-6, rtol=1e-5)
            slides.append(attention @ network.value(bag))
        bag_logits = functional.conv1d(torch.stack(slides)[None], kernel, network.bag.bias)[0, :, 0]
        expected = (bag_logits + instance.max(0).values) / 2
        torch.testing.assert_close(output.logits[number], expected, atol=1e-6, rtol=1e-5)
        start = [0, 13, 14][number]
        assert output.attention is not None
        shown = output.attention[start : start + len(bag)]
        assert torch.equal(shown, attentions[number][:, expected.argmax()])


def test_losses_take_half_of_each_stream() -> None:
    torch.manual_seed(0)
    bags = pack([torch.randn(5, 6), torch.randn(7, 6)])
    labels = torch.tensor([0, 2])
    for kind in ("bce", "ce"):
        network = DSMIL(6, 3, query_dim=5, loss=kind).eval()
        output = network(bags)
        parts = []
        for stream in ("bag_logits", "max_logits"):
            logits = output.extra[stream]
            if kind == "bce":
                truth = functional.one_hot(labels, 3)
                probability = logits.sigmoid()
                parts.append(-(truth * probability.log() + (1 - truth) * (1 - probability).log()).mean())
            else:
                parts.append(functional.cross_entropy(logits, labels))
        torch.testing.assert_close(network.loss(output, labels), (parts[0] + parts[1]) / 2)


def test_one_output_for_the_positive_class() -> None:
    torch.manual_seed(0)
    network = DSMIL(6, 2, query_dim=5, single_logit=True).eval()
    output = network(pack([torch.randn(5, 6)]))
    z = output.extra["bag_logits"] + output.extra["max_logits"]
    torch.testing.assert_close(output.logits, torch.tensor([[0.0, float(z.detach()) / 2]]))
    assert output.attention is not None
    assert output.attention.shape == (5,)
    expected = sum(
        functional.binary_cross_entropy_with_logits(output.extra[s][0], torch.ones(1))
        for s in ("bag_logits", "max_logits")
    )
    torch.testing.assert_close(network.loss(output, torch.tensor([1])), expected / 2)


def test_of_equal_tiles_the_first_is_critical() -> None:
    torch.manual_seed(0)
    network = DSMIL(2, 3, query_dim=5).eval()
    torch.nn.init.zeros_(network.instance.weight)
    bag = torch.randn(6, 2)
    output = network(pack([bag]))
    queries = network.query(bag)
    expected = (queries @ queries[0] / 5**0.5).softmax(0)
    torch.testing.assert_close(output.extra["attention"], expected[:, None].expand(6, 3))
