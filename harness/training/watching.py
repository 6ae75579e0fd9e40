"""Looking at a module while it is trained, so that the training does not notice."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn


@contextmanager
def generators_restored(device: torch.device) -> Iterator[None]:
    """Afterwards the global generators of torch (of the CPU and of ``device``), NumPy and Python are as before."""
    drawn, legacy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            yield
    finally:
        random.setstate(drawn)
        np.random.set_state(legacy)


@contextmanager
def undisturbed(module: nn.Module, device: torch.device) -> Iterator[None]:
    """``module`` in evaluation mode and without gradients; afterwards every mode and generator is as it was.

    The generators are torch's (of the CPU and of ``device``), NumPy's and Python's global ones. Draws inside the block
    begin where the training stands, so they are the same for a run that was interrupted.
    """
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        with generators_restored(device), torch.no_grad():
            yield
    finally:
        for part, training in modes:
            part.training = training
