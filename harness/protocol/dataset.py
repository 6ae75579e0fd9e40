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
from harness.protocol.names import check_name
from harness.protocol.splits import Splits, read_splits
from harness.protocol.table import Row, read_table
from harness.suggest import nearest, unknown


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
    censored), the same for all slides of a patient. Further columns are kept as text.

    Raises:
        DataError: the card or the label table is missing or wrong, with file and field.
    """
    card = read_card(folder / "card.yaml")
    path = folder / card.labels
    if card.task == "survival":
        entries = tuple(_followed(row, path) for row in read_table(path, ("slide", "patient", "time", "event")))
    else:
        entries = tuple(_entry(row, card.classes, path) for row in read_table(path, ("slide", "patient", "label")))
    _check_unique(entries, path)
    _check_declared(card, entries, folder / "card.yaml")
    dataset = Dataset(card, folder, entries)
    if card.task == "survival":
        check_patients(dataset.slides, dataset.follow_up(dataset.slides), place=str(path))
    return dataset


def _entry(row: Row, classes: Sequence[str], path: Path) -> Entry:
    place = f"{path}, line {row.line}, column"
    slide, patient = (check_name(row[kind], kind, f"{place} {kind}") for kind in ("slide", "patient"))
    extra = {column: text for column, text in row.cells.items() if column not in {"slide", "patient", "label"}}
    return Entry(slide, patient, _class_index(row["label"], classes, f"{place} label"), extra)


def _followed(row: Row, path: Path) -> Entry:
    place = f"{path}, line {row.line}, column"
    slide, patient = (check_name(row[kind], kind, f"{place} {kind}") for kind in ("slide", "patient"))
    time, event = read_time(row["time"], f"{place} time"), read_event(row["event"], f"{place} event")
    used = {"slide", "patient", "time", "event"}
    return Entry(slide, patient, event, {name: text for name, text in row.cells.items() if name not in used}, time)


def _class_index(text: str, classes: Sequence[str], place: str) -> int:
    """Index of a class that is given by name or, where no class has that name, by number."""
    if text in classes:
        return classes.index(text)
    if text.isascii() and text.isdigit() and int(text) < len(classes):
        return int(text)
    raise DataError(f"label {text!r} is not a class of the card", place=place, fix=f"classes are: {', '.join(classes)}")


def _check_unique(entries: Sequence[Entry], path: Path) -> None:
    # File names are compared without regard to letter case, so ids that differ by case alone are the same slide.
    seen: dict[str, str] = {}
    for entry in entries:
        folded = entry.slide.casefold()
        if folded in seen:
            same = seen[folded] == entry.slide
            both = f"slide {entry.slide}" if same else f"slides {seen[folded]} and {entry.slide}"
            raise DataError(
                f"{both} listed twice (letter case does not count)", place=str(path), fix="keep one line per slide"
            )
        seen[folded] = entry.slide


def _check_declared(card: DatasetCard, entries: Sequence[Entry], path: Path) -> None:
    """A pair under ``not_duplicates`` that names no slide of the table would be an exception that does nothing."""
    known = {entry.slide for entry in entries}
    for slide in (slide for pair in card.not_duplicates for slide in pair):
        if slide not in known:
            hits = nearest(slide, known, count=1)
            raise DataError(
                f"the card declares {slide!r} to be no duplicate, and the label table has no such slide",
                place=f"{path}, field not_duplicates",
                fix=f"did you mean {hits[0]!r}?" if hits else "remove the pair",
            )
