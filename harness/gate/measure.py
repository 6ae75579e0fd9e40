"""One seed of a reference study: its units are run, and the score, the CPU time and the memory are read off."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.core.atomic import write_json
from harness.core.errors import DataError, UnitFailedError
from harness.core.reading import read_json
from harness.evaluation.study_scores import study_statistic
from harness.gate.calibration import calibration_seconds
from harness.jobs.executors.settings import make_executor
from harness.jobs.runner import run
from harness.results.store import EXECUTORS, RunStore
from harness.results.summary import study_predictions
from harness.studies.run import Opened, begin

if TYPE_CHECKING:
    from harness.gate.reference import Reference
    from harness.jobs.executors.executor import Executor
    from harness.results.record import Record
    from harness.results.studies import Study

MEASURED = "measured"
"""Folder, in the runs folder, of what was measured beside the evidence of the units."""
_SECONDS_PER_HOUR = 3600


@dataclass(frozen=True)
class SeedRun:
    """What one seed came to.

    Attributes:
        seed: the seed.
        scores: metric → score over all its folds, as ``bench run`` reports it.
        cpu_s: CPU seconds of a unit, the mean over its units.
        calibration_s: CPU seconds of the calibration loop, the mean of one before and one after.
        peak_rss_mb: the largest resident set of any unit, in 10^6 bytes; None where it is not known.
    """

    seed: int
    scores: Mapping[str, float]
    cpu_s: float
    calibration_s: float
    peak_rss_mb: float | None

    @property
    def cpu_ratio(self) -> float:
        """CPU time of a unit in calibration loops."""
        return self.cpu_s / self.calibration_s

    def as_dict(self) -> dict[str, Any]:
        """All fields, JSON-able."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> SeedRun:
        """From what :meth:`as_dict` gave.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        found = cls(
            seed=int(value["seed"]),
            scores={str(name): float(score) for name, score in value["scores"].items()},
            cpu_s=float(value["cpu_s"]),
            calibration_s=float(value["calibration_s"]),
            peak_rss_mb=None if value["peak_rss_mb"] is None else float(value["peak_rss_mb"]),
        )
        if not (found.cpu_s > 0 and found.calibration_s > 0):
            raise ValueError("a time is not positive")
        return found


@dataclass
class Measurer:
    """Runs references seed by seed in one runs folder, through one executor. See :func:`measuring`."""

    out: Path
    executor: Executor
    opened: Opened

    def measure(self, reference: Reference, seed: int) -> SeedRun:
        """Run the units of one seed that are not done yet, and measure them.

        What was measured before in this folder is read again; so a series that was interrupted goes on.

        Raises:
            DataError: the data cannot be opened, or the folder holds runs of other source code.
            UnitFailedError: a unit failed, or a score is undefined.
        """
        before = calibration_seconds()
        resolved = replace(reference.resolved, seeds=(seed,))
        begun = begin(resolved, reference.config.model_copy(update={"out": self.out}), self.opened)
        reference.opened = begun.study.resolved
        study_id, asked = begun.study.resolved.study_id, {unit.unit_id for unit in begun.study.resolved.units}
        note = self.out / MEASURED / f"{study_id}-s{seed}.json"
        if not begun.units.todo and (known := _noted(note)) is not None:
            _check_source(known, reference, note)
            return SeedRun.from_dict(known["run"])
        begun.units.publisher.broken = "the runs of a gate are no view of MLflow"
        run(begun.units, self.executor, begun.study.inputs.sources)
        found = self._read(study_id, asked, seed, mean((before, calibration_seconds())))
        write_json(note, {"source": reference.source, "run": found.as_dict()})
        return found

    def _read(self, study_id: str, asked: set[str], seed: int, calibration_s: float) -> SeedRun:
        store = RunStore(self.out)
        study = store.study(study_id)
        records = tuple(record for record in study.records if record.unit_id in asked)
        if len(records) < len(asked):
            reasons = [failure.reason for failure in study.failures if failure.unit_id in asked]
            raise UnitFailedError(
                f"{len(asked) - len(records)} of {len(asked)} units of seed {seed} failed"
                + (f": {reasons[0]}" if reasons else ""),
                place=str(store.study_folder(study_id)),
                fix="read the reason above and the unit's log.txt",
            )
        scores = seed_scores(store, replace(study, records=records))
        return SeedRun(seed, scores, _cpu_s(records), calibration_s, _peak_rss_mb(records))


@contextmanager
def measuring(out: Path, references: Sequence[Reference]) -> Iterator[Measurer]:
    """A measurer whose executor is closed in the end.

    Args:
        out: the runs folder.
        references: what will be run; where and how is taken from the first.
    """
    import torch

    from harness.training.device import choose_device

    config = references[0].config
    elsewhere = config.launch.find()[0].reserves
    device: torch.device = choose_device(config.device, config.devices, elsewhere=elsewhere)
    with make_executor(config.launch, device, config.devices, folder=out / EXECUTORS) as executor:
        yield Measurer(out, executor, {})


def seed_scores(store: RunStore, study: Study) -> dict[str, float]:
    """The scores of some units, from their stored predictions.

    Raises:
        UnitFailedError: there is no prediction, or a score that is judged is undefined.
    """
    place = str(store.study_folder(study.study_id))
    data = study_predictions(store, study)
    if data is None:
        raise UnitFailedError("nothing was predicted", place=place, fix="run it again")
    found = study_statistic(data)(np.ones((1, len(data))))
    return {name: value for name in data.names if math.isfinite(value := float(found[name][0]))}


def _cpu_s(records: Sequence[Record]) -> float:
    return mean(float(record.compute["cpu_hours"]) * _SECONDS_PER_HOUR for record in records)


def _peak_rss_mb(records: Sequence[Record]) -> float | None:
    peaks = [record.compute.get("peak_rss_mb") for record in records]
    return None if None in peaks else max(float(peak) for peak in peaks if peak is not None)


def _noted(path: Path) -> dict[str, Any] | None:
    """What was measured before; None where nothing was, or a kill has left half of it."""
    try:
        found = read_json(path)
        SeedRun.from_dict(found["run"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return dict(found)


def _check_source(noted: Mapping[str, Any], reference: Reference, place: Path) -> None:
    """A declared version says nothing of a silent change, so runs of other source code are not mixed."""
    if noted["source"] != reference.source:
        raise DataError(
            f"seed {noted['run']['seed']} of {reference.name} was run with other source code than this",
            place=str(place),
            fix="choose a new folder with --out, or remove this one",
        )
