"""The choices in how tiles are laid on slides and read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Align = Literal["corner", "tiles"]
Resampler = Literal["level", "dct"]

PLAIN_READING: Mapping[str, str] = {"align": "corner", "resampler": "level"}
"""How tiles are read where nobody says otherwise."""
