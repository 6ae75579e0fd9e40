"""Measuring memory while a step is trained, and stopping it once it has taken too much."""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil
import torch

INTERVAL_S = 0.002
"""Seconds between two readings on a CPU. What is larger than caches takes longer to fill."""

_STATUS = Path("/proc/self/status")


class OverLimitError(MemoryError):
    """The unit has taken more memory than it may."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` says that memory has run out: on a GPU, on the processor, or over the limit."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    # torch has no type of its own for what malloc refuses.
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)


def bytes_in_use(device: torch.device) -> int:
    """Bytes that torch has allocated on a GPU; on a CPU what this process has in main memory, mapped files left out."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    try:
        lines = _STATUS.read_text(encoding="ascii", errors="replace").splitlines()
        parts = [int(line.split()[1]) * 1024 for line in lines if line.startswith(("RssAnon:", "RssShmem:"))]
    except (OSError, ValueError, IndexError):
        parts = []
    return sum(parts) if parts else int(psutil.Process().memory_info().rss)


def release() -> None:
    """Give memory that is not in use back to the system, so that the next measurement does not count it."""
    gc.collect()
    torch.cuda.empty_cache()  # does nothing before CUDA is in use
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's; other libraries have none
        if trim is not None:
            trim(0)


class MemoryWatch:
    """The most memory in use inside the block, beyond ``base``. On a GPU it is the allocator's own account.

    On a CPU a thread reads it every few milliseconds: the kernel's own high-water mark cannot be reset without
    spoiling it for the accounting of time and memory, and counts mapped files.

    Args:
        device: where to look.
        base: bytes that were in use before the unit began.
        room: bytes beyond these that it may take.
    """

    def __init__(self, device: torch.device, base: int, room: int) -> None:
        self._device, self._base, self._room = device, base, room
        self._peak = 0
        self._reading = threading.Lock()  # else a peak that was read before a reset could be written after it
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="memory-watch", daemon=True)
        self._hook: Any = None

    def __enter__(self) -> MemoryWatch:
        self.reset()
        if self._device.type != "cuda":
            self._thread.start()
        self._hook = torch.nn.modules.module.register_module_forward_pre_hook(lambda *_: self.check())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hook.remove()
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join()

    @property
    def peak(self) -> int:
        """Most bytes so far."""
        if self._device.type == "cuda":
            self._peak = max(self._peak, torch.cuda.max_memory_allocated(self._device))
        return max(0, self._peak - self._base)

    def check(self) -> None:
        """Stop what takes too much.

        Raises:
            OverLimitError: more has been in use than there is room for.
        """
        if self.peak > self._room:
            raise OverLimitError(f"{self.peak} bytes in use, {self._room} allowed")

    def reset(self) -> None:
        """Begin to count again."""
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        with self._reading:
            self._peak = bytes_in_use(self._device)

    def _sample(self) -> None:
        while not self._ended.wait(INTERVAL_S):
            with self._reading:
                self._peak = max(self._peak, bytes_in_use(self._device))
