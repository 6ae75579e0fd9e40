"""Making bands: every seed of every reference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.core import console
from harness.core.errors import BenchError
from harness.gate.band import Band
from harness.gate.measure import Measurer, SeedRun, measuring
from harness.gate.reference import Reference


def make_bands(
    references: Sequence[Reference], seeds: Sequence[int], *, out: Path, bands: Path, command: Sequence[str]
) -> Iterator[Band | tuple[str, BenchError]]:
    """Run all seeds of the references, one reference after the other, and write the band of each when it is whole.

    What an earlier call with the same runs folder has measured is not run again.

    Args:
        references: the studies.
        seeds: of each.
        out: the runs folder.
        bands: where the bands go.
        command: the words that are written into them.

    Yields:
        Each band, or name and reason of a reference that failed.
    """
    with measuring(out, references) as measurer:
        for reference in references:
            try:
                runs = _runs(measurer, reference, seeds)
            except BenchError as error:
                console.warn(f"{reference.name}: {error.problem} ({error.place})")
                yield reference.name, error
                continue
            band = Band.of(reference, runs, command=command)
            band.write(bands)
            yield band


def _runs(measurer: Measurer, reference: Reference, seeds: Sequence[int]) -> list[SeedRun]:
    runs = []
    for number, seed in enumerate(seeds, 1):
        runs.append(measurer.measure(reference, seed))
        console.note(f"{reference.name}: {number} of {len(seeds)} seeds, {told(runs[-1], reference.metrics)}")
    return runs


def told(run: SeedRun, metrics: Sequence[str]) -> str:
    """A run in words."""
    scores = ", ".join(f"{name} {run.scores[name]:.4f}" for name in metrics if name in run.scores)
    memory = "" if run.peak_rss_mb is None else f", {run.peak_rss_mb:.0f} MB"
    return f"{scores}, {run.cpu_s:.2f} CPU-seconds a unit ({run.cpu_ratio:.1f} calibration loops){memory}"
