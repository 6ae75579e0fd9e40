"""What a new dataset predicts: its classes, and the labels of its slides as the task reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.core.errors import DataError, UsageError
from harness.core.suggest import unknown
from harness.datasets.card import DatasetCard
from harness.datasets.new_labels import LabelledSlide, Labels, NewDataset, class_columns
from harness.datasets.splits import Fold
from harness.datasets.table import listed
from harness.tasks.task import Task
from harness.tasks.truth import Truth


@dataclass(frozen=True)
class Predicted:
    """The task of a new dataset.

    Attributes:
        task: it, with the settings of a card that names none.
        classes: names of its groups, in the order of the card.
        rows: the slides, each with the name of its group, and with labels as the label table is to have them.
        values: slide → what the task has read.
        settings: what the card has to set; see :meth:`harness.tasks.task.Task.settings_for`.
    """

    task: Task
    classes: tuple[str, ...]
    rows: tuple[LabelledSlide, ...]
    values: Mapping[str, Mapping[str, int | float]]
    settings: Mapping[str, Any]

    @property
    def needed_groups(self) -> tuple[str, ...]:
        """Groups that every part of a fold must have."""
        return self.task.needed_groups(self.classes)

    def strata(self, folds: int) -> list[str]:
        """By what new folds are stratified: a name for each of the slides."""
        return self.task.strata([row.label for row in self.rows], [self.values[row.slide] for row in self.rows], folds)

    @property
    def card_fields(self) -> dict[str, Any]:
        """Task and classes on the card."""
        own = {name: value for name, value in self.settings.items() if name in DatasetCard.model_fields}
        further = {name: value for name, value in self.settings.items() if name not in own}
        name = self.task.name
        found: dict[str, Any] = {"task": {"name": name, **further} if further else name, **own}
        if not own and not further and name == DatasetCard.model_fields["task"].default:
            found = {}
        return found if self.task.default_classes else found | {"classes": list(self.classes)}

    def with_settings(self, folds: Sequence[Fold], *, place: str) -> Predicted:
        """With what the training slides of the folds decide.

        Raises:
            DataError: nothing can be learned from them.
        """
        trained = [self.truth(fold.train) for fold in folds]
        return replace(self, settings=self.task.settings_for(trained, place=place))

    def truth(self, slides: Sequence[str]) -> Truth:
        """Labels of some slides."""
        patients = {row.slide: row.patient for row in self.rows}
        kinds = {
            column: np.int64 if kind in {"class", "count"} else np.float64 for column, kind in self.task.truth.items()
        }
        columns = {c: np.array([self.values[slide][c] for slide in slides], kind) for c, kind in kinds.items()}
        return Truth(tuple(patients[slide] for slide in slides), columns)


def predicted(rows: Sequence[LabelledSlide], labels: Labels, options: NewDataset) -> Predicted:
    """Have the task read the labels of ``rows``.

    Raises:
        UsageError: declared classes that are not those of the rows, or that the task does not take.
        DataError: a label that the task cannot read; a single class, or so many that they cannot be classes.
    """
    kind = options.kind
    if kind.default_classes and options.classes:
        raise UsageError(f"--classes has no effect on a dataset of {kind.name}", place="--classes", fix="leave it out")
    classes = kind.default_classes or _classes(rows, options, labels.columns.truth)
    try:
        task = kind.of(classes, {})
    except (ValueError, TypeError) as reason:
        raise DataError(
            f"task {kind.name} cannot be made: {reason}", place=str(options.labels), fix="correct it"
        ) from None
    values = {row.slide: _read(task, row, labels, options) for row in rows}
    read = tuple(
        replace(row, label=classes[task.group(values[row.slide])], cells=_written(task, values[row.slide]))
        for row in rows
    )
    found = Predicted(task, classes, read, values, {})
    slides = [row.slide for row in read]
    task.check(slides, found.truth(slides), place=str(options.labels))
    return found


def _read(task: Task, row: LabelledSlide, labels: Labels, options: NewDataset) -> dict[str, int | float]:
    place = f"{options.labels}, line {row.line}"
    try:
        return task.read(row.cells, place)
    except DataError as wrong:
        # The task speaks of its own columns; the table calls them otherwise.
        where = wrong.place
        for column, found in labels.columns.truth.items():
            where = where.replace(f"{place}, column {column}", f"{place}, column {found}")
        raise DataError(wrong.problem, place=where, fix=wrong.fix) from None


def _written(task: Task, values: Mapping[str, int | float]) -> dict[str, str]:
    """Cells of the dataset's own table: classes by name, and numbers with a decimal point."""
    return {
        column: task.columns[int(values[column])] if kind == "class" else repr(values[column]).removesuffix(".0")
        for column, kind in task.truth.items()
    }


def _classes(rows: Sequence[LabelledSlide], options: NewDataset, columns: Mapping[str, str]) -> tuple[str, ...]:
    """Class names: as declared, else numbers by value and words by alphabet."""
    own = class_columns(options.kind)
    if not own:
        if options.classes is None:
            raise UsageError(
                f"the labels of task {options.task} do not say its classes", place="--classes", fix="name them in order"
            )
        return options.classes
    column = f"column {columns[own[0]]}"
    found = {row.cells[own[0]]: row.line for row in reversed(rows)}
    if options.classes is None:
        numbers = all(name.isascii() and name.isdigit() and len(name) < 10 for name in found)
        classes = tuple(sorted(found, key=lambda name: (int(name), name) if numbers else (0, name)))
    else:
        classes = options.classes
        # As on a card: where no class is a number itself, numbers from 0 on stand for the classes in their order.
        by_number = dict(zip(map(str, range(len(classes))), classes, strict=True))
        if found.keys() <= by_number.keys() and not any(name.isdigit() for name in classes):
            found = {by_number[name]: line for name, line in found.items()}
        if strange := sorted(found.keys() - set(classes)):
            place = f"{options.labels}, line {found[strange[0]]}, --classes"
            raise unknown("class", strange[0], classes, place=place, listing="--classes")
        if empty := [name for name in classes if name not in found]:
            raise UsageError(f"no slide has the class {empty[0]!r}", place="--classes", fix="leave it out")
        if len(set(classes)) != len(classes):
            raise UsageError("a class stands twice", place="--classes", fix="name each class once")
    if len(classes) < 2:
        raise DataError(
            f"all slides have the label {classes[0]!r}",
            place=f"{options.labels}, {column}",
            fix="a dataset needs slides of at least two classes",
        )
    if len(classes) > len(rows) // 2:
        raise DataError(
            f"{len(classes)} different labels for {len(rows)} slides: {listed(classes)}",
            place=f"{options.labels}, {column}",
            fix="labels are classes; choose the right column with --label-col, or another task with --task",
        )
    return classes
