"""Benchmarks that compare several ways to one result: in turns, by CPU time, so that ratios hold on a busy machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from pytest_benchmark.fixture import BenchmarkFixture

Ways = dict[str, Callable[[], object]]


def take_turns(
    benchmark: BenchmarkFixture, section: str, case: str, ways: Callable[[], Ways], *, amount: int, rounds: int
) -> dict[str, float]:
    """Time every way once per round, each round on new input, and keep the medians for docs/performance.md.

    The first way is the one that the benchmark itself times, and the ratios are those of the others to it, the median
    of the rounds. CPU seconds of all threads are counted.

    Args:
        benchmark: pytest-benchmark's fixture.
        section: of the page.
        case: row of its table.
        ways: makes new input, and gives name → what to time.
        amount: pieces of work in one call.
        rounds: how often.

    Returns:
        Name → CPU seconds for one piece of work, the median of the rounds.
    """
    seconds: dict[str, list[float]] = {}
    for turn in range(rounds + 1):
        for name, work in ways().items():
            began = time.process_time()
            work()
            if turn:  # the first round warms up
                seconds.setdefault(name, []).append((time.process_time() - began) / amount)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    first = next(iter(seconds))
    ratios = {
        name: statistics.median(other / own for other, own in zip(values, seconds[first], strict=True))
        for name, values in seconds.items()
    }
    cpu_ms = {name: 1e3 * one for name, one in medians.items()}
    benchmark.extra_info.update(section=section, case=case, cpu_ms=cpu_ms, ratios=ratios)
    benchmark.pedantic(ways()[first], rounds=3)
    return medians
