"""Devices that this machine has, and those of others."""

from __future__ import annotations

import pytest
import torch

from harness.core.errors import UsageError
from harness.training.device import choose_device, choose_precision


@pytest.fixture(params=[0, 1])
def gpus(request, monkeypatch) -> int:
    """So many GPUs are here."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: request.param)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: request.param > 0)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    return request.param


def test_a_gpu_that_only_other_machines_have_can_be_asked_for(gpus):
    assert choose_device("cuda", 2, elsewhere=True) == torch.device("cuda")
    assert choose_device("auto", elsewhere=True).type == ("cuda" if gpus else "cpu")
    with pytest.raises(UsageError, match="no device cuda" if not gpus else "no 2 GPUs"):
        choose_device("cuda", 2)


def test_its_precision_has_to_be_given_where_it_cannot_be_looked_up(gpus):
    device = torch.device("cuda")
    assert choose_precision("fp32", device) == "fp32"
    if gpus:
        assert choose_precision("auto", device) == "bf16"
    else:
        with pytest.raises(UsageError, match="not known"):
            choose_precision("auto", device)
