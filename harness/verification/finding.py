"""What a check finds, and what all checks of a study come to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

Status = Literal["verified", "unverified", "cannot be checked"]

CODES: Mapping[str, str] = {
    "unreadable": "a record, a plan or a table of predictions cannot be read",
    "file": "a file is missing or is not what the record says",
    "unit-id": "the name of a unit is not the hash of its specification",
    "study-id": "the name of a study is not the hash of what its units share",
    "plan": "the units of study.json are not those of the protocol",
    "stray": "a unit is there, or was scored, that the plan does not have",
    "protocol": "study.json says of the protocol what its card does not",
    "rows": "the rows are not the test slides of the fold with their labels and patients",
    "probabilities": "probabilities are not finite or do not sum to one",
    "decision": "what was decided does not follow from the probabilities and the threshold",
    "score": "a score is not that of the predictions",
    "copy": "two units have the same predictions",
    "accesses": "the accesses of a record are not those of the access log",
    "chain": "the access log was edited: a line does not hold the hash of the one before it",
    "signature": "the evidence is not what was signed",
    "cost": "times or costs that cannot be",
}
"""Code of a finding → what is wrong."""


@dataclass(frozen=True)
class Finding:
    """Something that is not what it has to be.

    Attributes:
        code: one of :data:`CODES`.
        place: the unit or study, and the file or field.
        problem: what is wrong, in words.
        shown: the value that stands there; empty where there is no single one.
        true: the value that it would have to be; empty where nobody knows.
    """

    code: str
    place: str
    problem: str
    shown: str = ""
    true: str = ""

    @classmethod
    def of(cls, code: str, place: str, problem: str, shown: Any = "", true: Any = "") -> Self:
        """A finding with values of any kind as text."""
        return cls(code, place, problem, value_text(shown), value_text(true))


@dataclass(frozen=True)
class Verification:
    """What the checks of a study came to.

    Attributes:
        study_id: the study.
        findings: what is wrong; empty where nothing is.
        unchecked: what could not be compared, in words, such as rows of a dataset whose card is not here.
        missing: units of the plan that are not done: such a study is incomplete, which is no finding.
    """

    study_id: str
    findings: tuple[Finding, ...] = ()
    unchecked: tuple[str, ...] = ()
    missing: int = 0

    @property
    def status(self) -> Status:
        """``unverified`` with a finding, else ``cannot be checked`` where something was not compared."""
        if self.findings:
            return "unverified"
        return "cannot be checked" if self.unchecked else "verified"

    @property
    def reason(self) -> str:
        """Why it is not verified, in one line; empty where it is."""
        if self.findings:
            first, more = self.findings[0], len(self.findings) - 1
            return f"{first.place}: {first.problem}" + (f", and {more} more" if more else "")
        return "; ".join(self.unchecked)


def value_text(value: Any) -> str:
    """A value for a finding: numbers with all digits, long texts shortened."""
    if isinstance(value, str):
        text = value
    elif value is None:
        text = "none"
    elif isinstance(value, bool):
        text = str(value).lower()
    else:
        text = repr(float(value)) if isinstance(value, float) else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."


_LONGEST = 120
