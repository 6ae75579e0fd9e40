"""The chain of the access log: every line holds the SHA-256 of the line before it, so that edits are found.

``previous`` is the hash of the bytes of the line before, without its line feed; of the first line it is empty. Lines of
earlier versions have none: the chain begins behind them, and covers the last of them. A line that a kill cut short is
covered by the next one like any other. What is cut off at the end is found by whoever has noted the head: a signed
statement (``bench attest``) does.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any, BinaryIO

PREVIOUS = "previous"
_BLOCK = 1 << 12


def line_hash(line: bytes) -> str:
    """Hash of a line without its line feed; empty for no line."""
    return hashlib.sha256(line).hexdigest() if line else ""


def last_line(file: BinaryIO) -> bytes:
    """The last line of a file that is open for reading, without its line feed; read from its end."""
    end = file.seek(0, os.SEEK_END)
    tail = b""
    while end > 0 and b"\n" not in tail.rstrip(b"\n"):
        start = max(0, end - _BLOCK)
        file.seek(start)
        tail = file.read(end - start) + tail
        end = start
    return tail.rstrip(b"\n").rpartition(b"\n")[2]


def head(path: Path, lines: int | None = None) -> tuple[int, str]:
    """How many lines a log has, and the hash of the last one; of its first ``lines`` where that is given."""
    every = read_lines(path)
    kept = every if lines is None else every[:lines]
    return len(kept), line_hash(kept[-1]) if kept else ""


def chain_problems(path: Path) -> list[tuple[int, str, str, str]]:
    """Lines that do not go on from the line before: number, what is wrong, the hash that stands there, the true one."""
    found = []
    before, chained = b"", False
    for number, line in enumerate(read_lines(path), start=1):
        stated = _previous(line)
        true = line_hash(before)
        if stated is None:
            if chained and _is_whole(line):
                found.append((number, "a line without the hash of the one before it was put in", "", true))
        elif stated != true:
            what = f"line {number - 1} was edited, or lines before line {number} were taken out or put in"
            found.append((number, what, stated, true))
        chained = chained or stated is not None
        before = line
    return found


def read_lines(path: Path) -> list[bytes]:
    """The lines of a log without their line feeds; none where it is missing."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    return [line for line in content.split(b"\n") if line]


def _previous(line: bytes) -> str | None:
    try:
        entry: Any = json.loads(line)
        return str(entry[PREVIOUS])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _is_whole(line: bytes) -> bool:
    """Whether it is a line, and not the beginning of one that a kill cut short."""
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True
