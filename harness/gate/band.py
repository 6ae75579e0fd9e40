"""A band: what a reference study came to with each of many seeds, and everything that this depended on."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.core.atomic import write_json
from harness.core.errors import DataError
from harness.core.plain_json import plain
from harness.core.reading import read_json
from harness.core.resources import package_data
from harness.gate.calibration import CALIBRATION_VERSION
from harness.gate.measure import SeedRun
from harness.gate.reference import Reference

SCHEMA = 1
FEWEST_RUNS = 20
"""A band of fewer seeds is none: its spread would be too uncertain to judge by."""
CPU, MEMORY = "cpu", "memory"
"""The costs that are judged beside the scores: CPU time in calibration loops, and the largest resident set."""

Floats = NDArray[np.float64]


def default_folder() -> Path:
    """The bands that come with the package."""
    return package_data("leaderboards/reference") / "bands"


@dataclass(frozen=True, kw_only=True)
class Band:
    """The seeded runs of a reference.

    Attributes:
        name: of the reference.
        command: what made it.
        identity: what the scores depend on beside the code (:meth:`Reference.identity`).
        versions: declared versions of method and training.
        source: SHA-256 of the source code.
        software: versions of Python, torch, NumPy and this package.
        hardware: processor, its instruction set, and threads of a unit.
        calibration: version of the calibration loop.
        made: the day.
        metrics: the scores that are judged.
        runs: one per seed.
    """

    name: str
    command: str
    identity: Mapping[str, Any]
    versions: Mapping[str, Any]
    source: str
    software: Mapping[str, Any]
    hardware: Mapping[str, Any]
    calibration: int
    made: str
    metrics: tuple[str, ...]
    runs: tuple[SeedRun, ...]

    @classmethod
    def of(cls, reference: Reference, runs: Sequence[SeedRun], *, command: Sequence[str]) -> Band:
        """The band of a reference that was run here.

        Args:
            reference: its data is open.
            runs: one per seed.
            command: the words that made it.
        """
        from harness.accounting.environment import environment

        found = environment("cpu")
        software, hardware = found["software"], found["hardware"]
        return cls(
            name=reference.name,
            command=shlex.join(command),
            identity=plain(reference.identity()),
            versions=reference.versions(),
            source=reference.source,
            software={
                **{name: software[name] for name in ("wsibench", "python")},
                **{name: software["packages"][name] for name in ("torch", "numpy")},
            },
            hardware={name: hardware[name] for name in ("cpu", "cpu_capability", "threads")},
            calibration=CALIBRATION_VERSION,
            made=datetime.now(UTC).date().isoformat(),
            metrics=reference.metrics,
            runs=tuple(runs),
        )

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of its runs."""
        return tuple(run.seed for run in self.runs)

    def values(self, measure: str) -> Floats:
        """A score, or a cost on the scale on which it is judged, of every run; see :func:`values_of`."""
        return values_of(self.runs, measure)

    def summary(self) -> dict[str, dict[str, float | None]]:
        """Mean and standard deviation over the seeds, for readers; costs in calibration loops and megabytes."""
        shown = {name: [run.scores[name] for run in self.runs] for name in self.metrics}
        shown["cpu_ratio"] = [run.cpu_ratio for run in self.runs]
        shown["peak_rss_mb"] = [np.nan if run.peak_rss_mb is None else run.peak_rss_mb for run in self.runs]
        return {
            name: plain({"mean": round(float(np.mean(v)), 6), "std": round(float(np.std(v, ddof=1)), 6)})
            for name, v in shown.items()
        }

    def write(self, folder: Path) -> Path:
        """Write it to ``NAME.json`` in a folder; the file."""
        path = folder / f"{self.name}.json"
        value = {"schema": SCHEMA, **asdict(self), "summary": self.summary()}
        write_json(path, plain(value | {"runs": [run.as_dict() for run in self.runs]}))
        return path

    @classmethod
    def read(cls, path: Path) -> Band:
        """Read a band.

        Raises:
            DataError: it is missing or unreadable, of another layout, or its mean is not that of its runs.
        """
        fix = "make it: bench reference make"
        if not path.exists():
            raise DataError("there is no band of reference runs", place=str(path), fix=fix)
        try:
            value = read_json(path)
            if value["schema"] != SCHEMA:
                raise ValueError(f"its layout is {value['schema']!r}, and this version reads {SCHEMA}")
            runs = tuple(map(SeedRun.from_dict, value["runs"]))
            fields = {name: value[name] for name in cls.__dataclass_fields__}
            found = cls(**{**fields, "metrics": tuple(value["metrics"]), "runs": runs})
            _check(found, value["summary"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise DataError(f"the band cannot be used: {reason}", place=str(path), fix=fix) from error
        return found


def values_of(runs: Sequence[SeedRun], measure: str) -> Floats:
    """A score of some runs as it is; of a cost its logarithm, since costs change by factors. NaN where unknown."""
    if measure == CPU:
        return np.log([run.cpu_ratio for run in runs])
    if measure == MEMORY:
        return np.log([np.nan if run.peak_rss_mb is None else run.peak_rss_mb for run in runs])
    return np.array([run.scores.get(measure, np.nan) for run in runs])


def _check(band: Band, summary: Mapping[str, Any]) -> None:
    """See that a band can be judged by.

    Raises:
        ValueError: it cannot.
    """
    if len(set(band.seeds)) != len(band.seeds):
        raise ValueError("a seed stands in it twice")
    if len(band.runs) < FEWEST_RUNS:
        raise ValueError(f"it has {len(band.runs)} runs, and {FEWEST_RUNS} are the fewest")
    for name in band.metrics:
        if not np.isfinite(band.values(name)).all():
            raise ValueError(f"a run has no {name}")
    if summary != band.summary():
        raise ValueError("its summary is not that of its runs: somebody has edited it")
