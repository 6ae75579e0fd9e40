"""When two spellings are one name: for files, and for the slides, patients, sites and classes of tables.

Two forms of a text are compared, and nowhere else is it decided what counts as the same:

- :func:`spelling`, for names and files. It leaves out only what file systems themselves change: letter case and the
  Unicode composition of accents. Equal spellings are taken for the same name without asking.
- :func:`identity`, for people and their tables. It also leaves out what spreadsheets, scripts and typists change.
  Different spellings of equal identity are reported, never merged: which one is meant is for the owner of the table to
  say.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable

from harness.core.errors import DataError
from harness.core.suggest import nearest

_DASHES = {0x2212: "-", 0x2043: "-"}
_QUOTES = dict.fromkeys((0x2018, 0x2019, 0x201B, 0x02BC, 0x2032, 0x0060, 0x00B4), "'")
_VARIATIONS = frozenset(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
_ZEROS = re.compile(r"(?<!\d)0+(?=\d)")
_WHOLE = re.compile(r"([+-]?\d+)(?:\.0*|,00?)")
_SPACE_IN_NUMBERS = re.compile(r"(?<=\d) (?=\d)")


def spelling(text: str) -> str:
    """``text`` without regard to letter case and to the Unicode form of its accents."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def identity(text: str) -> str:
    """The form in which two ids of a table are compared.

    Of no account are letter case, Unicode composition, compatibility forms (full-width letters), surrounding spaces and
    spaces beside anything but digits, invisible characters, the kind of dash or apostrophe, leading zeros of a number
    (``P07`` and ``P7``), and the decimal zero of a whole number (``17.0``).
    """
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    text = "".join(_plain(character) for character in text).translate(_QUOTES)
    text = " ".join(text.split())
    if whole := _WHOLE.fullmatch(text):
        text = whole[1]
    text = _SPACE_IN_NUMBERS.sub("\0", _ZEROS.sub("", text))
    return text.replace(" ", "").replace("\0", " ")


def _plain(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Pd" or ord(character) in _DASHES:
        return "-"
    if category == "Cf" or character in _VARIATIONS:
        return ""  # zero width, direction marks, soft hyphens, byte order marks
    return " " if category[0] == "Z" else character


def visible(text: str) -> str:
    """A column's name without invisible characters and surrounding spaces, its accents composed."""
    characters = (character for character in text if unicodedata.category(character) != "Cf")
    return " ".join(unicodedata.normalize("NFC", "".join(characters)).split())


def check_spellings(
    cells: Iterable[tuple[str, int]], kind: str, *, place: str, fix: str, distinct: bool = False
) -> None:
    """Refuse ids that differ in spelling alone.

    Args:
        cells: the ids with the lines that they stand in, line by line.
        kind: what they name: ``patient``, ``slide``, ``site``, ``class``.
        place: table and column, for the error.
        fix: how to declare that they are different; it follows on "make the spelling one, or".
        distinct: whether that has been declared. What :func:`spelling` takes for the same slide remains the same.

    Raises:
        DataError: names both spellings, with their first lines.
    """
    first: dict[str, dict[str, int]] = {}
    for text, line in cells:
        key = identity(text) if not distinct else spelling(text) if kind == "slide" else text
        first.setdefault(key, {}).setdefault(text, line)
    double = [spellings for spellings in first.values() if len(spellings) > 1]
    if not double:
        return
    (one, here), (other, there) = list(double[0].items())[:2]
    more = f", and {len(double) - 1} more are written in several ways" if len(double) > 1 else ""
    same_file = kind == "slide" and spelling(one) == spelling(other)
    one, other = quoted(one, other)
    raise DataError(
        f"{one} and {other} differ in spelling alone, and are probably one {kind}{more}",
        place=f"{place}, lines {here} and {there}",
        fix="keep one line per slide" if same_file else f"make the spelling one, or {fix}",
    )


def quoted(*texts: str) -> tuple[str, ...]:
    """Each text in quotes; with escapes where they would look the same, or nearly so, on the terminal."""
    seen = {unicodedata.normalize("NFC", text) for text in texts}
    plain = len(seen) == len(texts) and all(text.isascii() or text.isprintable() for text in texts)
    return tuple(repr(text) if plain else ascii(text) for text in texts)


def like(word: str, known: Collection[str]) -> list[str]:
    """Names in ``known`` that ``word`` may stand for: one of the same identity, else the nearest one."""
    wanted = identity(word)
    return [name for name in known if identity(name) == wanted][:1] or nearest(word, known, count=1)


def did_you_mean(word: str, known: Collection[str]) -> str:
    """``did you mean 'S01' for 's-01'? ``, with a space behind it; empty where no name is near."""
    if not (hits := like(word, known)):
        return ""
    meant, written = quoted(hits[0], word)
    return f"did you mean {meant} for {written}? "
