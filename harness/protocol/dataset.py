"""A dataset: its card, and the slides that its label table lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from harness.errors import DataError
from harness.protocol.card import DatasetCard, ProtocolCard
from harness.protocol.card_file import read_card
from harness.protocol.follow_up import FollowUp, check_patients, read_event, read_time
from harness.protocol.identity import check_spellings, did_you_mean
from harness.protocol.missing import is_missing, missing_in, refuse_missing
from harness.protocol.names import check_name
from harness.protocol.splits import Splits, read_splits
from harness.protocol.table import Row, read_table
from harness.suggest import unknown

SITE_COLUMN = "site"
"""The column that says where a slide comes from, unless the card names another one."""


@dataclass(frozen=True)
class Entry:
    """One slide (one bag) of a dataset.

    Attributes:
        slide: slide id.
        patient: patient id; slides of one patient are never parted.
        label: index of the slide's class in the card's ``classes``; in survival 1 for an event, 0 for censored.
        extra: the label table's other columns, as text.
        time: in survival the time until the event or the end of follow-up; None otherwise.
    """

    slide: str
    patient: str
    label: int
    extra: Mapping[str, str]
    time: float | None = None


@dataclass(frozen=True)
class Dataset:
    """A card, the folder it lies in, and the labelled slides, in the order of the label table."""

    card: DatasetCard
    folder: Path
    entries: tuple[Entry, ...]

    @property
    def name(self) -> str:
        """The word typed behind ``--dataset``."""
        return self.card.name

    @cached_property
    def by_slide(self) -> Mapping[str, Entry]:
        """Slide id → entry."""
        return {entry.slide: entry for entry in self.entries}

    @property
    def slides(self) -> tuple[str, ...]:
        """All slide ids."""
        return tuple(entry.slide for entry in self.entries)

    @cached_property
    def patients(self) -> Mapping[str, str]:
        """Slide id → patient id."""
        return {entry.slide: entry.patient for entry in self.entries}

    def follow_up(self, slides: Sequence[str]) -> FollowUp:
        """Follow-up of the patients of ``slides``, of a dataset of survival."""
        entries = [self.by_slide[slide] for slide in slides]
        return FollowUp(
            tuple(entry.patient for entry in entries),
            np.array([entry.time for entry in entries], np.float64),
            np.array([entry.label for entry in entries], np.int64),
        )

    def protocol(self, name: str | None = None) -> tuple[str, ProtocolCard]:
        """Name and card of a protocol; None for the default one.

        Raises:
            UsageError: there is no such protocol.
        """
        chosen = name or self.card.default_protocol
        if chosen not in self.card.protocols:
            raise unknown(
                "protocol",
                chosen,
                self.card.protocols,
                place="--protocol",
                listing=f"bench datasets show {self.name}",
            )
        return chosen, self.card.protocols[chosen]

    def splits(self, protocol: str | None = None) -> Splits:
        """The folds of a protocol, checked against the label table.

        Raises:
            UsageError: there is no such protocol.
            DataError: the split file is wrong; see :func:`harness.protocol.splits.read_splits`.
        """
        return read_splits(self.folder / self.protocol(protocol)[1].splits, self.by_slide)


def load_dataset(folder: Path) -> Dataset:
    """Read ``card.yaml`` and the label table of a dataset folder.

    The label table has the columns ``slide``, ``patient`` and ``label``; a label is a class name of the card, or its
    index. For survival it has ``slide``, ``patient``, ``time`` (above 0, in any one unit) and ``event`` (1, or 0 for
    censored), the same for all slides of a patient. Further columns are kept as text; a site that is missing is empty.

    Raises:
        DataError: the card or the label table is missing or wrong, with file and field; a value is missing (see
            :mod:`harness.protocol.missing`); slides, patients or sites differ in spelling alone (see
            :mod:`harness.protocol.identity`).
    """
    card = read_card(folder / "card.yaml")
    path = folder / card.labels
    truth = ("time", "event") if card.task == "survival" else ("label",)
    rows = read_table(path, ("slide", "patient", *truth))
    needed = [(column, column) for column in ("slide", "patient", *truth)]
    missing = missing_in(rows, needed, declared=card.classes if card.task == "classification" else ())
    refuse_missing(missing, len(rows), path, fix="fill the cells in, or leave these lines out")
    site = _check_ids(rows, card, path)
    entries = tuple(_entry(row, card, path, site) for row in rows)
    _check_declared(card, entries, folder / "card.yaml")
    dataset = Dataset(card, folder, entries)
    if card.task == "survival":
        check_patients(dataset.slides, dataset.follow_up(dataset.slides), place=str(path))
    return dataset


def _check_ids(rows: Sequence[Row], card: DatasetCard, path: Path) -> str:
    """Refuse slides that stand twice, and ids that differ in spelling alone. The column of sites, if there is one."""
    lines: dict[str, int] = {}
    for row in rows:
        if (first := lines.setdefault(row["slide"], row.line)) != row.line:
            raise DataError(
                f"slide {row['slide']} stands twice",
                place=f"{path}, lines {first} and {row.line}",
                fix="keep one line per slide",
            )
    wanted = card.site or SITE_COLUMN
    site = wanted if wanted in rows[0].positions else ""
    for kind, column in (("slide", "slide"), ("patient", "patient"), *([("site", site)] * bool(site))):
        check_spellings(
            ((row[column], row.line) for row in rows if not is_missing(row[column])),
            kind,
            place=f"{path}, column {column}",
            fix="add distinct_ids: true to the card if they are different",
            distinct=card.distinct_ids,
        )
    return site


def _entry(row: Row, card: DatasetCard, path: Path, site: str) -> Entry:
    place = f"{path}, line {row.line}, column"
    slide, patient = (check_name(row[kind], kind, f"{place} {kind}") for kind in ("slide", "patient"))
    extra = row.cells
    if site and is_missing(extra[site]):
        extra[site] = ""
    if card.task == "survival":
        time, label = read_time(row["time"], f"{place} time"), read_event(row["event"], f"{place} event")
        used = {"slide", "patient", "time", "event"}
    else:
        time, label = None, _class_index(row["label"], card.classes, f"{place} label")
        used = {"slide", "patient", "label"}
    return Entry(slide, patient, label, {column: text for column, text in extra.items() if column not in used}, time)


def _class_index(text: str, classes: Sequence[str], place: str) -> int:
    """Index of a class that is written by name or, where no class is a number itself, by its number."""
    if text in classes:
        return classes.index(text)
    if text in map(str, range(len(classes))) and not any(name.isdigit() for name in classes):
        return int(text)
    hint = did_you_mean(text, classes)
    raise DataError(
        f"label {text!r} is not a class of the card", place=place, fix=f"{hint}classes are: {', '.join(classes)}"
    )


def _check_declared(card: DatasetCard, entries: Sequence[Entry], path: Path) -> None:
    """A pair under ``not_duplicates`` that names no slide of the table would be an exception that does nothing."""
    known = {entry.slide for entry in entries}
    for slide in (slide for pair in card.not_duplicates for slide in pair):
        if slide not in known:
            raise DataError(
                f"the card declares {slide!r} to be no duplicate, and the label table has no such slide",
                place=f"{path}, field not_duplicates",
                fix=did_you_mean(slide, known).strip() or "remove the pair",
            )
