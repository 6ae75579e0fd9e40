"""A fixed piece of work whose CPU time says how fast this machine is at this moment."""

from __future__ import annotations

import time

CALIBRATION_VERSION = 1
"""Raised when the loop changes: ratios of different versions do not compare."""

_STEPS, _BAGS, _INSTANCES, _FEATURES, _HIDDEN = 300, 8, 6, 166, 64


def calibration_seconds() -> float:
    """CPU seconds of this process for a small training on drawn numbers.

    Like the training of a small network it is bound by the interpreter and by small matrix products, so that a slower
    processor, a lower clock or a busy neighbour takes both longer by about the same factor.
    """
    import torch

    draw = torch.Generator().manual_seed(0)
    x = torch.randn(_BAGS, _INSTANCES, _FEATURES, generator=draw)
    y = (torch.arange(_BAGS) % 2).float()
    first = torch.randn(_FEATURES, _HIDDEN, generator=draw).mul_(0.05).requires_grad_()
    second = torch.randn(_HIDDEN, 1, generator=draw).mul_(0.05).requires_grad_()
    optimiser = torch.optim.SGD([first, second], lr=0.01, momentum=0.9)
    start = time.process_time()
    for _ in range(_STEPS):
        optimiser.zero_grad(set_to_none=True)
        logits = (torch.tanh(x @ first) @ second).mean(dim=1).squeeze(1)
        torch.nn.functional.binary_cross_entropy_with_logits(logits, y).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return time.process_time() - start
