"""MHE and DMQ against the printed equations, written out in NumPy in double precision."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from methods.msamil import mhe
from methods.msamil.dmq import DynamicQuery
from methods.msamil.mhe import HierarchicalEncoder, HierarchicalLayer, LowRankAttention, sinusoid, spatial_order

N, D = 13, 16


def softmax(scores):
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def layer_norm(x, norm):
    spread = np.sqrt(x.var(-1, keepdims=True) + norm.eps)
    return (x - x.mean(-1, keepdims=True)) / spread * norm.weight.detach().numpy() + norm.bias.detach().numpy()


def linear(x, part):
    bias = 0 if part.bias is None else part.bias.detach().numpy()
    return x @ part.weight.detach().numpy().T + bias


def mlp(x, part):
    hidden = linear(x, part[0])
    gelu = np.vectorize(lambda v: 0.5 * v * (1 + math.erf(v / math.sqrt(2))))
    return linear(gelu(hidden), part[3])


def attention(x, part, heads, rank):
    """softmax(Q K^T / sqrt(r)) V, head by head."""
    query, key, value = (linear(x, p) for p in (part.query, part.key, part.value))
    width = D // heads
    parts = []
    for head in range(heads):
        q, k = (m[:, head * rank : (head + 1) * rank] for m in (query, key))
        parts.append(softmax(q @ k.T / math.sqrt(rank)) @ value[:, head * width : (head + 1) * width])
    return np.concatenate(parts, 1)


@pytest.fixture
def tiles():
    torch.manual_seed(0)
    return torch.randn(N, D, dtype=torch.float64)


@pytest.mark.parametrize(("heads", "rank"), [(1, 3), (4, 2), (2, 16)])
def test_low_rank_attention(tiles, heads, rank, monkeypatch):
    part = LowRankAttention(D, heads, rank).double()
    assert part.query.weight.shape == (heads * rank, D)
    assert part.value.weight.shape == (D, D)
    expected = attention(tiles.numpy(), part, heads, rank)
    np.testing.assert_allclose(part(tiles).detach().numpy(), expected, atol=1e-12)
    monkeypatch.setattr(mhe, "ATTENTION_BLOCK", 4)
    np.testing.assert_allclose(part(tiles).detach().numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("heads", [1, 2])
def test_a_layer_as_printed_and_with_residuals(tiles, heads):
    x = tiles.numpy()
    literal = HierarchicalLayer(D, heads, 3, dropout=0.0, residual=False).double()
    expected = mlp(layer_norm(attention(x, literal.attention, heads, 3), literal.second_norm), literal.mlp)
    np.testing.assert_allclose(literal(tiles).detach().numpy(), expected, atol=1e-12)
    assert not list(literal.first_norm.parameters())
    layer = HierarchicalLayer(D, heads, 3, dropout=0.0, residual=True).double()
    mixed = x + attention(layer_norm(x, layer.first_norm), layer.attention, heads, 3)
    expected = mixed + mlp(layer_norm(mixed, layer.second_norm), layer.mlp)
    np.testing.assert_allclose(layer(tiles).detach().numpy(), expected, atol=1e-12)


def test_place_scale_and_rank_are_added(tiles):
    encoder = HierarchicalEncoder(D, 1, 2, 3, dropout=0.0, residual=True).double()
    place = torch.rand(N, 3, dtype=torch.float64)
    code = np.array(
        [
            [
                (math.sin if column % 2 == 0 else math.cos)(rank / 10000 ** ((column - column % 2) / D))
                for column in range(D)
            ]
            for rank in range(N)
        ]
    )
    np.testing.assert_allclose(sinusoid(N, D).numpy(), code, atol=1e-12)
    x = tiles.numpy() + linear(place.numpy(), encoder.place)
    for ranked, added in ((True, code), (False, 0)):
        (layer,) = encoder.layers
        expected = layer(torch.from_numpy(x + added)).detach().numpy()
        np.testing.assert_allclose(encoder(tiles, place, ranked=ranked).detach().numpy(), expected, atol=1e-12)


def test_the_sequence_is_sorted_by_x_then_y_then_scale():
    rng = np.random.default_rng(0)
    corners, scale = rng.integers(0, 3, (40, 2)), rng.integers(0, 3, 40)
    order = spatial_order(corners, scale)
    keys = [(*corners[row].tolist(), int(scale[row])) for row in order]
    assert keys == sorted(keys)
    assert sorted(order) == list(range(40))
    # Without places: by scale, and within it as the tiles came.
    assert spatial_order(None, np.array([1, 0, 1, 0])).tolist() == [1, 3, 0, 2]


def test_gated_queries(tiles):
    dmq = DynamicQuery(D, 10).double()
    x, z = tiles.numpy(), dmq.queries.detach().numpy()
    look = softmax(linear(z, dmq.query) @ linear(x, dmq.key).T / math.sqrt(D))
    found = look @ linear(x, dmq.value)
    gates = 1 / (1 + np.exp(-linear(found, dmq.gate)))
    bag, weights = dmq(tiles)
    np.testing.assert_allclose(
        bag.detach().numpy(), sum(g * row for g, row in zip(gates, found, strict=True)), atol=1e-12
    )
    np.testing.assert_allclose(weights.detach().numpy(), (gates * look).sum(0) / gates.sum(), atol=1e-12)
    assert dmq.queries.shape == (10, D)
    # Gates are sigmoids: they neither sum to one nor move when another query's gate does.
    assert not np.isclose(gates.sum(), 1)
    assert float(weights.detach().sum()) == pytest.approx(1)
