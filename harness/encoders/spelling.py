"""Names of tile encoders as tools spell them, and the widths of their features.

One name means several embeddings: with or without the mean of the patch tokens, projected or not, original or other
weights. The names of the table pin what decides that, as ``virchow2@cls+mean``.
"""

from __future__ import annotations

import functools
import re

from harness.encoders.table import ROWS, Row
from harness.encoders.table.row import UNKNOWN

__all__ = ["UNKNOWN", "canonical", "same", "variants", "width_problem"]


def _key(name: str) -> str:
    return re.sub(r"[\s_.\-/]", "", name.casefold())


@functools.cache
def variants(name: str) -> tuple[Row, ...]:
    """What a name may stand for; nothing for one that is not known here."""
    key = _key(name)
    exact = tuple(one for one in ROWS if _key(one.name) == key)
    return exact or tuple(one for one in ROWS if key in one.spellings)


def canonical(name: str, width: int | None = None) -> str:
    """One name for all spellings; with the width of the features, the variant that it pins.

    A name that is not known here stays as it is.
    """
    found = variants(name)
    if width is not None:
        found = tuple(one for one in found if one.width == width) or found
    if len(found) == 1:
        return found[0].name
    stems = {one.stem for one in found}
    return stems.pop() if len(stems) == 1 else name


def same(one: str, other: str) -> bool:
    """Whether two names may mean the same features: the same encoder, and no two different variants."""
    here, there = variants(one), variants(other)
    return (
        bool({row.name for row in here} & {row.name for row in there}) if here and there else _key(one) == _key(other)
    )


def width_problem(name: str, width: int) -> str:
    """What is wrong where features of encoder ``name`` have ``width`` columns; empty where nothing is known to be."""
    found = variants(name)
    if not found or width in {one.width for one in found}:
        return ""
    right = " or ".join(f"{one.width}" for one in found)
    problem = f"features of {name} have {right} columns, these have {width}"
    family = [one for one in ROWS if one.stem == found[0].stem and one.width == width]
    if family:
        return f"{problem}: the width of {family[0].name} ({family[0].note})"
    for one in found:
        if width == one.width + 3:
            return f"{problem}: three leading columns look like Owkin's tile addresses"
        if 0 < width - one.width <= 16:
            return f"{problem}: {width - one.width} more, as where DSMIL appends one-hot labels behind the features"
        if width == 2 * one.width:
            return f"{problem}: twice as many, as where the mean of the patch tokens is appended to the class token"
        if 2 * width == one.width:
            return f"{problem}: half as many, as with the class token alone"
    return problem
