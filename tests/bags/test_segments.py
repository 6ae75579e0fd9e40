"""Segment operations agree with plain per-bag operations, values and gradients."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness import pack, segment_max, segment_mean, segment_softmax, segment_sum, segment_weighted_sum

SIZES = st.lists(st.integers(1, 7), min_size=1, max_size=5)


def _packed(sizes: list[int], width: int = 3):
    generator = torch.Generator().manual_seed(sum(sizes))
    bags = [torch.randn(size, width, dtype=torch.float64, generator=generator) for size in sizes]
    batch = pack(bags)
    return bags, batch.x.requires_grad_(), batch.offsets


@pytest.mark.parametrize(
    ("segment", "plain"),
    [
        (segment_sum, lambda bag: bag.sum(0)),
        (segment_mean, lambda bag: bag.mean(0)),
        (segment_max, lambda bag: bag.amax(0)),
    ],
)
@given(sizes=SIZES)
def test_reductions_equal_plain_ones(segment, plain, sizes):
    bags, x, offsets = _packed(sizes)
    result = segment(x, offsets)
    torch.testing.assert_close(result, torch.stack([plain(bag) for bag in bags]))
    (result.sin().sum()).backward()
    leaves = [bag.detach().clone().requires_grad_() for bag in bags]
    torch.stack([plain(leaf) for leaf in leaves]).sin().sum().backward()
    torch.testing.assert_close(x.grad, torch.cat([leaf.grad for leaf in leaves]))


@given(sizes=SIZES)
def test_softmax_is_per_bag_and_stable(sizes):
    bags, x, offsets = _packed(sizes)
    weights = segment_softmax(x * 500, offsets)
    torch.testing.assert_close(weights, torch.cat([(bag * 500).softmax(0) for bag in bags]))
    torch.testing.assert_close(segment_sum(weights, offsets), torch.ones(len(sizes), 3, dtype=torch.float64))


@given(sizes=SIZES)
def test_attention_pooling(sizes):
    bags, x, offsets = _packed(sizes)
    weights = segment_softmax(x[:, 0], offsets)
    expected = torch.stack([bag[:, 0].softmax(0) @ bag for bag in bags])
    torch.testing.assert_close(segment_weighted_sum(weights, x, offsets), expected)


def test_packing_refuses_an_empty_bag_by_name():
    with pytest.raises(ValueError, match="bag slide_b has no tiles"):
        pack([torch.ones(2, 3), torch.ones(0, 3)], ids=("slide_a", "slide_b"))
    with pytest.raises(ValueError, match="no bags"):
        pack([])


def test_other_tile_values_must_keep_the_number_of_tiles():
    batch = pack([torch.ones(2, 3), torch.ones(1, 3)], torch.tensor([0, 1]), ("a", "b"))
    assert batch.with_x(torch.zeros(3, 5)).ids == ("a", "b")
    with pytest.raises(ValueError, match="2 rows for 3 tiles"):
        batch.with_x(torch.zeros(2, 5))
