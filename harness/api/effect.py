"""Which hyper-parameters have no effect on a study, from what each method declares about its own.

A class of hyper-parameters declares ``only_with``: name → conditions that all have to hold for the value to be read.
A condition is the name of another hyper-parameter, or of a fact of the study with a dot in it (:data:`FACTS`), and
either the values that it must have or :data:`SET`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

SET: Final = None
"""Condition: anything but none, 0, false or empty."""

Conditions = Mapping[str, Mapping[str, tuple[Any, ...] | None]]

FACTS = {
    "input.kind": "features or tiles",
    "protocol.select": "how the protocol chooses an epoch: best, last or test",
}
"""Facts of a study that a condition may name."""

TILES: Mapping[str, tuple[Any, ...] | None] = {"input.kind": ("tiles",)}
"""The value is read where the tile encoder is trained."""
SELECTING: Mapping[str, tuple[Any, ...] | None] = {"protocol.select": ("best", "test")}
"""The value is read where an epoch is chosen."""


def without_effect(
    conditions: Conditions, values: Mapping[str, Any], facts: Mapping[str, Any], *, facts_only: bool = False
) -> dict[str, str]:
    """Names of values that nothing reads → the condition that does not hold.

    Args:
        conditions: ``only_with`` of the hyper-parameters.
        values: all hyper-parameters.
        facts: name → value, see :data:`FACTS`.
        facts_only: look at conditions on facts alone.
    """
    known = {**values, **facts}
    found = {}
    for name, wanted in conditions.items():
        for other, allowed in wanted.items():
            holds = bool(known[other]) if allowed is SET else known[other] in allowed
            if not holds and (other in facts or not facts_only):
                found[name] = f"{other} is {_text(known[other])}"
                break
    return found


def _text(value: Any) -> str:
    return "none" if value in (None, ()) else str(value).lower() if isinstance(value, bool) else str(value)
