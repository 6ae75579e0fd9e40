"""The toy study for the tests of faults: given again and again, and compared with an undisturbed run."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from support.attempts import Attempts, Ended


@dataclass(frozen=True)
class Toy:
    """A study at the command line.

    Attributes:
        attempts: starts it.
        home: its folder, with dataset, plugin, cache and MLflow database.
        out: the runs folder.
        words: the command.
        environment: variables that it is started with.
    """

    attempts: Attempts
    home: Path
    out: Path
    words: tuple[str, ...]
    environment: dict[str, str]

    def run(self, *more: str, **environment: str) -> Ended:
        """Give the command with further words and wait for its end."""
        return self.attempts.run([*self.words, *more], cwd=self.home, **(self.environment | environment))

    def finish(self, *more: str) -> str:
        """Give the command; it succeeds. What it said."""
        ended = self.run(*more)
        assert ended.code == 0, ended.text
        return ended.text

    def start(self, *more: str) -> int:
        """Give the command; its process id."""
        return self.attempts.start([*self.words, *more], cwd=self.home, **self.environment)

    def bench(self, *words: str) -> Ended:
        """Give another command, on the same runs folder."""
        return self.attempts.run([*words, "--out", str(self.out)], cwd=self.home, **self.environment)


def evidence(out: Path) -> dict[str, pd.DataFrame]:
    """Test predictions by unit, of units that are done."""
    paths = sorted(out.glob("units/*/record.json"))
    return {path.parent.name: pd.read_parquet(path.with_name("predictions.parquet")) for path in paths}


def failures(out: Path) -> dict[str, str]:
    """Why units failed, by unit."""
    return {
        path.parent.name: json.loads(path.read_text())["reason"] for path in sorted(out.glob("units/*/failed.json"))
    }


def trials(out: Path) -> list[dict[str, str]]:
    """The table of trials, without what took how long."""
    (path,) = out.glob("studies/*/trials.csv")
    with path.open(newline="") as file:
        return [{k: v for k, v in row.items() if k != "device_s"} for row in csv.DictReader(file)]


def chosen(out: Path) -> dict[str, Any]:
    """What was decided for every unit, without what took how long and whether it was interrupted."""
    found = {}
    for path in sorted(out.glob("units/*/record.json")):
        selection = json.loads(path.read_text())["selection"]
        for facts in selection["stages"].values():
            del facts["resumed_at_epoch"]
        selection.get("tuning", {}).pop("device_s", None)
        found[path.parent.name] = selection
    return found


def check_equal(found: Path, expected: Path) -> None:
    """The same units, decisions and predictions, bit for bit; and no scratch space is left."""
    ours, theirs = evidence(found), evidence(expected)
    assert ours.keys() == theirs.keys()
    assert ours
    for name, frame in theirs.items():
        pd.testing.assert_frame_equal(ours[name], frame, check_exact=True)
    assert chosen(found) == chosen(expected)
    assert not failures(found)
    assert not list(found.glob("units/*/work"))
    assert not list(found.glob("trials/*/work"))
    assert not [path for path in found.rglob("*.tmp*") if "mlartifacts" not in path.parts]
