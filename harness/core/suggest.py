"""Nearest names, so that a misspelt word is answered with the right one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from harness.core.errors import UsageError, shown


def nearest(word: str, known: Iterable[str], *, count: int = 3) -> list[str]:
    """Names in ``known`` that look like ``word``, the nearest first (case does not matter)."""
    by_lower = {name.lower(): name for name in known}
    hits = difflib.get_close_matches(word.lower(), by_lower, n=count, cutoff=0.5)
    return [by_lower[hit] for hit in hits]


def unknown(kind: str, word: str, known: Iterable[str], *, place: str, listing: str) -> UsageError:
    """The error for a name that does not exist, naming the nearest right one.

    Args:
        kind: what the name stands for ("method", "dataset", "hyper-parameter").
        word: what was typed.
        known: the names that exist.
        place: where it was typed (an option, a file and field).
        listing: the command that lists the right names.
    """
    names = sorted(known)
    hits = nearest(word, names)
    fix = f"did you mean {hits[0]!r}? " if hits else ""
    fix += f"{listing} lists all {len(names)}" if len(names) > 12 else f"known: {', '.join(names)}"
    return UsageError(f"unknown {kind} {shown(word)}", place=place, fix=fix)
