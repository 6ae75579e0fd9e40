"""Layer widths as text, so that they can be typed behind ``--set``."""

from __future__ import annotations

import re

from harness import UsageError


def parse_widths(text: str, *, place: str = "trunk") -> tuple[int, ...]:
    """``"256-128-64"`` → ``(256, 128, 64)``; ``"none"`` → ``()``.

    Raises:
        UsageError: anything else.
    """
    if text.strip().lower() in {"", "none"}:
        return ()
    if not re.fullmatch(r"[1-9][0-9]{0,5}(-[1-9][0-9]{0,5})*", text.strip()):
        raise UsageError(
            f"{text!r} is not a list of layer widths",
            place=place,
            fix="write widths with hyphens, such as 256-128-64, or none",
        )
    return tuple(map(int, text.split("-")))
