"""Where a unit ran: hardware, operating system, package versions and the state of the code."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

import harness

PACKAGES = (
    "torch",
    "torchvision",
    "timm",
    "numpy",
    "scipy",
    "pandas",
    "pyarrow",
    "scikit-image",
    "pillow",
    "tifffile",
    "imagecodecs",
    "openslide-python",
    "openslide-bin",
    "safetensors",
    "mlflow",
    "optuna",
)
"""Distributions whose versions are recorded."""

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def environment(device: str = "cpu") -> dict[str, Any]:
    """What a stranger needs to know about the machine, JSON-able; unknown values are None.

    Args:
        device: ``cpu``, ``cuda`` or ``cuda:N``, the device that the unit runs on.

    Returns:
        ``software`` (wsibench, python, packages, os), ``code`` (commit, dirty), ``hardware`` (cpu, cores, threads,
        memory, GPU) and ``reproducible_if``: what has to match for bit-identical predictions.
    """
    software = _software()
    hardware = {**_machine(), "threads": _torch_threads(), **_gpu(device)}
    code = code_state()
    return {
        "software": software,
        "code": code,
        "hardware": hardware,
        "reproducible_if": reproducible_if(software, hardware, code),
    }


def reproducible_if(software: dict[str, Any], hardware: dict[str, Any], code: dict[str, Any]) -> list[str]:
    """What has to match, beside everything in the unit's identity, for bit-identical predictions.

    Floating-point sums depend on the order of their terms, and that order on the kernels: on the torch build, the
    processor's instruction set, the number of threads and the GPU model.
    """
    packages = software["packages"]
    need = [
        "the unit id: method source, parameters, dataset content, split, fold, seed, precision",
        f"wsibench {software['wsibench']}" + (f" at commit {code['commit']}" if code["commit"] else ""),
        f"python {software['python'].rsplit('.', 1)[0]}",
        *(f"{name} {packages[name]}" for name in ("torch", "torchvision", "timm", "numpy") if packages[name]),
        f"processor {hardware['cpu']} ({hardware['cpu_capability']})",
        f"{hardware['threads']} threads" + "".join(f", {k}={v}" for k, v in hardware["thread_variables"].items()),
    ]
    if hardware["gpu"]:
        need.append(f"GPU {hardware['gpu']}, CUDA {hardware['cuda']}, driver {hardware['gpu_driver']}")
        need.append("on a GPU, kernels that have a deterministic form (others are named in the log)")
    if code["dirty"]:
        need.append("the uncommitted changes of the checkout, which are not recorded")
    return need


@functools.cache
def code_state() -> dict[str, Any]:
    """Commit of the checkout that this code runs from and whether it has changes; None for an installed package."""
    root = Path(harness.__file__).resolve().parents[1]
    # A checkout that merely contains an environment with an installed copy says nothing about that copy.
    if _git(root, "rev-parse", "--show-toplevel") != str(root):
        return {"commit": None, "dirty": None}
    changes = _git(root, "status", "--porcelain", "--untracked-files=no")
    return {"commit": _git(root, "rev-parse", "HEAD"), "dirty": None if changes is None else bool(changes)}


def _git(root: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(root), *arguments]
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
        return done.stdout.strip()
    return None


@functools.cache
def _software() -> dict[str, Any]:
    return {
        "wsibench": harness.__version__,
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "os": platform.platform(),
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


@functools.cache
def _machine() -> dict[str, Any]:
    import torch

    return {
        "cpu": cpu_model(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "cores": usable_cores(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "thread_variables": {name: os.environ[name] for name in _THREAD_VARIABLES if name in os.environ},
    }


def cpu_model() -> str:
    """The processor's name as the system gives it."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux: containers and schedulers may hand out fewer than there are
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _torch_threads() -> int:
    import torch

    return torch.get_num_threads()


def _gpu(device: str) -> dict[str, Any]:
    from harness.accounting.gpu import GpuProbe, cuda_index

    index = cuda_index(device)
    if index is None:
        return {"gpu": None, "gpu_memory_gb": None, "gpu_driver": None, "cuda": None}
    import torch

    probe = GpuProbe(index)
    return {
        "gpu": probe.name,
        "gpu_memory_gb": round(probe.total_bytes / 1e9, 1),
        "gpu_driver": probe.driver(),
        "cuda": torch.version.cuda,
    }
