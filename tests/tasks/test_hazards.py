"""The discrete-time likelihood against its formula, and as the log-probability of what was seen."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from harness.evaluation.survival import interval_log_loss, risk_of
from harness.tasks.hazards import interval_probabilities, survival_loss

GENERATOR = torch.Generator().manual_seed(3)
LOGITS = torch.randn(40, 4, dtype=torch.float64, generator=GENERATOR) * 2
CODES = torch.arange(40) % 8


def by_formula(logits: torch.Tensor, code: int) -> float:
    """As the paper's code writes it, one patient at a time."""
    interval, event = divmod(code, 2)
    h = [1 / (1 + math.exp(-float(z))) for z in logits]
    s = np.cumprod([1 - one for one in h])
    if event:
        return -math.log(s[interval - 1] if interval else 1.0) - math.log(h[interval])
    return -math.log(s[interval])


def test_the_loss_is_the_formula() -> None:
    expected = [by_formula(row, int(code)) for row, code in zip(LOGITS, CODES, strict=True)]
    assert float(survival_loss(LOGITS, CODES)) == pytest.approx(np.mean(expected), rel=1e-12)


def test_the_loss_is_the_log_probability_of_what_was_seen() -> None:
    p = interval_probabilities(LOGITS).numpy()
    codes = CODES.numpy()
    assert interval_log_loss(codes // 2, codes % 2, p) == pytest.approx(float(survival_loss(LOGITS, CODES)), rel=1e-12)


def test_probabilities_sum_to_one_and_give_the_published_risk() -> None:
    p = interval_probabilities(LOGITS).numpy()
    assert p.shape == (40, 5)
    assert p.sum(1) == pytest.approx(np.ones(40), abs=1e-12)
    outlived = torch.cumprod(1 - torch.sigmoid(LOGITS), 1)
    assert risk_of(p) == pytest.approx(-outlived.sum(1).numpy(), rel=1e-12)


def test_the_gradient_is_right() -> None:
    logits = LOGITS[:8].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda z: survival_loss(z, CODES[:8]), (logits,))


@pytest.mark.parametrize("size", [1e2, 1e4])
def test_extreme_logits_stay_finite(size: float) -> None:
    logits = torch.tensor([[size, -size], [-size, size]], requires_grad=True)
    for codes in ([0, 1], [2, 3], [1, 2]):
        loss = survival_loss(logits, torch.tensor(codes))
        (gradient,) = torch.autograd.grad(loss, logits)
        assert torch.isfinite(loss)
        assert torch.isfinite(gradient).all()


def test_half_precision_is_left() -> None:
    half = LOGITS.bfloat16()
    assert survival_loss(half, CODES).dtype == torch.float32
    assert float(survival_loss(half, CODES)) == pytest.approx(float(survival_loss(half.float(), CODES)))


def test_what_comes_after_censoring_has_no_gradient() -> None:
    logits = LOGITS[:1].clone().requires_grad_()
    survival_loss(logits, torch.tensor([2])).backward()  # censored in the second interval
    assert logits.grad is not None
    assert (logits.grad[0] != 0).tolist() == [True, True, False, False]
