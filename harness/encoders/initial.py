"""Initial weights that are a function of a name and a seed alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from harness.core.seeds import derive_seed


@contextmanager
def seeded_weights(model: str, seed: int) -> Iterator[None]:
    """Networks built in this block get weights that depend on (model, seed) only.

    The state of torch's global generator is the same before and after, on every device: weights are drawn on the CPU.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive_seed("encoder", model, seed))
        yield
