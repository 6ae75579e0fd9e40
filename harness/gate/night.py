"""A night: references are run with fresh seeds and held against their bands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np

from harness.core import console
from harness.core.errors import BenchError, DataError, UsageError
from harness.core.plain_json import plain
from harness.gate import statistics
from harness.gate.band import Band
from harness.gate.judged import Judged, Measure, measures_of
from harness.gate.make import told
from harness.gate.measure import SeedRun
from harness.gate.reference import Reference

Run = Callable[[Reference, int], SeedRun]
"""Runs one seed of a reference."""
FindBand = Callable[[Reference], Band]

FIRST_SEED, SEEDS_PER_NIGHT = 1_000_000, 16
DATA = ("dataset", "dataset_fingerprint", "split_sha256", "folds", "protocol")
"""What has to be the same, or scores do not compare at all."""


@dataclass(frozen=True)
class Problem:
    """Why a reference is red without a number: nothing was measured, or something else than its band is of."""

    reference: str
    error: BenchError


@dataclass(frozen=True)
class Night:
    """What a night came to.

    Attributes:
        seed: the first of its seeds.
        judged: every measure of every reference that was run.
        problems: references that are red without a number.
        notes: what a reader should know of references that are not red for it.
    """

    seed: int
    judged: tuple[Judged, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]

    @property
    def red(self) -> bool:
        """Whether anything is wrong; a night that judged nothing is."""
        return bool(self.problems) or not self.judged or any(one.red for one in self.judged)


@dataclass
class _Watched:
    """A reference under way: its runs, the first seed's first."""

    reference: Reference
    band: Band
    runs: list[SeedRun]
    measures: tuple[Measure, ...]
    alive: set[str] = field(default_factory=set)

    def look(self) -> None:
        """Keep of the measures that are suspected those that still are."""
        self.alive = {one.name for one in self.measures if one.name in self.alive and one.suspected(self.runs)}


def seed_of(day: date) -> int:
    """The first seed of a day; the next ones are its own too, and no band has any of them."""
    return FIRST_SEED + day.toordinal() * SEEDS_PER_NIGHT


def judge(references: Sequence[Reference], band_of: FindBand, run: Run, *, seed: int) -> Night:
    """Run the references and hold them against their bands; see :mod:`harness.gate.statistics` for the rule.

    Args:
        references: what to run.
        band_of: gives the band of a reference; raises DataError where there is none.
        run: runs a seed.
        seed: the first seed; those behind it are used where something is suspicious.
    """
    watched: list[_Watched] = []
    problems: list[Problem] = []
    notes: list[str] = []
    for reference in references:
        try:
            band = band_of(reference)
            _check_seeds(band, seed)
            first = _run(run, reference, seed)
            differing = _differences(band.identity, plain(reference.identity()))
            _check_data(band, differing)
        except BenchError as error:
            problems.append(Problem(reference.name, error))
            continue
        if differing:
            problems.append(Problem(reference.name, _other_settings(band, differing)))
        notes += _notes(reference, band)
        watched.append(_Watched(reference, band, [first], measures_of(band, reference, first)))
    for one in watched:
        one.alive = {measure.name for measure in one.measures if measure.suspected(one.runs)}
    for fresh in (*statistics.LOOKS, statistics.FRESH):
        for one in [each for each in watched if each.alive]:
            try:
                while len(one.runs) < 1 + fresh:
                    one.runs.append(_run(run, one.reference, seed + len(one.runs)))
            except BenchError as error:
                problems.append(Problem(one.reference.name, error))
                watched.remove(one)
                continue
            one.look()
    return Night(seed, _verdict(watched), tuple(problems), tuple(notes))


def _run(run: Run, reference: Reference, seed: int) -> SeedRun:
    found = run(reference, seed)
    console.note(f"{reference.name}: seed {seed}, {told(found, reference.metrics)}")
    if lacking := [name for name in reference.metrics if not np.isfinite(found.scores.get(name, np.nan))]:
        raise DataError(
            f"{lacking[0]} is undefined with seed {seed}", place=reference.name, fix="look at its predictions"
        )
    return found


def _verdict(watched: Sequence[_Watched]) -> tuple[Judged, ...]:
    """All measures with their p-values, corrected within scores and within costs."""
    every = [(one, measure) for one in watched for measure in one.measures]
    raw = [measure.p(one.runs) if measure.name in one.alive else 1.0 for one, measure in every]
    corrected = np.ones(len(every))
    for cost in (False, True):
        members = [k for k, (_, measure) in enumerate(every) if measure.cost is cost]
        if members:
            corrected[members] = statistics.holm([raw[k] for k in members])
    return tuple(
        measure.judged(one.reference.name, one.runs, p=float(p), red=bool(p < statistics.LEVEL))
        for (one, measure), p in zip(every, corrected, strict=True)
    )


def _check_seeds(band: Band, seed: int) -> None:
    tonight = range(seed, seed + 1 + statistics.FRESH)
    if shared := [one for one in band.seeds if one in tonight]:
        raise UsageError(
            f"seed {shared[0]} is one of the band's own, so that it would be held against itself",
            place=f"--seed {seed}",
            fix=f"give a number of {FIRST_SEED:,} or more, or leave --seed out",
        )


def _differences(before: Any, now: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Name → value in the band and now, of what differs; hyper-parameters one by one."""
    flat = [_flat(one) for one in (before, now)]
    names = dict.fromkeys([*flat[0], *flat[1]])
    return {name: (flat[0].get(name), flat[1].get(name)) for name in names if flat[0].get(name) != flat[1].get(name)}


def _flat(identity: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in identity.items():
        found |= {f"{name}.{key}": one for key, one in value.items()} if isinstance(value, dict) else {name: value}
    return found


def _check_data(band: Band, differing: dict[str, tuple[Any, Any]]) -> None:
    if other := [name for name in differing if name in DATA]:
        before, now = differing[other[0]]
        raise DataError(
            f"the band is of other data: {other[0]} was {before} and is {now}",
            place=f"band {band.name}",
            fix="restore the data, or make the band again: bench reference make",
        )


def _other_settings(band: Band, differing: dict[str, tuple[Any, Any]]) -> DataError:
    told = "; ".join(f"{name} was {before} and is {now}" for name, (before, now) in differing.items())
    return DataError(
        f"the band is of other settings: {told}",
        place=f"band {band.name}",
        fix="undo the change, or make the band again if it is meant: bench reference make",
    )


def _notes(reference: Reference, band: Band) -> list[str]:
    now = reference.versions()
    changed = [
        f"{name} {band.versions.get(name)} → {now[name]}" for name in now if now[name] != band.versions.get(name)
    ]
    if not changed:
        return []
    return [
        f"{reference.name}: declared versions have changed since its band was made ({', '.join(changed)}): "
        "make it again (bench reference make) once the new scores are accepted"
    ]
