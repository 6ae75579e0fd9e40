"""A dataset: its card, and the slides that its label table lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from harness.core.errors import DataError
from harness.core.suggest import unknown
from harness.datasets.card import DatasetCard, ProtocolCard
from harness.datasets.card_file import read_card
from harness.datasets.identity import check_spellings, did_you_mean
from harness.datasets.missing import is_missing, missing_in, refuse_missing
from harness.datasets.names import check_name
from harness.datasets.splits import Splits, read_splits
from harness.datasets.table import Row, read_table
from harness.tasks.task import Task
from harness.tasks.truth import Truth

SITE_COLUMN = "site"
"""The column that says where a slide comes from, unless the card names another one."""


@dataclass(frozen=True)
class Entry:
    """One slide (one bag) of a dataset.

    Attributes:
        slide: slide id.
        patient: patient id; slides of one patient are never split.
        label: index of the slide's class in the card's ``classes``; in survival 1 for an event, 0 for censored.
        extra: the label table's other columns, as text.
        truth: what the task predicts, by column of the label table.
    """

    slide: str
    patient: str
    label: int
    extra: Mapping[str, str]
    truth: Mapping[str, int | float]


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

    @cached_property
    def task(self) -> Task:
        """What is predicted."""
        return self.card.predicted()

    def truth(self, slides: Sequence[str]) -> Truth:
        """Labels of ``slides``."""
        return truth_of(self.task, [self.by_slide[slide] for slide in slides])

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
            DataError: the split file is wrong; see :func:`harness.datasets.splits.read_splits`.
        """
        return read_splits(self.folder / self.protocol(protocol)[1].splits, self.by_slide)


def load_dataset(folder: Path) -> Dataset:
    """Read ``card.yaml`` and the label table of a dataset folder.

    The label table has the columns ``slide``, ``patient`` and ``label``; a label is a class name of the card, or its
    index. For survival it has ``slide``, ``patient``, ``time`` (above 0, in any one unit) and ``event`` (1, or 0 for
    censored), the same for all slides of a patient. Further columns are kept as text; a site that is missing is empty.

    Raises:
        DataError: the card or the label table is missing or wrong, with file and field; a value is missing (see
            :mod:`harness.datasets.missing`); slides, patients or sites differ in spelling alone (see
            :mod:`harness.datasets.identity`).
    """
    card = read_card(folder / "card.yaml")
    path = folder / card.labels
    task = card.predicted()
    columns = ("slide", "patient", *task.truth)
    rows = read_table(path, columns)
    missing = missing_in(rows, [(column, column) for column in columns], declared=card.classes)
    refuse_missing(missing, len(rows), path, fix="fill the cells in, or leave these lines out")
    site = _check_ids(rows, card, path)
    entries = tuple(_entry(row, task, path, site) for row in rows)
    _check_declared(card, entries, folder / "card.yaml")
    dataset = Dataset(card, folder, entries)
    task.check(dataset.slides, dataset.truth(dataset.slides), place=str(path))
    return dataset


def truth_of(task: Task, entries: Sequence[Entry]) -> Truth:
    """Labels of some slides as columns."""
    kinds = {column: np.int64 if kind in {"class", "count"} else np.float64 for column, kind in task.truth.items()}
    return Truth(
        tuple(entry.patient for entry in entries),
        {column: np.array([entry.truth[column] for entry in entries], kind) for column, kind in kinds.items()},
    )


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


def _entry(row: Row, task: Task, path: Path, site: str) -> Entry:
    place = f"{path}, line {row.line}"
    slide, patient = (check_name(row[kind], kind, f"{place}, column {kind}") for kind in ("slide", "patient"))
    extra = row.cells
    if site and is_missing(extra[site]):
        extra[site] = ""
    truth = task.read({column: row[column] for column in task.truth}, place)
    used = {"slide", "patient", *task.truth}
    rest = {column: text for column, text in extra.items() if column not in used}
    return Entry(slide, patient, task.group(truth), rest, truth)


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
