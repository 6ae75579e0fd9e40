"""Nyström attention, position encoding and TransMIL against plain formulas."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from harness import pack
from methods.aggregators.nystrom import NystromAttention, pseudo_inverse
from methods.aggregators.transmil import PositionEncoding, TransMIL


def matrices(layer: NystromAttention, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The three softmax matrices (heads first) and the values, as the paper defines them."""
    m = layer.landmarks
    filled = torch.cat([torch.zeros(-len(tokens) % m, tokens.shape[1]), tokens])
    width = tokens.shape[1] // layer.heads
    query, key, value = (
        part.reshape(len(filled), layer.heads, width).transpose(0, 1)
        for part in (filled @ layer.qkv.weight.T).chunk(3, 1)
    )
    query = query / width**0.5
    few_q = query.reshape(layer.heads, m, -1, width).mean(2)
    few_k = key.reshape(layer.heads, m, -1, width).mean(2)
    return (
        (query @ few_k.transpose(1, 2)).softmax(-1),
        (few_q @ few_k.transpose(1, 2)).softmax(-1),
        (few_q @ key.transpose(1, 2)).softmax(-1),
        value,
    )


@pytest.mark.parametrize("n", [1, 3, 8, 16, 29])
def test_nystrom_formula(n: int) -> None:
    torch.manual_seed(n)
    layer = NystromAttention(12, heads=3, landmarks=8, kernel=5).eval()
    tokens = torch.randn(n, 12)
    first, middle, last, value = matrices(layer, tokens)
    mixed = first @ pseudo_inverse(middle, 6) @ (last @ value)
    kernel = layer.convolve.weight[:, 0, :, 0]
    padded = functional.pad(value, (0, 0, 2, 2))
    residual = sum(kernel[:, i, None, None] * padded[:, i : i + value.shape[1]] for i in range(5))
    expected = layer.project((mixed + residual).transpose(0, 1).reshape(value.shape[1], 12))[-n:]
    torch.testing.assert_close(layer(tokens), expected, atol=1e-5, rtol=1e-4)
    row = (first @ pseudo_inverse(middle, 6) @ last)[:, -n, -n:]
    torch.testing.assert_close(layer.first_row(tokens), row, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("width", "heads"), [(512, 8), (128, 4), (64, 8)])
@pytest.mark.parametrize("n", [1, 2, 100, 300])
def test_published_widths_and_order_of_products(width: int, heads: int, n: int) -> None:
    """With landmarks of half the width as published, with fewer tokens than landmarks and with more."""
    torch.manual_seed(n)
    layer = NystromAttention(width, heads=heads, landmarks=width // 2).eval()
    tokens = torch.randn(n, width)
    first, middle, last, value = matrices(layer, tokens)
    mixed = (first @ pseudo_inverse(middle, 6)) @ (last @ value) + layer.convolve(value[None])[0]
    expected = layer.project(mixed.transpose(0, 1).flatten(1))[-n:]
    torch.testing.assert_close(layer(tokens), expected, atol=1e-5, rtol=1e-5)


def test_first_row_over_several_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    layer = NystromAttention(12, heads=3, landmarks=8).eval()
    tokens = torch.randn(100, 12)
    whole = layer.first_row(tokens)
    monkeypatch.setattr("methods.aggregators.nystrom.ATTENTION_BLOCK", 7)
    torch.testing.assert_close(layer.first_row(tokens), whole, atol=1e-6, rtol=1e-5)


def test_pseudo_inverse_inverts() -> None:
    torch.manual_seed(0)
    matrix = (torch.eye(6, dtype=torch.float64) * 3 + torch.rand(2, 6, 6, dtype=torch.float64)).softmax(-1)
    inverse = pseudo_inverse(matrix, 20)
    torch.testing.assert_close(matrix @ inverse, torch.eye(6, dtype=torch.float64).expand(2, 6, 6), atol=1e-8, rtol=0)


def test_nystrom_is_attention_when_every_token_is_a_landmark() -> None:
    torch.manual_seed(0)
    layer = NystromAttention(8, heads=2, landmarks=10, iterations=30, kernel=1).double().eval()
    torch.nn.init.zeros_(layer.convolve.weight)
    tokens = torch.randn(10, 8, dtype=torch.float64)
    query, key, value = (part.reshape(10, 2, 4).transpose(0, 1) for part in (tokens @ layer.qkv.weight.T).chunk(3, 1))
    exact = (query @ key.transpose(1, 2) / 2).softmax(-1) @ value
    expected = layer.project(exact.transpose(0, 1).reshape(10, 8))
    torch.testing.assert_close(layer(tokens), expected, atol=1e-4, rtol=1e-4)


def test_position_encoding_leaves_the_class_token() -> None:
    torch.manual_seed(0)
    encode = PositionEncoding(4)
    tokens = torch.randn(10, 4)
    result = encode(tokens, 3)
    assert torch.equal(result[0], tokens[0])
    grid = tokens[1:].reshape(3, 3, 4).permute(2, 0, 1)[None]
    expected = grid + sum(
        functional.conv2d(grid, c.weight, c.bias, padding=c.weight.shape[-1] // 2, groups=4)
        for c in encode.convolutions
    )
    torch.testing.assert_close(result[1:], expected[0].permute(1, 2, 0).reshape(9, 4))


@pytest.mark.parametrize("n", [1, 2, 5, 9, 26])
def test_network_fills_the_square_with_its_first_tiles(n: int) -> None:
    torch.manual_seed(n)
    network = TransMIL(6, 3, width=8, heads=2, landmarks=4).eval()
    bag = torch.randn(n, 6)
    h = network.embed(bag)
    side = 1
    while side * side < n:
        side += 1
    h = torch.cat([network.token, h, h[: side * side - n]])
    first, second = network.attentions
    h = h + first(network.norms[0](h))
    h = network.positions(h, side)
    h = h + second(network.norms[1](h))
    expected = network.classify(network.norms[2](h)[0])
    torch.testing.assert_close(network(pack([bag])).logits[0], expected, atol=1e-5, rtol=1e-5)


def test_attention_is_read_in_evaluation_only() -> None:
    network = TransMIL(6, 2, width=8, heads=2)
    packed = pack([torch.randn(5, 6)])
    assert network.train()(packed).attention is None
    assert network.eval()(packed).attention is not None
