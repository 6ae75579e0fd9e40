"""Evidence that is there and does not count, because it is not what it was when it was written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import DataError
from harness.tracking.predictions import PREDICTIONS

if TYPE_CHECKING:
    from harness.tracking.store import RunStore


def damage_of(store: RunStore, unit_id: str) -> str:
    """What is wrong with a unit's evidence, so that it has to be made again; empty where it is whole, or absent."""
    try:
        altered = store.altered(unit_id)
    except DataError as error:
        return "" if isinstance(error.__cause__, FileNotFoundError) else error.problem
    return f"{PREDICTIONS} is not what the record says" if PREDICTIONS in altered else ""
