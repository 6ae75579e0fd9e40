"""Memory is measured while a block runs, and a block that takes too much is stopped."""

from __future__ import annotations

import time

import pytest
import torch

from harness.training.memory.state import Memory
from harness.training.memory.watch import OverLimitError, bytes_in_use, is_out_of_memory, release

CPU = torch.device("cpu")
MB = 10**6


def _take(megabytes: int) -> None:
    block = torch.ones(megabytes * MB // 4)
    time.sleep(0.3)
    del block


def test_the_peak_is_that_of_the_block_and_not_of_what_came_before():
    memory = Memory(limit=10**12)
    memory.begin(CPU)
    _take(400)
    with memory.watched(CPU) as watch:
        _take(200)
        with memory.watched(CPU) as inner:
            _take(100)
            small = inner.peak
        after = watch.peak
    assert 90 * MB < small < 160 * MB
    assert after < 90 * MB, "the outer block begins to count again"
    assert bytes_in_use(CPU) > 0


def test_a_block_over_the_limit_is_stopped_at_the_next_module():
    memory, module = Memory(limit=50 * MB), torch.nn.Identity()
    with memory.watched(CPU):
        module(torch.zeros(1))
        _take(200)
        with pytest.raises(OverLimitError):
            module(torch.zeros(1))
    module(torch.zeros(1))  # nobody watches any more


def test_an_enforced_limit_is_checked_at_the_end():
    with pytest.raises(OverLimitError), Memory(limit=50 * MB).enforced(CPU):
        _take(200)
    with Memory().enforced(CPU):
        _take(200)


def test_errors_that_say_that_memory_ran_out():
    assert is_out_of_memory(torch.cuda.OutOfMemoryError("CUDA out of memory"))
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(OverLimitError())
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(RuntimeError) as error:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(error.value)
    release()
