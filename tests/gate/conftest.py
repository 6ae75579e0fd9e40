"""Bands and runs that are drawn, not run: the rule of a night is tested at the seam where a seed is run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from support.gate import drawn_run
from support.toy import write_toy_dataset

from harness.gate.band import Band
from harness.gate.measure import SeedRun
from harness.gate.reference import Reference
from harness.studies.config import StudyConfig
from harness.studies.resolve import resolve


@dataclass
class Bench:
    """References with their bands, and what their runs come to tonight.

    Attributes:
        references: of three methods' names on the toy dataset.
        bands: name → band.
        shifts: name → what is added tonight, as arguments of :func:`support.gate.drawn_run`.
        asked: name and seed of everything that was run.
    """

    references: list[Reference]
    bands: dict[str, Band]
    shifts: dict[str, dict[str, float]] = field(default_factory=dict)
    asked: list[tuple[str, int]] = field(default_factory=list)

    def run(self, reference: Reference, seed: int) -> SeedRun:
        self.asked.append((reference.name, seed))
        return drawn_run(reference.name, seed, **self.shifts.get(reference.name, {}))


@pytest.fixture
def drawn(tmp_path: Path) -> Callable[..., Bench]:
    """Three references whose bands are drawn."""
    references = []
    for name in ("one", "two", "three"):
        config = StudyConfig(method="abmil", dataset=str(write_toy_dataset(tmp_path / name, name=name)))
        references.append(Reference(resolve(config), config))
    return Bench(references, {one.name: band_of(one) for one in references})


def band_of(reference: Reference, n: int = 20) -> Band:
    """A band of drawn runs."""
    runs = [drawn_run(reference.name, seed) for seed in range(n)]
    return Band.of(reference, runs, command=["bench", "reference", "make"])


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240)
