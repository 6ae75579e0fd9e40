"""InfoNCE against the plain formula, with one and with several positives."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from methods.dre_slcl.contrast import info_nce, positives, retrieval


def _pair(count: int = 6, dim: int = 4):
    generator = torch.Generator().manual_seed(0)
    return (torch.randn(count, dim, generator=generator, dtype=torch.float64) for _ in range(2))


def _plain(v, t, positive, temperature):
    """Both directions, slide by slide, with sums written out."""
    v, t = (x / x.norm(dim=1, keepdim=True) for x in (v, t))
    total = 0.0
    for one, other in ((v, t), (t, v)):
        for i in range(len(one)):
            scores = [float(one[i] @ other[j]) / temperature for j in range(len(other))]
            log_sum = math.log(sum(math.exp(score) for score in scores))
            right = [scores[j] - log_sum for j in range(len(other)) if positive[i, j]]
            total -= sum(right) / len(right) / len(one) / 2
    return total


def test_one_positive_each_is_cross_entropy_on_the_diagonal():
    v, t = _pair()
    scores = functional.normalize(v, dim=1) @ functional.normalize(t, dim=1).T / 0.07
    target = torch.arange(6)
    expected = 0.5 * (functional.cross_entropy(scores, target) + functional.cross_entropy(scores.T, target))
    torch.testing.assert_close(info_nce(v, t, torch.eye(6, dtype=torch.bool), 0.07), expected)


@pytest.mark.parametrize("patients", ["abcdef", "aabbcc", "aaabcd", "aaaaaa"])
def test_several_positives_follow_the_plain_formula(patients):
    v, t = _pair()
    positive = positives(patients, [str(k) for k in range(6)])
    assert float(info_nce(v, t, positive, 0.1)) == pytest.approx(_plain(v, t, positive, 0.1), abs=1e-12)


def test_positives_are_the_patients_own_and_reports_with_the_same_words():
    positive = positives(["a", "b", "a", "c"], ["x", "y", "z", "y"])
    assert positive.tolist() == [
        [True, False, True, False],
        [False, True, False, True],
        [True, False, True, False],
        [False, True, False, True],
    ]


def test_a_batch_of_one_slide_has_nothing_to_learn_from():
    v, t = _pair(1)
    v.requires_grad_()
    loss = info_nce(v, t, torch.ones(1, 1, dtype=torch.bool), 0.07)
    loss.backward()
    assert float(loss.detach()) == 0 and not v.grad.any()


def test_retrieval_counts_right_reports():
    t = torch.eye(4)
    v = torch.eye(4)[[0, 1, 3, 2]]
    assert retrieval(v, t, torch.eye(4, dtype=torch.bool)) == 0.5
    assert retrieval(v, t, positives("aabb", "wxyz")) == 1.0
