"""Results of trials: a small file each, whole or absent. A trial predicts no test slide: there is no more to keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from harness.core.atomic import sweep, write_json
from harness.core.errors import DataError
from harness.core.plain_json import plain
from harness.core.reading import parse_json, read_text
from harness.results.names import safe_name
from harness.results.schema import TrialSchema, check

FOLDER = "trials"


@dataclass(frozen=True, kw_only=True)
class TrialResult:
    """What a trial came to on one inner fold.

    Attributes:
        unit_id: its identity.
        spec: what that was made from.
        scores: validation scores by name; None where it failed.
        reason: why it failed.
        device_s: seconds that it held its device: the GPU, or the CPU where there is none.
        compute: the meter's account.
        started, finished: ISO 8601 times with zone.
    """

    unit_id: str
    spec: Mapping[str, Any]
    scores: Mapping[str, float | None] | None
    reason: str = ""
    device_s: float = 0.0
    compute: Mapping[str, Any]
    started: str
    finished: str

    @property
    def known_scores(self) -> dict[str, float] | None:
        """The scores that are defined; None where the trial failed."""
        return None if self.scores is None else {name: v for name, v in self.scores.items() if v is not None}

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what was written. Raises ValueError or DataError if it is damaged."""
        value = check(TrialSchema, parse_json(text), what="trial", place="trials")
        return cls(**{field.name: value[field.name] for field in fields(cls) if field.name in value})


class TrialStore:
    """The folder ``trials`` of a runs folder.

    There is no state "running": a trial is done when its file is there. What was under way when a process died is
    simply asked for again, and continues from its checkpoint.

    Args:
        root: the runs folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root) / FOLDER

    def folder(self, unit_id: str) -> Path:
        """Scratch space of a trial while it runs."""
        return self.root / safe_name(unit_id)

    def read(self, unit_id: str) -> TrialResult | None:
        """The result of a trial; None where it is absent or damaged, and has to be made again."""
        try:
            return TrialResult.from_json(read_text(self._path(unit_id)))
        except (OSError, ValueError, DataError):
            return None

    def write(self, result: TrialResult) -> None:
        """Store a result, atomically. The caller holds the lock of the trial's folder.

        Raises:
            DataError: it could not be read again.
        """
        path = self._path(result.unit_id)
        sweep(path)
        write_json(path, check(TrialSchema, plain(asdict(result)), what="trial", place=str(path)))

    def _path(self, unit_id: str) -> Path:
        return self.root / f"{safe_name(unit_id)}.json"
