"""Looking at a module while it is trained, so that the training does not notice."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn


@contextmanager
def undisturbed(module: nn.Module, device: torch.device) -> Iterator[None]:
    """``module`` in evaluation mode and without gradients; afterwards every mode and generator is as it was.

    The generators are torch's (of the CPU and of ``device``), NumPy's and Python's global ones. Draws inside the block
    begin where the training stands, so they are the same for a run that was interrupted.
    """
    modes = [(part, part.training) for part in module.modules()]
    drawn, legacy = random.getstate(), np.random.get_state()
    module.eval()
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), torch.no_grad():
            yield
    finally:
        for part, training in modes:
            part.training = training
        random.setstate(drawn)
        np.random.set_state(legacy)
