"""Studies: units that make one leaderboard row, with what was planned and what is there."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from harness.core.reading import parse_json
from harness.results.names import safe_name
from harness.results.record import Record
from harness.results.schema import FailureSchema, check


@dataclass(frozen=True)
class Broken:
    """Evidence that cannot be read: the folder's name and the reason."""

    name: str
    reason: str


@dataclass(frozen=True)
class Failure:
    """A unit that failed and has not succeeded since.

    Attributes:
        unit_id, study_id: names.
        reason: one sentence.
        attempts: how often it has failed.
        time: of the last attempt, ISO 8601.
        spec: the unit's identity, as in the record.
    """

    unit_id: str
    study_id: str
    reason: str
    attempts: int
    time: str
    spec: Mapping[str, Any]

    @classmethod
    def from_json(cls, text: str) -> Failure:
        """From failed.json; raises ValueError or DataError where that is damaged."""
        value = check(FailureSchema, parse_json(text), what="note of a failure", place="failed.json")
        return cls(**{one.name: value[one.name] for one in fields(cls)})


@dataclass(frozen=True)
class Evidence:
    """Everything found in a runs folder.

    Attributes:
        records: of finished units, by study, repeat, fold and seed.
        failures: of units that failed and have not succeeded since.
        broken: evidence that cannot be read, by name and reason.
    """

    records: tuple[Record, ...]
    failures: tuple[Failure, ...]
    broken: tuple[Broken, ...]


@dataclass(frozen=True)
class Study:
    """One leaderboard row's units.

    Attributes:
        study_id: name.
        method, dataset, protocol: what was run.
        ranked: whether the protocol's results may be ranked.
        planned: ids of the units of the whole protocol; None where study.json is lost.
        config: the resolved configuration.
        records: finished units by repeat, fold and seed.
        failures: failed ones.
        damaged: ids of planned units whose evidence cannot be read.
        stored_scores, stored_units: the scores that stand in study.json, and on how many units they rest; None where
            there are none. Nothing but their verification uses them.
    """

    study_id: str
    method: str
    dataset: str
    protocol: str
    ranked: bool
    planned: tuple[str, ...] | None
    config: Mapping[str, Any]
    records: tuple[Record, ...]
    failures: tuple[Failure, ...]
    damaged: tuple[str, ...] = ()
    stored_scores: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    stored_units: int | None = None

    @property
    def complete(self) -> bool:
        """Whether every unit of the protocol is done."""
        return bool(self.planned) and set(self.planned or ()) <= {record.unit_id for record in self.records}


def group_studies(
    plans: Sequence[Mapping[str, Any]],
    records: Sequence[Record],
    failures: Sequence[Failure],
    damaged: Collection[str] = (),
) -> tuple[Study, ...]:
    """Studies by name, from what was planned (study.json) and the units that are there.

    Args:
        plans: the content of each study.json.
        records, failures: of units.
        damaged: names of the folders of units whose evidence cannot be read.
    """
    by_id = {str(plan["study_id"]): plan for plan in plans}
    done: dict[str, list[Record]] = {}
    failed: dict[str, list[Failure]] = {}
    for record in records:
        done.setdefault(record.study_id, []).append(record)
    for failure in failures:
        failed.setdefault(failure.study_id, []).append(failure)
    return tuple(
        _study(name, by_id.get(name, {}), tuple(done.get(name, ())), tuple(failed.get(name, ())), damaged)
        for name in sorted({*by_id, *done})
    )


def _study(
    name: str,
    plan: Mapping[str, Any],
    records: tuple[Record, ...],
    failures: tuple[Failure, ...],
    damaged: Collection[str],
) -> Study:
    spec = records[0].spec if records else {}
    planned = plan.get("units")
    return Study(
        study_id=name,
        **{key: str(plan.get(key, spec.get(key, "unknown"))) for key in ("method", "dataset", "protocol")},
        ranked=plan.get("ranked") is True,
        planned=tuple(map(str, planned)) if isinstance(planned, list) else None,
        config=plan.get("config", {}),
        records=records,
        failures=failures,
        damaged=tuple(unit for unit in map(str, planned or ()) if safe_name(unit) in damaged) if damaged else (),
        stored_scores=plan.get("scores", {}),
        stored_units=plan.get("units_done") if "scores" in plan else None,
    )
