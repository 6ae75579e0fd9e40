"""Scores from elsewhere to hold our own against, each with its source and protocol."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from harness.core.errors import DataError
from harness.core.resources import package_data

KINDS = ("published", "reproduced")


@dataclass(frozen=True)
class Reference:
    """One score.

    Attributes:
        method: as the source names it.
        ours: name of the method of this harness that it is, with settings that it needs, as ``icmil bag_model=dtfd``;
            empty where there is none.
        metric: name of the score, as in :mod:`harness.evaluation.metrics`.
        value: on the scale 0 to 1.
        spread: what the source prints behind ±; None where there is none.
        kind: read in the source, or run with this harness.
        source: where the number was read, or the study that it comes from.
        protocol: how it came about.
    """

    method: str
    ours: str
    metric: str
    value: float
    spread: float | None
    kind: Literal["published", "reproduced"]
    source: str
    protocol: str

    def is_of(self, method: str, params: Mapping[str, Any]) -> bool:
        """Whether a study of ``method`` with ``params`` is of the method of this score."""
        name, *settings = self.ours.split() or [""]
        wanted = (setting.partition("=") for setting in settings)
        return bool(name) and name == method and all(str(params.get(name)) == value for name, _, value in wanted)


def datasets_with_references() -> list[str]:
    """Names of the datasets that have reference scores."""
    return sorted(path.stem for path in package_data("leaderboards/reference").glob("*.csv"))


def read_references(dataset: str) -> list[Reference]:
    """Reference scores of a dataset, in the order of its file; empty where there are none.

    Raises:
        DataError: a row lacks its source, its protocol or a number.
    """
    path = package_data("leaderboards/reference") / f"{dataset}.csv"
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [_reference(row, f"{path}, line {line}") for line, row in enumerate(csv.DictReader(file), 2)]


def _reference(row: dict[str, str], place: str) -> Reference:
    try:
        value = float(row["value"])
        spread = float(row["spread"]) if row["spread"] else None
    except (ValueError, KeyError, TypeError) as error:
        raise DataError("a reference score is no number", place=place, fix="write it as 0.854") from error
    if row.get("ours") is None:
        raise DataError(
            "a reference score has no column ours",
            place=place,
            fix="add it behind method: the name of our method, empty where there is none",
        )
    if not (row["source"] and row["protocol"] and row["kind"] in KINDS and 0 <= value <= 1):
        raise DataError(
            "a reference score needs source, protocol, a kind and a value between 0 and 1",
            place=place,
            fix="fill in what is missing, or leave the row out: no number is entered from memory",
        )
    kind = cast("Literal['published', 'reproduced']", row["kind"])
    return Reference(row["method"], row["ours"], row["metric"], value, spread, kind, row["source"], row["protocol"])
