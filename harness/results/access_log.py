"""The test-set access log: every time predictions were compared with test labels. It only grows."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.filelock import locked
from harness.results.access_chain import PREVIOUS, head, last_line, line_hash
from harness.verification.accesses import Access
from harness.verification.facts import scored_digest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FILE = "test_accesses.jsonl"
FORMER_FILE = "questions.jsonl"
"""Its name in runs folders of earlier versions, which is read as well, with the names that its lines had then."""


@dataclass(frozen=True)
class AccessLog:
    """The test-set accesses of a runs folder, a line each, in ``test_accesses.jsonl``, chained by their hashes
    (:mod:`harness.results.access_chain`).

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
        entry = {
            "accessor": accessor,
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "slides": len(slides),
            **several,
            "predictions_sha256": scored_digest(slides, probabilities),
        }
        self.root.mkdir(parents=True, exist_ok=True)
        with locked(self.root / f".{FILE}.lock"), (self.root / FILE).open("ab+") as file:
            before = _counted(self.root / FORMER_FILE)[accessor] + _counted(self.root / FILE)[accessor]
            # A line that a kill cut short is ended, so that it spoils no other.
            start = "" if _ends(file) else "\n"
            entry[PREVIOUS] = line_hash(last_line(file))
            file.write(f"{start}{json.dumps(entry)}\n".encode())
        return before + max(1, several.get("accesses", 1))

    def counts(self) -> Counter[str]:
        """Accesses by accessor."""
        return _counted(self.root / FORMER_FILE) + _counted(self.root / FILE)

    def head(self, lines: int | None = None) -> tuple[int, str]:
        """How many lines the log has, and the hash of the last; of its first ``lines`` where that is given."""
        return head(self.root / FILE, lines)

    def lines(self) -> dict[str, list[Access]]:
        """All lines by accessor, in their order, parsed anew: for verification, which trusts no earlier reading."""
        found: dict[str, list[Access]] = {}
        for name in (FORMER_FILE, FILE):
            for line in _content(self.root / name, 0).splitlines():
                accessor, access = _access(line)
                if accessor:
                    found.setdefault(accessor, []).append(access)
        return found


@dataclass
class _Counted:
    """What has been counted of a log: it only grows, so no line is parsed twice by a process.

    Attributes:
        file: device and inode of the log.
        size: bytes that have been counted, up to the end of a line.
        accesses: by accessor.
    """

    file: tuple[int, int]
    size: int = 0
    accesses: Counter[str] = field(default_factory=Counter)


_known: dict[Path, _Counted] = {}


def _counted(path: Path) -> Counter[str]:
    """Accesses by accessor; only what has been added since the last call is read."""
    try:
        status = path.stat()
    except FileNotFoundError:
        _known.pop(path, None)
        return Counter()
    state = _known.get(path)
    if state is None or state.file != (status.st_dev, status.st_ino) or status.st_size < state.size:
        state = _known[path] = _Counted((status.st_dev, status.st_ino))
    if status.st_size == state.size:
        return state.accesses
    whole, ended, cut = _content(path, state.size).rpartition(b"\n")
    for line in whole.splitlines():
        accessor, access = _access(line)
        state.accesses[accessor] += access.accesses
    state.size += len(whole) + len(ended)
    del state.accesses[""]  # lines that were cut short
    accessor, access = _access(cut)
    return state.accesses + Counter({accessor: access.accesses} if accessor else {})


def _content(path: Path, start: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(start)
            return file.read()
    except FileNotFoundError:
        return b""


def _ends(file: Any) -> bool:
    """Whether an open file is empty or ends with a whole line."""
    if file.seek(0, os.SEEK_END) == 0:
        return True
    file.seek(-1, os.SEEK_END)
    return bool(file.read(1) == b"\n")


def _access(line: bytes) -> tuple[str, Access]:
    """The accessor, and how many accesses at once; "" where the line cannot be read."""
    try:
        entry = json.loads(line.decode("utf-8", errors="replace"))
        accessor = entry["accessor"] if "accessor" in entry else entry["asker"]
        count = max(1, int(entry.get("accesses", entry.get("questions", 1))))
        return str(accessor), Access(count, str(entry.get("predictions_sha256", "")))
    except (ValueError, KeyError, TypeError, AttributeError):
        return "", Access(0, "")
