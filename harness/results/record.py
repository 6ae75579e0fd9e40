"""The record of a unit: the evidence that a stranger can check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from harness.results.schema import SCHEMA, RecordSchema, check


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
        compute: the meter's account (see :class:`harness.accounting.meter.Meter`); under ``shared`` what was spent once
            for all studies that use it, such as the features, which is not in the account.
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
            DataError: not a record, of a newer schema, or with a field that is missing or wrong.
        """
        checked = check(RecordSchema, value, what="record", place=place)
        known = {f.name: checked[f.name] for f in fields(cls) if f.name in checked}
        return cls(**{**known, "classes": tuple(known["classes"])})
