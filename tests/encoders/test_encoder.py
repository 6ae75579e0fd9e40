"""Channel order, normalisation and size, on images whose values are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from harness.encoders import TileEncoder, build_encoder

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class _ChannelMeans(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


def _encoder(**settings: object) -> TileEncoder:
    values = {"name": "means", "dim": 3, "mean": IMAGENET_MEAN, "std": IMAGENET_STD} | settings
    return TileEncoder(_ChannelMeans(), **values)  # type: ignore[arg-type]


def test_a_known_colour_arrives_in_rgb_order_with_imagenet_normalisation() -> None:
    # Eosin-like pink: R 230, G 150, B 190.
    tile = torch.tensor([230, 150, 190], dtype=torch.uint8).reshape(1, 3, 1, 1).expand(1, 3, 8, 8)
    expected = [(230 / 255 - 0.485) / 0.229, (150 / 255 - 0.456) / 0.224, (190 / 255 - 0.406) / 0.225]
    torch.testing.assert_close(_encoder().encode(tile), torch.tensor([expected]))


def test_timm_encoders_normalise_like_torchvision() -> None:
    from torchvision.transforms import functional as reference

    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    encoder = build_encoder("random:resnet18.tv_in1k@layer1", tile_px=32, seed=0)
    ours = encoder.preprocess(torch.from_numpy(image).permute(2, 0, 1)[None])
    theirs = reference.normalize(reference.to_tensor(image), list(IMAGENET_MEAN), list(IMAGENET_STD))
    assert (encoder.mean, encoder.std) == (IMAGENET_MEAN, IMAGENET_STD)
    torch.testing.assert_close(ours[0], theirs, atol=1e-5, rtol=0)


def test_bytes_and_floats_on_the_same_scale_are_the_same_tile() -> None:
    tiles = torch.randint(0, 256, (3, 3, 16, 16), dtype=torch.uint8)
    encoder = _encoder()
    assert torch.equal(encoder.preprocess(tiles), encoder.preprocess(tiles.float()))
    assert torch.equal(encoder(tiles), encoder.encode(tiles))
    assert torch.equal(encoder(encoder.preprocess(tiles)), encoder.encode(tiles))


def test_preprocessing_gives_channels_last_and_does_not_touch_its_input() -> None:
    tiles = torch.full((2, 3, 16, 16), 7.0)
    ready = _encoder().preprocess(tiles)
    assert ready.is_contiguous(memory_format=torch.channels_last)
    assert (tiles == 7).all()


@pytest.mark.parametrize("shape", [(3, 16, 16), (2, 16, 16, 3), (2, 4, 16, 16)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected RGB tiles"):
        _encoder().preprocess(torch.zeros(shape, dtype=torch.uint8))


def test_a_fixed_size_network_gets_its_size_with_antialiasing() -> None:
    # One-pixel stripes: without antialiasing a 4-fold reduction would keep one phase of them.
    stripes = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    stripes[..., ::2] = 200
    for interpolation in ("bilinear", "bicubic"):
        encoder = _encoder(input_px=16, interpolation=interpolation, mean=(0.0,) * 3, std=(1.0,) * 3)
        ready = encoder.preprocess(stripes)
        assert ready.shape == (1, 3, 16, 16)
        torch.testing.assert_close(ready, torch.full_like(ready, 100 / 255), atol=0.06, rtol=0)
        assert (ready >= 0).all()
        assert (ready <= 1).all()
    assert _encoder().preprocess(stripes).shape[2:] == (64, 64)


def test_a_vision_transformer_takes_tiles_of_another_size() -> None:
    encoder = build_encoder("random:test_vit", tile_px=64, seed=0).eval()
    assert encoder.input_px == 160
    assert encoder.encode(torch.zeros(2, 3, 64, 64, dtype=torch.uint8)).shape == (2, encoder.dim)


def test_constants_are_neither_weights_nor_saved() -> None:
    encoder = build_encoder("conv64", tile_px=64, seed=0)
    assert all(name.startswith("body.") for name in encoder.state_dict())
    assert all(parameter.requires_grad for parameter in encoder.parameters())
    assert encoder.double().preprocess(torch.zeros(1, 3, 64, 64, dtype=torch.uint8)).dtype == torch.float64
