"""What is known of a unit once its files have been read: what is wrong with it, and digests to compare it by."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from harness.verification.expected import rows_digest, rows_of
from harness.verification.finding import Finding
from harness.verification.unit import check_record, check_scores, check_table, point_scores

if TYPE_CHECKING:
    import pandas as pd

    from harness.evaluation.rows import Rows
    from harness.results.record import Record
    from harness.tasks.task import Task


@dataclass(frozen=True)
class UnitFacts:
    """Facts of a unit that follow from its files alone.

    Attributes:
        findings: what is wrong with it.
        unchecked: what could not be checked, in words.
        content: SHA-256 of the table of predictions as it is.
        rows: :func:`harness.verification.expected.rows_digest` of its rows; empty where they cannot be read.
        predictions: SHA-256 of slides and probabilities, as in the access log; empty where they cannot be read.
    """

    findings: tuple[Finding, ...] = ()
    unchecked: tuple[str, ...] = ()
    content: str = ""
    rows: str = ""
    predictions: str = ""

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {**vars(self), "findings": [vars(one) for one in self.findings], "unchecked": list(self.unchecked)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """From what :meth:`as_dict` gave."""
        findings = tuple(Finding(**one) for one in values["findings"])
        return cls(**{**values, "findings": findings, "unchecked": tuple(values["unchecked"])})


def facts_of(
    record: Record, files: Mapping[str, str | None], frame: pd.DataFrame, rows: Rows, task: type[Task]
) -> UnitFacts:
    """Check a unit by itself.

    Args:
        record: its record.
        files: SHA-256 of each file that the record names, as it is; None where it is missing.
        frame: its test predictions.
        rows: the same in the form that is scored.
        task: what was predicted.
    """
    own = point_scores(rows)
    unknown = [name for name in record.scores if name not in own]
    names = tuple(task.truth)
    return UnitFacts(
        findings=(
            *check_files(record, files),
            *check_record(record),
            *check_table(record, frame, task),
            *check_scores(record.scores, own, f"{record.unit_id}, record.json"),
        ),
        unchecked=(f"no plugin is loaded that has the score {unknown[0]}",) if unknown else (),
        content=files.get(_PREDICTIONS) or "",
        rows=rows_digest(rows_of({name: frame[name].tolist() for name in ("slide", "patient", *names)}, names)),
        predictions=scored_digest(frame["slide"].tolist(), frame[[f"p_{name}" for name in record.classes]].to_numpy()),
    )


def check_files(record: Record, files: Mapping[str, str | None]) -> list[Finding]:
    """Compare the hashes of a unit's files with those of its record."""
    found = []
    if _PREDICTIONS not in record.files:
        place = f"{record.unit_id}, record.json, files"
        found.append(Finding.of("file", place, f"the record has no hash of {_PREDICTIONS}"))
    for name, shown in record.files.items():
        true = files.get(name)
        if true != shown:
            problem = "the file is missing" if true is None else "the file is not what the record says"
            found.append(Finding.of("file", f"{record.unit_id}, {name}", problem, shown, true or "missing"))
    return found


def scored_digest(slides: Sequence[str], probabilities: np.ndarray[Any, Any]) -> str:
    """SHA-256 of what was scored: ids of n slides, and probabilities of any shape in double precision."""
    content = np.ascontiguousarray(probabilities, dtype=np.float64).tobytes()
    return hashlib.sha256("\n".join(slides).encode() + content).hexdigest()


_PREDICTIONS = "predictions.parquet"
