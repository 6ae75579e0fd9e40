"""What a CUDA device says about itself: allocated by torch, in use by the driver's account."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from harness.accounting.processes import family_pids


class GpuProbe:
    """Reads the memory of one CUDA device, the one that torch calls ``index``.

    The driver's account (NVML) numbers devices its own way and ignores ``CUDA_VISIBLE_DEVICES``, so the device is
    found by its UUID. What cannot be known is None: MIG slices and containers often hide processes.
    """

    def __init__(self, index: int) -> None:
        import torch

        self.index = index
        properties = torch.cuda.get_device_properties(index)
        self.name = str(properties.name)
        self.total_bytes = int(properties.total_memory)
        self._torch = torch
        self._nvml, self._handle = _nvml_handle(str(getattr(properties, "uuid", "")))

    def synchronise(self) -> None:
        """Wait for all queued work, so that a clock reading means what it says."""
        self._torch.cuda.synchronize(self.index)

    def reset_peak(self) -> None:
        """Start a new peak of allocated memory."""
        self._torch.cuda.reset_peak_memory_stats(self.index)

    def peak_allocated(self) -> int:
        """Largest allocation by torch in this process since the last reset, in bytes."""
        return int(self._torch.cuda.max_memory_allocated(self.index))

    def driver(self) -> str | None:
        """Version of the driver; None where it is not known."""
        if self._nvml is None:
            return None
        with suppress(self._nvml.NVMLError):
            return str(self._nvml.nvmlSystemGetDriverVersion())
        return None

    def used_by_family(self) -> int | None:
        """Memory of this process and its descendants on the device, in bytes; None where it is not known.

        This includes what torch does not count: the CUDA context, library workspaces and cached blocks.
        """
        if self._handle is None:
            return None
        try:
            running = self._nvml.nvmlDeviceGetComputeRunningProcesses(self._handle)
        except self._nvml.NVMLError:
            return None
        pids = family_pids()
        used = [process.usedGpuMemory for process in running if process.pid in pids]
        return sum(used) if used and None not in used else None


def cuda_index(device: str) -> int | None:
    """The number of a CUDA device (``cuda`` is the current one), or None for any other device."""
    kind, _, number = device.partition(":")
    if kind != "cuda":
        return None
    if number:
        return int(number)
    import torch

    return int(torch.cuda.current_device())


def _nvml_handle(uuid: str) -> tuple[Any, Any]:
    """The NVML module and its handle of the device with this UUID; (None, None) where there is none."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # no driver library, no permission: the memory is then unknown
        return None, None
    with suppress(pynvml.NVMLError):
        return pynvml, pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid.removeprefix('GPU-')}")
    return pynvml, None
