"""Evidence that cannot be read, a line each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.core import console

if TYPE_CHECKING:
    from harness.results.studies import Broken


def show_damaged(broken: Sequence[Broken]) -> None:
    """Name every unit and study whose evidence does not count because it is damaged, with the reason."""
    for one in broken:
        console.warn(f"{one.name}: {one.reason}")
