"""The book of questions: every time test labels were asked, for good. It only grows."""

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

FILE = "questions.jsonl"


@dataclass(frozen=True)
class Questions:
    """The questions of a runs folder, a line each, in ``questions.jsonl``.

    Attributes:
        root: the runs folder.
    """

    root: Path

    def note(self, asker: str, slides: Sequence[str], probabilities: NDArray[np.float64]) -> int:
        """Take down that ``asker`` had predictions for ``slides`` scored; how often it has asked by now.

        Several processes may write at once.

        Args:
            asker: who asks.
            slides: n slide ids.
            probabilities: (n, C); (Q, n, C) are Q questions at once, in one line.
        """
        several = {"questions": len(probabilities)} if probabilities.ndim == 3 else {}
        line = json.dumps(
            {
                "asker": asker,
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
            text = self._text()
            # A line that a kill cut short is ended, so that it spoils no other.
            start = "" if not text or text.endswith("\n") else "\n"
            with (self.root / FILE).open("a", encoding="utf-8") as file:
                file.write(f"{start}{line}\n")
        return _counts(text)[asker] + max(1, several.get("questions", 1))

    def counts(self) -> Counter[str]:
        """How often each asker has asked."""
        return _counts(self._text())

    def _text(self) -> str:
        try:
            return (self.root / FILE).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""


def _counts(text: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for asker, questions in map(_question, text.splitlines()):
        found[asker] += questions
    del found[""]  # lines that were cut short
    return found


def _question(line: str) -> tuple[str, int]:
    """Who asked, and how many questions at once; "" where the line cannot be read."""
    try:
        entry = json.loads(line)
        return str(entry["asker"]), max(1, int(entry.get("questions", 1)))
    except (ValueError, KeyError, TypeError, AttributeError):
        return "", 0
