"""Nearest names, so that a misspelt word is answered with the right one."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from harness.core.errors import UsageError, shown

_ALIASES = {
    "learningrate": "lr",
    "batch": "batch_size",
    "bs": "batch_size",
    "wd": "weight_decay",
    "l2": "weight_decay",
    "numepochs": "epochs",
    "nepochs": "epochs",
    "maxepochs": "epochs",
    "earlystopping": "patience",
    "optim": "optimizer",
    "dropoutrate": "dropout",
    "numtiles": "tiles_per_slide",
    "patchsize": "tile_px",
    "tilesize": "tile_px",
    "resolution": "mpp",
}
"""What people call things elsewhere → their names here; letters and digits alone."""
_SHORTEST = 4
"""Letters of a name that is looked for inside another."""


def plain_spelling(word: str) -> str:
    """``word`` without what people spell differently: case, dashes, underscores, dots, spaces."""
    return re.sub(r"[\W_]+", "", word.casefold())


def same_word(word: str, name: str) -> bool:
    """Whether a word is a name in another spelling, or what the name is called elsewhere."""
    typed = plain_spelling(word)
    return typed == plain_spelling(name) or _ALIASES.get(typed) == name


def nearest(word: str, known: Iterable[str], *, count: int = 3) -> list[str]:
    """Names in ``known`` that look like ``word``, the nearest first.

    Case, dashes and the like do not matter. Then come what the word is called elsewhere, names spelt almost like it,
    and names that hold the word or that it holds.
    """
    plain = {name: plain_spelling(name) for name in known}
    typed = plain_spelling(word)
    hits = [name for name, one in plain.items() if typed and one == typed]
    hits += [name for name in plain if name == _ALIASES.get(typed)]
    close = difflib.get_close_matches(typed, plain.values(), n=count, cutoff=0.6)
    hits += [name for one in close for name in plain if plain[name] == one]
    hits += sorted(
        (
            name
            for name, one in plain.items()
            if min(len(one), len(typed)) >= _SHORTEST and (one in typed or typed in one)
        ),
        key=len,
        reverse=True,
    )
    by_lower = {name.lower(): name for name in plain}
    hits += [by_lower[one] for one in difflib.get_close_matches(word.lower(), by_lower, n=count, cutoff=0.5)]
    return list(dict.fromkeys(hits))[:count]


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
