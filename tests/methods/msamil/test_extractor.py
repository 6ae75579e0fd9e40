"""The extractor: exact gradients in chunks, fixed batch-norm statistics, and trunks it takes and refuses."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from harness import Augment, UsageError, build_encoder
from methods.msamil.extractor import Extractor


def build(encoder="conv64", tile_px=32, **changes):
    torch.manual_seed(0)
    settings = {"width": 16, "layers": 2, "heads": 2, "dropout": 0.0} | changes
    return Extractor(build_encoder(encoder, tile_px=tile_px, seed=1), tile_px, **settings)


def tiles(count=7, side=32):
    return torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("recompute", [False, True])
def test_gradients_in_chunks_are_those_of_one_pass(recompute):
    pixels, gradients, outputs = tiles(), [], []
    target = torch.randn(7, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(6))
    for chunk in (0, 3):
        extractor = build(chunk=chunk, recompute=recompute and chunk > 0).double().train()
        features = extractor.chunked(pixels, augment=Augment("rotate", 32), seed=9)
        (features * target).sum().backward()
        outputs.append(features.detach())
        gradients.append({name: p.grad for name, p in extractor.named_parameters()})
    torch.testing.assert_close(outputs[0], outputs[1], rtol=0, atol=1e-9)
    for name, gradient in gradients[0].items():
        assert gradient is not None, name
        torch.testing.assert_close(gradient, gradients[1][name], rtol=1e-7, atol=1e-7)


def test_recomputing_replays_dropout():
    pixels, gradients = tiles(), []
    for recompute in (False, True):
        extractor = build(dropout=0.5, chunk=3, recompute=recompute).double().train()
        torch.manual_seed(3)
        extractor.chunked(pixels).square().sum().backward()
        gradients.append([p.grad for p in extractor.parameters()])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


def test_batch_norms_keep_their_statistics_and_train_their_gains():
    extractor = build().train()
    norms = [part for part in extractor.modules() if isinstance(part, nn.BatchNorm2d)]
    before = [norm.running_mean.clone() for norm in norms]
    together = extractor(tiles())
    alone = torch.cat([extractor(tile.unsqueeze(0)) for tile in tiles()])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    assert norms
    assert not any(norm.training for norm in norms)
    assert all(torch.equal(norm.running_mean, mean) for norm, mean in zip(norms, before, strict=True))
    assert all(norm.weight.requires_grad for norm in norms)


def test_calibration_takes_the_statistics_of_the_tiles():
    extractor = build()
    seen = []
    extractor.trunk.body.layers[0].register_forward_hook(lambda _, __, out: seen.append(out.detach()))
    extractor.calibrate([tiles(8)[:4], tiles(8)[4:]])
    norm = extractor.trunk.body.layers[1]
    torch.testing.assert_close(norm.running_mean, torch.cat(seen).mean((0, 2, 3)), rtol=1e-4, atol=1e-5)
    expected = torch.stack([out.var((0, 2, 3)) for out in seen]).mean(0)
    torch.testing.assert_close(norm.running_var, expected, rtol=1e-4, atol=1e-5)
    assert norm.momentum == 0.1
    assert not norm.training


def test_tokens_are_the_positions_of_the_map():
    assert build(tile_px=64).positions.shape == (1, 1 + 8 * 8, 16)
    assert build("random:resnet18@layer3").positions.shape == (1, 1 + 2 * 2, 16)
    assert build("random:resnet18").embed.in_features == 512


def test_a_trunk_without_a_map_is_refused():
    with pytest.raises(UsageError, match="feature map"):
        build("conv27", tile_px=27)
    with pytest.raises(UsageError, match="feature map"):
        build("random:vit_tiny_patch16_224", tile_px=224)
