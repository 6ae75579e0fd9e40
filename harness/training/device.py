"""Which device and precision a run uses, and what makes it repeatable."""

from __future__ import annotations

import os
from typing import cast

import torch

from harness.core.errors import UsageError
from harness.training.run import Precision


def choose_device(wanted: str, count: int = 1, *, elsewhere: bool = False) -> torch.device:
    """``auto`` takes the GPU if there is one.

    Args:
        wanted: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        count: how many GPUs are wanted, counted from that one.
        elsewhere: whether it is used on other machines, so that this one needs no GPU.

    Raises:
        UsageError: no such device here, or not so many.
    """
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(wanted)
    except RuntimeError:
        device = None
    if device is None or device.type not in {"cpu", "cuda"}:
        raise UsageError(f"unknown device {wanted!r}", place="--device", fix="use auto, cpu, cuda or cuda:N")
    found = torch.cuda.device_count()
    if elsewhere:
        if not found:
            return device
        count = 1
    if device.type == "cuda" and (device.index or 0) >= found:
        raise UsageError(
            f"there is no device {wanted}: torch sees {found} GPU{'' if found == 1 else 's'}",
            place="--device",
            fix="use --device cpu, or see bench doctor",
        )
    if device.type == "cuda" and (device.index or 0) + count > found:
        raise UsageError(
            f"there are no {count} GPUs from {wanted} on: torch sees {found}",
            place="--devices",
            fix="use fewer devices, or see bench doctor",
        )
    return device


def choose_precision(wanted: str, device: torch.device) -> Precision:
    """``auto`` is bf16 on a GPU that has it, else fp32.

    Raises:
        UsageError: unknown precision, or one that the device does not have.
    """
    if wanted == "auto" and device.type == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            "whether the GPUs of other machines have bf16 is not known on this one, which has none",
            place="--precision",
            fix="give --precision bf16 or fp32",
        )
    if wanted == "auto":
        return "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "fp32"
    if wanted not in {"fp32", "bf16", "fp16"}:
        raise UsageError(f"unknown precision {wanted!r}", place="--precision", fix="use auto, fp32, bf16 or fp16")
    if wanted == "fp16" and device.type == "cpu":
        raise UsageError("fp16 needs a GPU", place="--precision", fix="use bf16 or fp32 on a CPU")
    return cast("Precision", wanted)


def make_repeatable() -> None:
    """Ask torch for deterministic kernels; warns rather than fails where a GPU has none."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False
