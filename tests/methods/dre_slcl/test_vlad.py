"""Residual encoding against brute force, and what its gradient reaches."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from methods.dre_slcl import vlad
from methods.dre_slcl.sampling import union


def _brute_force(bag: torch.Tensor, codebook: torch.Tensor) -> torch.Tensor:
    """VLAD of one bag, tile by tile, as the formulas say."""
    rows = torch.zeros_like(codebook)
    for tile in bag:
        word = min(range(len(codebook)), key=lambda k: float((tile - codebook[k]).square().sum()))
        rows[word] += tile - codebook[word]
    rows = torch.stack([row / max(float(row.norm()), 1e-6) for row in rows])
    return rows / max(float(rows.norm()), 1e-6)


def _bags(seed: int, sizes: list[int], words: int, dim: int = 5):
    generator = torch.Generator().manual_seed(seed)
    x = functional.normalize(torch.randn(sum(sizes), dim, generator=generator, dtype=torch.float64), dim=1)
    codebook = 0.5 * torch.randn(words, dim, generator=generator, dtype=torch.float64)
    return x, torch.tensor([0, *np.cumsum(sizes)]), codebook


@given(st.integers(0, 10**6), st.lists(st.integers(1, 12), min_size=1, max_size=4), st.integers(1, 6))
def test_it_is_what_brute_force_gives(seed, sizes, words):
    x, offsets, codebook = _bags(seed, sizes, words)
    matrices, counts = vlad.encode(x, offsets, codebook)
    for bag, part in enumerate(x.split(sizes)):
        torch.testing.assert_close(matrices[bag], _brute_force(part, codebook), rtol=0, atol=1e-10)
    assert counts.sum(1).tolist() == sizes


def test_order_and_company_of_tiles_do_not_matter():
    x, offsets, codebook = _bags(3, [6, 9], 4)
    both, _ = vlad.encode(x, offsets, codebook)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(0)) + 6
    alone, _ = vlad.encode(x[order], torch.tensor([0, 9]), codebook)
    torch.testing.assert_close(alone[0], both[1], rtol=0, atol=1e-12)


def test_a_bag_of_one_tile_and_a_tile_on_its_codeword():
    x, offsets, codebook = _bags(1, [1], 3)
    matrices, counts = vlad.encode(x, offsets, codebook)
    assert matrices.norm() == pytest.approx(1) and sorted(counts[0].tolist()) == [0, 0, 1]
    on_word, _ = vlad.encode(codebook[:1], offsets, codebook)
    assert not on_word.any()


def test_copies_of_a_bag_change_nothing():
    x, offsets, codebook = _bags(5, [7], 3)
    one, _ = vlad.encode(x, offsets, codebook)
    ten, _ = vlad.encode(x.repeat(10, 1), 10 * offsets, codebook)
    torch.testing.assert_close(one, ten, rtol=0, atol=1e-12)


def test_the_gradient_reaches_fresh_tiles_through_the_residual_and_nothing_else():
    x, _, codebook = _bags(2, [4, 3, 5, 2], 3)
    fresh = x[:7].clone().requires_grad_()
    stored = x[7:].clone()
    features, offsets = union(fresh, stored, [4, 3], [5, 2])
    assert offsets.tolist() == [0, 9, 14]
    assert torch.equal(features[:4], fresh[:4]) and torch.equal(features[4:9], stored[:5])
    sums, _ = vlad.residual_sums(features, offsets, codebook)
    weights = torch.randn(sums.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    (sums * weights).sum().backward()
    codes = vlad.assign(fresh.detach(), codebook)
    expected = torch.stack([weights[0 if k < 4 else 1, codes[k]] for k in range(7)])
    torch.testing.assert_close(fresh.grad, expected, rtol=0, atol=1e-12)
    assert stored.grad is None and not stored.requires_grad


def test_more_stored_tiles_shrink_the_gradient_of_fresh_ones():
    x, _, codebook = _bags(4, [4, 400], 3)
    norms = []
    for count in (4, 400):
        fresh = x[:4].clone().requires_grad_()
        features, offsets = union(fresh, x[4 : 4 + count], [4], [count])
        matrices, _ = vlad.encode(features, offsets, codebook)
        matrices.sum().backward()
        norms.append(float(fresh.grad.norm()))
    assert norms[1] < norms[0]


def test_half_precision_around_it_does_not_enter():
    x, offsets, codebook = _bags(6, [8], 3)
    x, codebook = x.float(), codebook.float()
    with torch.autocast("cpu", torch.bfloat16):
        inside, _ = vlad.encode(x, offsets, codebook)
    outside, _ = vlad.encode(x, offsets, codebook)
    assert inside.dtype == torch.float32 and torch.equal(inside, outside)
