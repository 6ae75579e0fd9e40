"""Layer widths as text, so that they can be typed behind ``--set``."""

from __future__ import annotations

from harness import UsageError


def parse_widths(text: str, *, place: str = "trunk") -> tuple[int, ...]:
    """``"256-128-64"`` → ``(256, 128, 64)``; ``"none"`` → ``()``.

    Raises:
        UsageError: anything else.
    """
    if text.strip().lower() in {"", "none"}:
        return ()
    try:
        widths = tuple(int(part) for part in text.split("-"))
    except ValueError:
        widths = (0,)
    if min(widths) < 1:
        raise UsageError(
            f"{text!r} is not a list of layer widths",
            place=place,
            fix="write widths with hyphens, such as 256-128-64, or none",
        )
    return widths
