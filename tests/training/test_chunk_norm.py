"""What ``encode_chunk`` does to batch norm, and that it does nothing else."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from harness import PackedBags, pack
from harness.encoders import build_encoder
from harness.training.mil_fit import BagNetwork
from methods.aggregators.attention import AttentionMIL

WITH_NORM, WITHOUT_NORM = "random:resnet18@layer1", "conv27"
CHUNK = 4


def tiles() -> PackedBags:
    """Two bags of 6 and 5 tiles: chunks of 4 tiles run across the border between the slides."""
    values = torch.randint(0, 256, (11, 3, 27, 27), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return pack([values[:6], values[6:]], torch.tensor([0, 1]))


def network(encoder: str, chunk: int, *, recompute: bool = False) -> BagNetwork:
    tile_encoder = build_encoder(encoder, tile_px=27, seed=1)
    torch.manual_seed(1)
    return BagNetwork(AttentionMIL(tile_encoder.dim, 2, hidden=4), tile_encoder, chunk=chunk, recompute=recompute)


def norms(module: nn.Module) -> list[nn.BatchNorm2d]:
    return [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]


def trained_once(net: BagNetwork) -> dict[str, torch.Tensor]:
    bags = tiles()
    net.train()
    assert bags.labels is not None
    net.loss(net(bags), bags.labels).backward()
    return {name: value.grad for name, value in net.named_parameters() if value.grad is not None}


@pytest.mark.parametrize("recompute", [False, True])
def test_statistics_are_those_of_consecutive_chunks_of_the_step(recompute: bool) -> None:
    net = network(WITH_NORM, CHUNK, recompute=recompute).train()
    alone = copy.deepcopy(net.encoder)
    assert alone is not None
    bags = tiles()
    features = net.encode(bags.x)
    expected = torch.cat([alone.encode(part) for part in torch.split(bags.x, CHUNK)])
    torch.testing.assert_close(features, expected)
    assert len(norms(net)) > 0
    for ours, theirs in zip(norms(net), norms(alone), strict=True):
        assert int(ours.num_batches_tracked) == 3  # 4 + 4 + 3 tiles
        torch.testing.assert_close(ours.running_mean, theirs.running_mean)
        torch.testing.assert_close(ours.running_var, theirs.running_var)


def test_a_chunk_of_one_slide_gives_statistics_per_slide_and_0_of_all_slides_of_the_step() -> None:
    bags = tiles()
    per_slide, whole = network(WITH_NORM, 6).train(), network(WITH_NORM, 0).train()
    first = copy.deepcopy(per_slide.encoder)
    assert first is not None
    torch.testing.assert_close(per_slide.encode(bags.x)[:6], first.encode(bags.x[:6]))
    assert not torch.allclose(whole.encode(bags.x)[:6], per_slide.encode(bags.x)[:6], atol=1e-4)
    assert [int(layer.num_batches_tracked) for layer in norms(whole)] == [1] * len(norms(whole))


def test_evaluation_does_not_depend_on_the_chunk() -> None:
    results = [network(WITH_NORM, chunk).eval()(tiles()).logits for chunk in (0, 1, CHUNK)]
    for other in results[1:]:
        torch.testing.assert_close(other, results[0], rtol=1e-5, atol=1e-6)


def test_without_batch_norm_the_chunk_changes_no_gradient() -> None:
    """Dropout is off here: with it, each chunk draws its own random numbers."""
    gradients = []
    for chunk in (0, CHUNK):
        net = network(WITHOUT_NORM, chunk)
        assert not norms(net)
        for layer in net.modules():
            if isinstance(layer, nn.Dropout):
                layer.p = 0.0
        gradients.append(trained_once(net))
    whole, parts = gradients
    for name, gradient in whole.items():
        torch.testing.assert_close(parts[name], gradient, rtol=1e-4, atol=1e-6)


def test_with_batch_norm_frozen_statistics_leave_nothing_that_depends_on_the_chunk() -> None:
    """What differs between chunk sizes in training is the statistics alone."""
    gradients = []
    for chunk in (0, CHUNK):
        net = network(WITH_NORM, chunk)
        for layer in norms(net):
            layer.train = lambda mode=True, layer=layer: layer  # type: ignore[method-assign,misc,assignment]
            layer.training = False
        gradients.append(trained_once(net))
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, rtol=1e-4, atol=1e-5)
