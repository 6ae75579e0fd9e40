"""Evidence that is there and does not count, because it is not what it was when it was written."""

from __future__ import annotations

from collections.abc import Callable, Collection

from harness.core.errors import DataError
from harness.results.predictions import PREDICTIONS


def damage_of(altered: Callable[[], Collection[str]]) -> str:
    """What is wrong with a unit's evidence, so that it has to be made again; empty where it is whole, or absent.

    Args:
        altered: names the files that are not what the record says; raises DataError where there is no readable record.
    """
    try:
        names = altered()
    except DataError as error:
        return "" if isinstance(error.__cause__, FileNotFoundError) else error.problem
    return f"{PREDICTIONS} is not what the record says" if PREDICTIONS in names else ""
