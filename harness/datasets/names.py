"""Which texts may be the name of a slide, a patient or a class.

Names become file names, cells of tables and labels of figures, and they come from files that somebody sent. What could
lead out of a folder, break a line or run as a formula in a spreadsheet is refused.
"""

from __future__ import annotations

import re
import unicodedata

from harness.core.errors import DataError

_LONGEST = 200
_SEPARATORS = set('/\\:*?"<>|')
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


def shown_bytes(name: str) -> str:
    """The name of a file with the bytes that are not UTF-8 written out (``\\xff``), so that a card can hold it."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def check_name(text: str, kind: str, place: str) -> str:
    """``text`` itself, if it may be a name.

    Args:
        text: the name.
        kind: what it names ("slide", "patient", "class"), for the error.
        place: where it stands.

    Raises:
        DataError: it is empty, too long, or holds what a name must not.
    """
    if problem := _problem(text):
        raise DataError(f"{_short(text)} cannot be the name of a {kind}: {problem}", place=place, fix="rename it")
    return text


def check_label(text: str, kind: str, place: str) -> str:
    """``text`` itself, if it may be shown as a name: as :func:`check_name`, but it never becomes a file name.

    Raises:
        DataError: it is empty, too long, more than a line, holds control characters, or starts a formula.
    """
    if problem := _unshowable(text):
        raise DataError(f"{_short(text)} cannot be the name of a {kind}: {problem}", place=place, fix="rename it")
    return text


def _problem(text: str) -> str:
    if problem := _unshowable(text):
        return problem
    if found := sorted(_SEPARATORS & set(text)):
        return f"it holds {' '.join(found)}, give the name without folders"
    return "it starts with a dot" if text.startswith(".") else ""


def _unshowable(text: str) -> str:
    if not text:
        return "it is empty"
    if len(text) > _LONGEST:
        return f"it is longer than {_LONGEST} characters"
    if any(unicodedata.category(character)[0] in "CZ" and character != " " for character in text):
        return "it holds a line break, a control character or an invisible one"
    if text != text.strip():
        return "it starts or ends with a space"
    if text[0] in "=+-@" and not _NUMBER.fullmatch(text):
        return f"it starts with {text[0]}, which a spreadsheet takes for a formula"
    return ""


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")
