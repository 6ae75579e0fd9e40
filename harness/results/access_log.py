"""The test-set access log: every time predictions were compared with test labels. It only grows."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.core.filelock import locked

if TYPE_CHECKING:
    from numpy.typing import NDArray

FILE = "test_accesses.jsonl"
FORMER_FILE = "questions.jsonl"
"""Its name in runs folders of earlier versions, which is read as well, with the names that its lines had then."""


@dataclass(frozen=True)
class AccessLog:
    """The test-set accesses of a runs folder, a line each, in ``test_accesses.jsonl``.

    Attributes:
        root: the runs folder.
    """

    root: Path

    def note(self, accessor: str, slides: Sequence[str], probabilities: NDArray[np.float64]) -> int:
        """Note that ``accessor`` had predictions for ``slides`` scored; how many accesses it has had by now.

        Several processes may write at once.

        Args:
            accessor: the unit or training whose predictions they are.
            slides: n slide ids.
            probabilities: (n, C); (Q, n, C) are Q accesses at once, in one line.
        """
        several = {"accesses": len(probabilities)} if probabilities.ndim == 3 else {}
        line = json.dumps(
            {
                "accessor": accessor,
                "time": datetime.now(UTC).isoformat(timespec="seconds"),
                "slides": len(slides),
                **several,
                "predictions_sha256": hashlib.sha256(
                    "\n".join(slides).encode() + np.ascontiguousarray(probabilities).tobytes()
                ).hexdigest(),
            }
        )
        self.root.mkdir(parents=True, exist_ok=True)
        with locked(self.root / f".{FILE}.lock"):
            text = self._text(FILE)
            # A line that a kill cut short is ended, so that it spoils no other.
            start = "" if not text or text.endswith("\n") else "\n"
            with (self.root / FILE).open("a", encoding="utf-8") as file:
                file.write(f"{start}{line}\n")
        before = _counts(self._text(FORMER_FILE))[accessor] + _counts(text)[accessor]
        return before + max(1, several.get("accesses", 1))

    def counts(self) -> Counter[str]:
        """Accesses by accessor."""
        return _counts(self._text(FORMER_FILE)) + _counts(self._text(FILE))

    def _text(self, name: str) -> str:
        try:
            return (self.root / name).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""


def _counts(text: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for accessor, accesses in map(_access, text.splitlines()):
        found[accessor] += accesses
    del found[""]  # lines that were cut short
    return found


def _access(line: str) -> tuple[str, int]:
    """The accessor, and how many accesses at once; "" where the line cannot be read."""
    try:
        entry = json.loads(line)
        accessor = entry["accessor"] if "accessor" in entry else entry["asker"]
        return str(accessor), max(1, int(entry.get("accesses", entry.get("questions", 1))))
    except (ValueError, KeyError, TypeError, AttributeError):
        return "", 0
