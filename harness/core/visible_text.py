"""Text from elsewhere, written out so that a terminal obeys nothing in it."""

from __future__ import annotations

import re
import unicodedata

_TURNING = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Characters that change the direction of what is behind them, so that a line reads otherwise than it is."""


def visible(text: str, *, lines: bool = True, encoding: str) -> str:
    """``text`` with everything written out that a terminal would obey or could not show.

    Names and texts come from files that somebody sent: control characters (colours, cursor movements, bells), changes
    of direction, and bytes that are no characters (surrogates) become ``\\x1b``, ``\\u202e`` and the like.

    Args:
        text: any text.
        lines: keep line breaks; else they become spaces.
        encoding: what the terminal can show.
    """
    if not lines:
        text = re.sub(r"\s*[\r\n]+\s*", " ", text)
    text = "".join(
        character if character in "\n\t" or _harmless(character) else character.encode("unicode_escape").decode()
        for character in text
    )
    # Here rather than on writing, so that columns are as wide as what stands in them.
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _harmless(character: str) -> bool:
    return character not in _TURNING and unicodedata.category(character) not in {"Cc", "Cs", "Zl", "Zp"}
