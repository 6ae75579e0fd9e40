"""Splits as other code keeps them (see :mod:`harness.datasets.split_formats`), made into folds of this harness."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.core.errors import DataError
from harness.datasets.make_splits import holdout
from harness.datasets.new_labels import LabelledSlide, plain_id
from harness.datasets.split_formats import read_parts
from harness.datasets.splits import PARTS, Fold
from harness.datasets.table import listed

VAL_FRACTION = 0.2


@dataclass(frozen=True)
class GivenSplits:
    """Folds that were read.

    Attributes:
        kind: how they were kept, in words.
        folds: they, in ids of the dataset.
        notes: what was changed on the way, one sentence each.
        left_out: ids that the dataset does not have.
        leaks: how many patients leak, in a sentence; empty where none does, or nobody has looked.
    """

    kind: str
    folds: tuple[Fold, ...]
    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    leaks: str = ""


def read_given_splits(
    place: Path, rows: Sequence[LabelledSlide], *, partial: bool = False, seed: int = 0
) -> GivenSplits:
    """Read splits from a folder or a file.

    Args:
        place: the folder or file.
        rows: the slides of the dataset, with patients and labels.
        partial: leave out ids that the dataset does not have.
        seed: for choosing validation slides where a split names none.

    Raises:
        DataError: nothing there is a split, or it lists slides that the dataset does not have.
    """
    read = read_parts(place)
    ids = _Ids(rows)
    notes: dict[str, None] = {}
    folds = []
    for number, parts in enumerate(read.folds):
        found = {part: ids.resolve(parts.get(part, ()), notes) for part in PARTS}
        if not found["val"] and found["train"]:
            found["train"], found["val"] = _held_out(found["train"], rows, seed + number)
            notes["a fifth of the training slides, by patient, validates: the splits name no validation slides"] = None
        if empty := [part for part in ("train", "test") if not found[part]]:
            raise DataError(
                f"fold {number} has no {empty[0]} slides", place=str(place), fix="give splits with train and test"
            )
        where = read.numbers[number] if read.numbers else (0, number)
        folds.append(Fold(*where, tuple(found["train"]), tuple(found["val"]), tuple(found["test"])))
    strange = tuple(ids.strange)
    if strange and not partial:
        raise DataError(
            f"the splits list {len(strange)} slides without label or features: {listed(strange)}",
            place=str(place),
            fix="correct the ids, or leave these slides out with --partial",
        )
    if not read.numbers and _recur(folds):
        folds = [Fold(fold.fold, 0, fold.train, fold.val, fold.test) for fold in folds]
        notes["the folds test some slides several times: each is a repeat of its own"] = None
    used = {slide for fold in folds for _, part in fold.parts() for slide in part}
    if unused := [row.slide for row in rows if row.slide not in used]:
        notes[f"{len(unused)} slides are in no fold: {listed(unused, most=3)}"] = None
    return GivenSplits(read.kind, tuple(folds), tuple(notes), strange)


def _recur(folds: Sequence[Fold]) -> bool:
    """Whether several folds test the same slide: random splits, and no cross-validation."""
    tested = [slide for fold in folds for slide in fold.test]
    return len(tested) > len(set(tested))


@dataclass
class _Ids:
    """Finds the slides that an id in a split file means: itself, or all slides of a patient."""

    rows: Sequence[LabelledSlide]
    strange: dict[str, None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._slides = {row.slide for row in self.rows}
        self._of_patient: dict[str, list[str]] = {}
        for row in self.rows:
            self._of_patient.setdefault(row.patient, []).append(row.slide)

    def resolve(self, ids: Iterable[str], notes: dict[str, None]) -> list[str]:
        """Slides of one part, each once."""
        found: dict[str, None] = {}
        for text in ids:
            slides = self._find(text)
            if not slides:
                self.strange[text] = None
            for slide in slides:
                if slide in found and len(slides) == 1:
                    notes["slides that stand several times in one part are taken once"] = None
                found[slide] = None
        return list(found)

    def _find(self, text: str) -> Sequence[str]:
        # pandas writes whole numbers as 12.0 in a column that was padded with empty cells.
        for form in (text, plain_id(text), re.sub(r"^(\d+)\.0$", r"\1", text)):
            if form in self._slides:
                return (form,)
            if form in self._of_patient:
                return self._of_patient[form]
        return ()


def _held_out(train: list[str], rows: Sequence[LabelledSlide], seed: int) -> tuple[list[str], list[str]]:
    by_slide = {row.slide: row for row in rows}
    own = [by_slide[slide] for slide in train]
    stay, aside = holdout([row.patient for row in own], [row.label for row in own], VAL_FRACTION, seed)
    return [train[i] for i in stay], [train[i] for i in aside]
