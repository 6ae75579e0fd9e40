"""Which feature file belongs to which line of a label table: by equal ids, or by a rule that the user has chosen.

A rule is never applied by itself: where it would match more, it is offered. Parts of a name are never enough.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, get_args

from harness.datasets.identity import spelling
from harness.datasets.new_labels import FEATURE_SUFFIXES
from harness.datasets.slide_files import FLAT_SUFFIXES, SLIDE_SUFFIXES

Rule = Literal["case", "extension", "patches", "zeros", "barcode"]
RULES: tuple[Rule, ...] = get_args(Rule)
WORDS: Mapping[Rule, str] = {
    "case": "letter case is ignored",
    "extension": "file extensions are ignored",
    "patches": "a trailing _patches is ignored",
    "zeros": "zeros before a number are ignored",
    "barcode": "TCGA barcodes are compared by their leading fields",
}
_EXTENSIONS = (
    *SLIDE_SUFFIXES,
    *FLAT_SUFFIXES,
    ".dcm",
    *FEATURE_SUFFIXES,
    ".qptiff",
    ".czi",
    ".vsi",
    ".isyntax",
    ".ome",
)
_BARCODE = re.compile(r"TCGA(?:-[A-Z0-9]+){2,}", re.IGNORECASE)
_PATIENT_FIELDS = 3


@dataclass(frozen=True)
class Join:
    """Label table and features, put together.

    Attributes:
        files: id in the table → ids of its features; several where the table lists patients by their barcode.
        missing: ids in the table without features.
        extra: features without a line in the table.
        ambiguous: id in the table → features among which nothing chooses.
    """

    files: Mapping[str, tuple[str, ...]]
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    ambiguous: Mapping[str, tuple[str, ...]]


def join(labels: Sequence[str], features: Sequence[str], rules: Collection[Rule] = ()) -> Join:
    """Put ids of a label table and of features together.

    Args:
        labels: ids in the table, each once.
        features: ids of feature files, each once.
        rules: what is ignored on comparing; none compares as they are written.
    """
    by_key: dict[str, list[str]] = {}
    for name in features:
        for key in _keys(name, rules, own=True):
            by_key.setdefault(key, []).append(name)
    files: dict[str, tuple[str, ...]] = {}
    ambiguous: dict[str, tuple[str, ...]] = {}
    exact = set(features)
    for label in labels:
        hits = [label] if label in exact else _hits(label, by_key, rules)
        if len(hits) == 1 or (hits and "barcode" in rules and _is_patient(label)):
            files[label] = tuple(hits)
        elif hits:
            ambiguous[label] = tuple(hits)
    _part_shared(files, ambiguous)
    used = {name for hits in (*files.values(), *ambiguous.values()) for name in hits}
    missing = tuple(label for label in labels if label not in files and label not in ambiguous)
    return Join(files, missing, tuple(name for name in features if name not in used), ambiguous)


def offers(
    labels: Sequence[str], features: Sequence[str], rules: Collection[Rule]
) -> Iterator[tuple[tuple[Rule, ...], int]]:
    """(further rules, how many labels match with them) of the fewest rules that match more, the best first."""
    have = len(join(labels, features, rules).files)
    others = [rule for rule in RULES if rule not in rules]
    for count in range(1, len(others) + 1):
        tried = [(more, len(join(labels, features, (*rules, *more)).files)) for more in combinations(others, count)]
        better = sorted((one for one in tried if one[1] > have), key=lambda one: -one[1])
        if better:
            yield from better
            return


def _hits(label: str, by_key: Mapping[str, list[str]], rules: Collection[Rule]) -> list[str]:
    found = [name for key in _keys(label, rules, own=False) for name in by_key.get(key, ())]
    return list(dict.fromkeys(found))


def _part_shared(files: dict[str, tuple[str, ...]], ambiguous: dict[str, tuple[str, ...]]) -> None:
    """Features that several labels match belong to none of them."""
    labels_of: dict[str, list[str]] = {}
    for label, hits in files.items():
        for name in hits:
            labels_of.setdefault(name, []).append(label)
    for label in {label for labels in labels_of.values() if len(labels) > 1 for label in labels}:
        ambiguous[label] = files.pop(label)


def _keys(name: str, rules: Collection[Rule], *, own: bool) -> list[str]:
    """Forms in which a name is compared: of features (``own``) the barcodes that they begin with, of a label itself."""
    for rule, change in _CHANGES.items():
        if rule in rules:
            name = change(name)
    if "barcode" not in rules or not (match := _BARCODE.match(name)):
        return [name]
    barcode = match[0].upper()
    if name[len(barcode) :][:1] not in ("", "."):
        return [name]
    fields = barcode.split("-")
    if not own:
        return [name, barcode]
    return [name, *("-".join(fields[:end]) for end in range(_PATIENT_FIELDS, len(fields) + 1))]


def _is_patient(label: str) -> bool:
    return bool(_BARCODE.fullmatch(label)) and label.count("-") == _PATIENT_FIELDS - 1


def _without_extension(name: str) -> str:
    while (end := next((one for one in _EXTENSIONS if name.lower().endswith(one)), "")) and len(name) > len(end):
        name = name[: -len(end)]
    return name


_CHANGES: Mapping[Rule, Callable[[str], str]] = {
    "extension": _without_extension,
    "patches": lambda name: re.sub(r"_patches$", "", name, flags=re.IGNORECASE),
    "zeros": lambda name: name.lstrip("0") or "0" if name.isascii() and name.isdigit() else name,
    "case": spelling,
}
