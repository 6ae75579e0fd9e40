"""The seal on the test labels: they are joined to a finished prediction, and handed out in no other way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import numpy as np

from harness.errors import LeakError, MethodError
from harness.protocol.dataset import Dataset, Entry
from harness.protocol.follow_up import FollowUp
from harness.protocol.splits import Fold
from harness.protocol.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray


Journal = Callable[[str, Sequence[str], "NDArray[np.float64]"], int]
"""Takes down a question: (asker, slides, probabilities) → how often this asker has asked, this time included.

Probabilities are (n, C), or (Q, n, C) for Q questions at once.
"""


class Answer(Protocol):
    """What is scored: :class:`harness.Prediction`, or anything with its fields."""

    @property
    def slides(self) -> Sequence[str]:
        """Slide ids."""

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """Class probabilities, (n_slides, n_classes)."""

    @property
    def attention(self) -> Sequence[NDArray[np.float32]] | None:
        """Weight per tile of each slide, or None."""


@dataclass(frozen=True)
class ScoredRows:
    """Predictions of one fold's test slides beside the truth, in the order of the split file.

    Attributes:
        repeat, fold: which fold.
        classes: class names; in survival intervals of time, and later.
        slides, patients: ids, n each.
        labels: class index, (n,) int64; in survival 1 for an event, 0 for censored.
        probabilities: (n, n_classes) float64.
        attention: per slide the weight of each tile, or None.
        instance_labels: per slide the true label of each tile, or None where the dataset does not know them.
        asked: how often the asker has been answered by now, this time included. Above 1, somebody has looked before.
        follow_up: in survival how long patients were followed; None for classes.
    """

    repeat: int
    fold: int
    classes: tuple[str, ...]
    slides: tuple[str, ...]
    patients: tuple[str, ...]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    attention: tuple[NDArray[np.float32], ...] | None
    instance_labels: tuple[NDArray[np.int64], ...] | None
    asked: int
    follow_up: FollowUp | None = None

    def __len__(self) -> int:
        return len(self.slides)

    def rows(self) -> list[dict[str, Any]]:
        """One mapping per slide: slide, patient, label, repeat, fold, ``p_<class>`` for every class (and time)."""
        return [
            {"slide": slide, "patient": patient, "label": int(label), "repeat": self.repeat, "fold": self.fold}
            | {f"p_{name}": float(p) for name, p in zip(self.classes, probabilities, strict=True)}
            | ({} if self.follow_up is None else {"time": float(self.follow_up.times[row])})
            for row, (slide, patient, label, probabilities) in enumerate(
                zip(self.slides, self.patients, self.labels, self.probabilities, strict=True)
            )
        ]


class Scorer:
    """Holds the truth about the test slides, answers predictions and counts how often it was asked.

    The truth lives in the closure of one function, not in an attribute, and a scorer can be neither pickled nor
    copied: it stays in the process, and with the object, that made it.

    Args:
        dataset: the dataset.
        folds: the folds whose test slides may be scored.
        instance_labels: slide id → true label of each tile, (n_tiles,), for localisation; called only when scoring.
        journal: takes down every question: (asker, slides, probabilities) → how often this asker has asked by now.
            None counts in this process only.
    """

    def __init__(
        self,
        dataset: Dataset,
        folds: Iterable[Fold],
        *,
        instance_labels: Callable[[str], NDArray[Any] | None] | None = None,
        journal: Journal | None = None,
    ) -> None:
        self._classes = dataset.card.columns
        self._folds = frozenset(folds)
        self._asked: Counter[str] = Counter()
        self._journal = journal
        self._reveal = _seal(dataset, self._folds, instance_labels)

    def __repr__(self) -> str:
        return f"Scorer({len(self._folds)} folds, asked {self.asked} times)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Scorer can be neither pickled nor copied: it would carry the test labels along")

    @property
    def asked(self) -> int:
        """How often this scorer has answered."""
        return sum(self._asked.values())

    def score(self, fold: Fold, prediction: Answer, *, asker: str = "") -> ScoredRows:
        """Join a prediction for exactly the test slides of ``fold`` to the truth.

        Args:
            fold: one of the scorer's folds.
            prediction: class probabilities of its test slides, in any order.
            asker: who asks: the unit.

        Raises:
            LeakError: ``fold`` is none of the folds that this scorer was made for.
            MethodError: slides are missing, repeated or too many, or the probabilities are none.
        """
        return self.score_each(fold, [prediction], asker=asker)[0]

    def score_each(self, fold: Fold, predictions: Sequence[Answer], *, asker: str = "") -> list[ScoredRows]:
        """:meth:`score` for several predictions of the same slides, such as those of every epoch: a question each.

        Raises:
            LeakError, MethodError: as :meth:`score`; nothing has been answered then.
        """
        if fold not in self._folds:
            raise LeakError(
                "the scorer was asked for slides that are not the test set of one of its folds",
                place=f"repeat {fold.repeat}, fold {fold.fold}",
                fix="score the folds of the protocol as they are",
            )
        orders = [_check(prediction, fold, len(self._classes)) for prediction in predictions]
        ordered = [
            np.asarray(one.probabilities, np.float64)[order] for one, order in zip(predictions, orders, strict=True)
        ]
        asker = asker or fold.name
        self._asked[asker] += len(ordered)
        asked = self._asked[asker]
        if self._journal is not None:
            asked = self._journal(asker, fold.test, ordered[0] if len(ordered) == 1 else np.stack(ordered))
        patients, labels, follow_up, instances = self._reveal(fold.test)
        found = []
        for prediction, order, probabilities in zip(predictions, orders, ordered, strict=True):
            attention = prediction.attention
            kept = None if attention is None else tuple(attention[i] for i in order)
            if instances is not None and kept is not None:
                _check_attention(fold, kept, instances)
            rows = ScoredRows(
                repeat=fold.repeat,
                fold=fold.fold,
                classes=self._classes,
                slides=fold.test,
                patients=patients,
                labels=labels,
                probabilities=probabilities,
                attention=kept,
                instance_labels=instances,
                asked=asked,
                follow_up=follow_up,
            )
            found.append(rows)
        return found


def labels_for(dataset: Dataset, slides: Sequence[str], *, sealed: Collection[str] = ()) -> NDArray[np.int64]:
    """Class index of each slide, (n,) int64. For training and validation slides only.

    Args:
        dataset: the dataset.
        slides: slide ids.
        sealed: slides whose labels stay closed: the test slides of the fold.

    Raises:
        LeakError: one of ``slides`` is sealed.
    """
    closed = set(sealed)
    if opened := [slide for slide in slides if slide in closed]:
        raise LeakError(
            f"labels of {len(opened)} test slides were asked for: {listed(opened)}",
            place=f"dataset {dataset.name}",
            fix="ask for training and validation slides only; the Scorer judges test predictions",
        )
    return np.array([dataset.by_slide[slide].label for slide in slides], np.int64)


def follow_up_for(dataset: Dataset, slides: Sequence[str], *, sealed: Collection[str] = ()) -> FollowUp:
    """Follow-up of the patients of training and validation slides, of a dataset of survival.

    Raises:
        LeakError: one of ``slides`` is sealed.
    """
    labels_for(dataset, slides, sealed=sealed)
    return dataset.follow_up(slides)


_Truth = tuple[tuple[str, ...], "NDArray[np.int64]", "FollowUp | None", "tuple[NDArray[np.int64], ...] | None"]


def _seal(
    dataset: Dataset, folds: Iterable[Fold], instance_labels: Callable[[str], NDArray[Any] | None] | None
) -> Callable[[Sequence[str]], _Truth]:
    """A function from test slides to patients, labels, follow-up and instance labels."""
    truth: Mapping[str, Entry] = {slide: dataset.by_slide[slide] for fold in folds for slide in fold.test}
    survival = dataset.card.task == "survival"

    def reveal(slides: Sequence[str]) -> _Truth:
        patients = tuple(truth[slide].patient for slide in slides)
        labels = np.array([truth[slide].label for slide in slides], np.int64)
        times = np.array([truth[slide].time for slide in slides], np.float64) if survival else None
        follow_up = None if times is None else FollowUp(patients, times, labels)
        if instance_labels is None:
            return patients, labels, follow_up, None
        found = [instance_labels(slide) for slide in slides]
        known = tuple(np.asarray(one, np.int64) for one in found if one is not None)
        return patients, labels, follow_up, known if len(known) == len(slides) else None

    return reveal


def _check(prediction: Answer, fold: Fold, n_classes: int) -> list[int]:
    """Row of the prediction for each test slide, in the order of the split file."""
    row_of = {slide: row for row, slide in enumerate(prediction.slides)}
    probabilities = np.asarray(prediction.probabilities)
    missing = [slide for slide in fold.test if slide not in row_of]
    extra = sorted(set(row_of) - set(fold.test))
    if missing:
        problem = f"no prediction for {len(missing)} test slides: {listed(missing)}"
    elif extra:
        problem = f"predictions for {len(extra)} slides that are not tested: {listed(extra)}"
    elif len(row_of) != len(prediction.slides):
        repeated = sorted(slide for slide, count in Counter(prediction.slides).items() if count > 1)
        problem = f"more than one prediction for {listed(repeated)}"
    elif probabilities.shape != (len(row_of), n_classes):
        problem = f"probabilities have shape {probabilities.shape}, expected {(len(row_of), n_classes)}"
    elif not np.isfinite(probabilities).all():
        bad = [slide for slide, row in row_of.items() if not np.isfinite(probabilities[row]).all()]
        problem = f"probabilities are not finite for {listed(bad)}"
    elif (probabilities < 0).any() or not np.allclose(probabilities.sum(axis=1), 1, atol=1e-5):
        problem = "probabilities are negative or do not sum to one"
    else:
        return [row_of[slide] for slide in fold.test]
    raise MethodError(
        problem,
        place=f"repeat {fold.repeat}, fold {fold.fold}",
        fix="predict() must give class probabilities for each test slide once",
    )


def _check_attention(
    fold: Fold, attention: Sequence[NDArray[np.float32]], instances: Sequence[NDArray[np.int64]]
) -> None:
    for slide, weights, labels in zip(fold.test, attention, instances, strict=True):
        if len(weights) != len(labels):
            raise MethodError(
                f"slide {slide} has {len(labels)} tiles, and attention for {len(weights)}",
                place=f"repeat {fold.repeat}, fold {fold.fold}",
                fix="predict() must give one weight per tile of the finest scale",
            )
