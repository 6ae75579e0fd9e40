"""What is judged of a reference: its scores and its costs, and what is said of each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.gate import statistics
from harness.gate.band import CPU, MEMORY, Band, values_of
from harness.gate.calibration import CALIBRATION_VERSION
from harness.gate.measure import SeedRun
from harness.gate.reference import Reference

LEAST_SPREAD = {CPU: 0.03, MEMORY: 0.01}
"""Of the logarithm of a cost: what any machine shows from one hour to the next."""
LEAST_SPREAD_OF_SCORES = 0.001
TOLERANCE = {CPU: (1.25, 2.0), MEMORY: (1.15, 1.5)}
"""Factors that are no harm: on the band's kind of processor or with its torch, and elsewhere."""

NAMES = {CPU: "CPU time", MEMORY: "memory"}


@dataclass(frozen=True)
class Judged:
    """One measure of one reference.

    Attributes:
        reference, measure: their names.
        cost: whether it is a cost.
        mean, spread: of the band; a cost's as a number of calibration loops or megabytes, and its relative spread.
        value: the mean of the runs that decide: the fresh ones, or the first where there was no other.
        runs: how many runs there were.
        p: corrected for all measures of its kind; 1 where it was cleared.
        red: whether it is beyond its band.
        words: what it came to, in a sentence.
    """

    reference: str
    measure: str
    cost: bool
    mean: float
    spread: float
    value: float
    runs: int
    p: float
    red: bool
    words: str


@dataclass(frozen=True)
class Measure:
    """A score or a cost with its band.

    Attributes:
        name: of the score, or :data:`CPU` or :data:`MEMORY`.
        band: its values, shape (n,); of a cost their logarithms.
        least_spread, least: see :func:`harness.gate.statistics.suspected`.
    """

    name: str
    band: NDArray[np.float64]
    least_spread: float
    least: float = 0.0

    @property
    def cost(self) -> bool:
        """Whether it is a cost: only more of it counts."""
        return self.name in NAMES

    @property
    def side(self) -> statistics.Side:
        """Which deviations count."""
        return "above" if self.cost else "either"

    def suspected(self, runs: Sequence[SeedRun]) -> bool:
        """Whether the runs so far, the first seed's first, keep up a suspicion."""
        values = values_of(runs, self.name)
        found = statistics.suspected(
            self.band, values[0], values[1:], side=self.side, least_spread=self.least_spread, least=self.least
        )
        return bool(found)

    def p(self, runs: Sequence[SeedRun]) -> float:
        """The p-value of the fresh runs."""
        fresh = values_of(runs[1:], self.name)
        return float(statistics.p_values(self.band, fresh, side=self.side, least_spread=self.least_spread))

    def judged(self, reference: str, runs: Sequence[SeedRun], *, p: float, red: bool) -> Judged:
        """The outcome in numbers and words."""
        off = float(values_of(runs[1:] or runs, self.name).mean())
        mean, spread = float(self.band.mean()), float(self.band.std(ddof=1))
        if self.cost:
            mean, value = math.exp(mean), math.exp(off)
            words = f"{NAMES[self.name]} is {value / mean:.2f} times that of the band"
        else:
            value = off
            words = f"{self.name} is {value:.4f}; the band has {mean:.4f} ± {spread:.4f}"
        return Judged(reference, self.name, self.cost, mean, spread, value, len(runs), p, red, words)


def measures_of(band: Band, reference: Reference, first: SeedRun) -> tuple[Measure, ...]:
    """What can be judged: the scores, and the costs that both sides know.

    Args:
        band: of the reference.
        reference: what was run.
        first: its first run here.
    """
    found = [Measure(name, band.values(name), LEAST_SPREAD_OF_SCORES) for name in band.metrics]
    if band.calibration == CALIBRATION_VERSION:
        found.append(_cost(CPU, band, same=_hardware() == dict(band.hardware)))
    if first.peak_rss_mb is not None and np.isfinite(band.values(MEMORY)).all():
        found.append(_cost(MEMORY, band, same=_torch() == band.software.get("torch")))
    return tuple(found)


def _cost(name: str, band: Band, *, same: bool) -> Measure:
    here, elsewhere = TOLERANCE[name]
    return Measure(name, band.values(name), LEAST_SPREAD[name], math.log(here if same else elsewhere))


def _hardware() -> dict[str, object]:
    from harness.accounting.environment import environment

    found = environment("cpu")["hardware"]
    return {name: found[name] for name in ("cpu", "cpu_capability", "threads")}


def _torch() -> str | None:
    from harness.accounting.environment import environment

    version = environment("cpu")["software"]["packages"]["torch"]
    return None if version is None else str(version)
