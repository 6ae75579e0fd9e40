"""Numbers in attributes and JSON files of others, taken only where they can be what they are called."""

from __future__ import annotations

import math
from typing import Any


def positive(value: Any) -> float | None:
    """A finite number above 0, also where it is written as text; None for anything else."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and number > 0 and not isinstance(value, bool) else None


def pixels(value: Any) -> int | None:
    """A whole number of pixels above 0; None for anything else."""
    number = positive(value)
    return int(number) if number is not None and number == int(number) else None


def text(value: Any) -> str | None:
    """A word; None for anything else."""
    return value.strip() or None if isinstance(value, str) else None
