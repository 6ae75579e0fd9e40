"""The record of a unit: the evidence that a stranger can check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from harness.errors import DataError

SCHEMA = 1
"""Version of the record's layout. A reader refuses a newer one."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """record.json of a finished unit. Every value is JSON-able; an undefined number is None.

    Attributes:
        unit_id, study_id: names of the unit and of the study it belongs to.
        spec: the unit's identity: method and its version, parameters, dataset and its fingerprint, protocol and its
            settings, split_sha256, repeat, fold, seed, input, precision.
        config: the resolved configuration of the run.
        classes: class names; labels and predictions are indices into them. In survival the intervals of time, and
            later.
        seeds: the seeds used, by axis.
        counts: how many slides (and patients, tiles) were in each part.
        selection: what validation decided: threshold, best epoch by stage ...
        scores: test scores: metric → value, low, high (95 % interval over patients) and how many resamples were
            undefined.
        validation: validation scores.
        compute: the meter's account (see :class:`harness.accounting.meter.Meter`).
        environment: software, code and hardware (see :func:`harness.accounting.environment.environment`).
        started, finished: ISO 8601 times with zone.
        extra: further results, such as the localisation of a method with attention.
        files: file name → SHA-256 of each file beside the record; the store fills it in.
        schema: version of this layout.
    """

    unit_id: str
    study_id: str
    spec: Mapping[str, Any]
    config: Mapping[str, Any]
    classes: tuple[str, ...]
    scores: Mapping[str, Mapping[str, float | None]]
    compute: Mapping[str, Any]
    environment: Mapping[str, Any]
    started: str
    finished: str
    seeds: Mapping[str, Any] = field(default_factory=dict)
    counts: Mapping[str, Any] = field(default_factory=dict)
    selection: Mapping[str, Any] = field(default_factory=dict)
    validation: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    schema: int = SCHEMA

    def as_dict(self) -> dict[str, Any]:
        """All fields for JSON, the schema first."""
        values = asdict(self)
        return {"schema": values.pop("schema"), **values, "classes": list(self.classes)}

    @classmethod
    def from_dict(cls, value: object, *, place: str) -> Record:
        """A record from what :meth:`as_dict` gave.

        Args:
            value: parsed JSON.
            place: where it comes from, for the error.

        Raises:
            DataError: not a record, of a newer schema, or incomplete.
        """
        if not isinstance(value, dict):
            raise DataError("this is not a record", place=place, fix=_FIX)
        schema = value.get("schema")
        if not isinstance(schema, int) or schema > SCHEMA:
            raise DataError(f"the record has schema {schema!r}, this version reads {SCHEMA}", place=place, fix=_FIX)
        names = {f.name for f in fields(cls)}
        if missing := sorted(name for name in _REQUIRED if name not in value):
            raise DataError(f"the record lacks {', '.join(missing)}", place=place, fix=_FIX)
        known = {name: item for name, item in value.items() if name in names}
        for name, item in known.items():
            if not isinstance(item, _TYPES.get(name, dict)):
                raise DataError(f"the record's {name} is of type {type(item).__name__}", place=place, fix=_FIX)
        if missing := sorted(name for name in SPEC_KEYS if name not in known["spec"]):
            raise DataError(f"the record's spec lacks {', '.join(missing)}", place=place, fix=_FIX)
        _check_spec(known["spec"], known["classes"], place)
        return cls(**{**known, "classes": tuple(known["classes"])})


def _check_spec(spec: Mapping[str, Any], classes: list[Any], place: str) -> None:
    """What views sort by and show as names. A record may come from anywhere: one that is odd must not stop the rest."""
    for key in SPEC_KEYS[:3]:
        name = spec[key]
        if not isinstance(name, str) or not 0 < len(name) <= _LONGEST or not name.isprintable():
            raise DataError(f"the record's {key} is no name: {str(name)[:40]!r}", place=place, fix=_FIX)
    for key in SPEC_KEYS[3:]:
        if type(spec[key]) is not int:
            raise DataError(f"the record's {key} is no number: {str(spec[key])[:40]!r}", place=place, fix=_FIX)
    if not all(isinstance(name, str) for name in classes):
        raise DataError("the record's classes are no names", place=place, fix=_FIX)


SPEC_KEYS = ("method", "dataset", "protocol", "repeat", "fold", "seed")
"""What every view of the evidence needs to know of a unit."""

_LONGEST = 200

_TYPES: Mapping[str, type] = {
    "unit_id": str,
    "study_id": str,
    "classes": list,
    "started": str,
    "finished": str,
    "schema": int,
}
_REQUIRED = (
    "unit_id",
    "study_id",
    "spec",
    "config",
    "classes",
    "scores",
    "compute",
    "environment",
    "started",
    "finished",
)
_FIX = "run the unit again (the same bench run command does), or update wsibench"
