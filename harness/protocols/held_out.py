"""Held-out labels: they are joined to a finished prediction, and given out in no other way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import numpy as np

from harness.core.errors import LeakError, MethodError
from harness.datasets.dataset import Dataset, Entry, truth_of
from harness.datasets.splits import Fold
from harness.datasets.table import listed
from harness.tasks.task import Task
from harness.tasks.truth import Truth

if TYPE_CHECKING:
    from numpy.typing import NDArray


LogAccess = Callable[[str, Sequence[str], "NDArray[np.float64]"], int]
"""Notes an access: (accessor, slides, probabilities) → how many accesses this accessor has had, this one included.

Probabilities are (n, C), or (Q, n, C) for Q accesses at once.
"""


class Scorable(Protocol):
    """What is scored: :class:`harness.Prediction`, or anything with its fields."""

    @property
    def slides(self) -> Sequence[str]:
        """Slide ids."""

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """Class probabilities, (n_slides, n_classes)."""

    @property
    def per_tile(self) -> Mapping[str, Sequence[NDArray[np.float32]]]:
        """Numbers per tile of each slide, by name; ``attention`` is one of them."""


@dataclass(frozen=True)
class ScoredRows:
    """Predictions of one fold's test slides beside the truth, in the order of the split file.

    Attributes:
        repeat, fold: which fold.
        task: what is predicted.
        slides, patients: ids, n each.
        truth: labels.
        probabilities: (n, n_columns) float64.
        attention: per slide the weight of each tile, or None.
        instance_labels: per slide the true label of each tile, or None where the dataset does not know them.
        accesses: how often this accessor has had predictions of the fold scored, this time included.
        tiles: further numbers per tile, by name.
    """

    repeat: int
    fold: int
    task: Task
    slides: tuple[str, ...]
    patients: tuple[str, ...]
    truth: Truth
    probabilities: NDArray[np.float64]
    attention: tuple[NDArray[np.float32], ...] | None
    instance_labels: tuple[NDArray[np.int64], ...] | None
    accesses: int
    tiles: Mapping[str, tuple[NDArray[np.float32], ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.slides)

    @property
    def per_tile(self) -> dict[str, tuple[NDArray[np.float32], ...]]:
        """All numbers per tile by name: :attr:`tiles`, and ``attention`` where there is any."""
        return dict(self.tiles) if self.attention is None else {"attention": self.attention, **self.tiles}

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of what has a probability."""
        return self.task.columns

    @property
    def groups(self) -> NDArray[np.int64]:
        """Class index of each slide, or of its group, see :meth:`harness.tasks.task.Task.group`."""
        values = ({name: column[row] for name, column in self.truth.columns.items()} for row in range(len(self)))
        return np.array([self.task.group(one) for one in values], np.int64)

    def rows(self) -> list[dict[str, Any]]:
        """One mapping per slide: slide, patient, the truth, repeat, fold, and ``p_<class>`` for every class."""
        return [
            {"slide": slide, "patient": patient, "repeat": self.repeat, "fold": self.fold}
            | {name: column[row].item() for name, column in self.truth.columns.items()}
            | {f"p_{name}": float(p) for name, p in zip(self.classes, probabilities, strict=True)}
            for row, (slide, patient, probabilities) in enumerate(
                zip(self.slides, self.patients, self.probabilities, strict=True)
            )
        ]


class Scorer:
    """Holds the labels of the test slides, joins them to predictions, and counts every access.

    The truth lives in the closure of one function, not in an attribute, and a scorer can be neither pickled nor
    copied: it stays in the process, and with the object, that made it.

    Args:
        dataset: the dataset.
        folds: the folds whose test slides may be scored.
        instance_labels: slide id → true label of each tile, (n_tiles,), for localisation; called only when scoring.
        log: notes every access, see :data:`LogAccess`; None counts in this process only.
    """

    def __init__(
        self,
        dataset: Dataset,
        folds: Iterable[Fold],
        *,
        instance_labels: Callable[[str], NDArray[Any] | None] | None = None,
        log: LogAccess | None = None,
    ) -> None:
        self._task = dataset.task
        self._folds = frozenset(folds)
        self._accesses: Counter[str] = Counter()
        self._log = log
        self._reveal = _closed_over(dataset, self._folds, instance_labels)

    def __repr__(self) -> str:
        return f"Scorer({len(self._folds)} folds, {self.accesses} accesses)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Scorer can be neither pickled nor copied: it would carry the test labels along")

    @property
    def accesses(self) -> int:
        """How often predictions were scored."""
        return sum(self._accesses.values())

    def score(self, fold: Fold, prediction: Scorable, *, accessor: str = "") -> ScoredRows:
        """Join a prediction for exactly the test slides of ``fold`` to the truth.

        Args:
            fold: one of the scorer's folds.
            prediction: class probabilities of its test slides, in any order.
            accessor: whose predictions they are: the unit.

        Raises:
            LeakError: ``fold`` is none of the folds that this scorer was made for.
            MethodError: slides are missing, repeated or too many, or the probabilities are none.
        """
        return self.score_each(fold, [prediction], accessor=accessor)[0]

    def score_each(self, fold: Fold, predictions: Sequence[Scorable], *, accessor: str = "") -> list[ScoredRows]:
        """:meth:`score` for several predictions of the same slides, such as those of every epoch: an access each.

        Raises:
            LeakError, MethodError: as :meth:`score`; nothing has been scored then.
        """
        if fold not in self._folds:
            raise LeakError(
                "the scorer was asked for slides that are not the test set of one of its folds",
                place=f"repeat {fold.repeat}, fold {fold.fold}",
                fix="score the folds of the protocol as they are",
            )
        orders = [_check(prediction, fold, self._task.n_columns) for prediction in predictions]
        ordered = [
            np.asarray(one.probabilities, np.float64)[order] for one, order in zip(predictions, orders, strict=True)
        ]
        accessor = accessor or fold.name
        self._accesses[accessor] += len(ordered)
        accesses = self._accesses[accessor]
        if self._log is not None:
            accesses = self._log(accessor, fold.test, ordered[0] if len(ordered) == 1 else np.stack(ordered))
        truth, instances = self._reveal(fold.test)
        found = []
        for prediction, order, probabilities in zip(predictions, orders, ordered, strict=True):
            tiles = {name: tuple(values[i] for i in order) for name, values in prediction.per_tile.items()}
            if instances is not None:
                for name, values in tiles.items():
                    _check_tiles(fold, name, values, instances)
            rows = ScoredRows(
                repeat=fold.repeat,
                fold=fold.fold,
                task=self._task,
                slides=fold.test,
                patients=truth.patients,
                truth=truth,
                probabilities=probabilities,
                attention=tiles.pop("attention", None),
                tiles=tiles,
                instance_labels=instances,
                accesses=accesses,
            )
            found.append(rows)
        return found


def truth_for(dataset: Dataset, slides: Sequence[str], *, held_out: Collection[str] = ()) -> Truth:
    """Labels of slides. For training and validation slides only.

    Args:
        dataset: the dataset.
        slides: slide ids.
        held_out: slides whose labels stay closed: the test slides of the fold.

    Raises:
        LeakError: one of ``slides`` is held out.
    """
    closed = set(held_out)
    if opened := [slide for slide in slides if slide in closed]:
        raise LeakError(
            f"labels of {len(opened)} test slides were asked for: {listed(opened)}",
            place=f"dataset {dataset.name}",
            fix="ask for training and validation slides only; the Scorer scores test predictions",
        )
    return dataset.truth(slides)


_Truth = tuple[Truth, "tuple[NDArray[np.int64], ...] | None"]


def _closed_over(
    dataset: Dataset, folds: Iterable[Fold], instance_labels: Callable[[str], NDArray[Any] | None] | None
) -> Callable[[Sequence[str]], _Truth]:
    """A function from test slides to their labels and instance labels."""
    truth: Mapping[str, Entry] = {slide: dataset.by_slide[slide] for fold in folds for slide in fold.test}
    task = dataset.task

    def reveal(slides: Sequence[str]) -> _Truth:
        labels = truth_of(task, [truth[slide] for slide in slides])
        if instance_labels is None:
            return labels, None
        found = [instance_labels(slide) for slide in slides]
        known = tuple(np.asarray(one, np.int64) for one in found if one is not None)
        return labels, known if len(known) == len(slides) else None

    return reveal


def _check(prediction: Scorable, fold: Fold, n_classes: int) -> list[int]:
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
    elif n_classes > 1 and ((probabilities < 0).any() or not np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)):
        problem = "probabilities are negative or do not sum to one"
    else:
        return [row_of[slide] for slide in fold.test]
    raise MethodError(
        problem,
        place=f"repeat {fold.repeat}, fold {fold.fold}",
        fix="predict() must give class probabilities for each test slide once",
    )


def _check_tiles(
    fold: Fold, name: str, found: Sequence[NDArray[np.float32]], instances: Sequence[NDArray[np.int64]]
) -> None:
    for slide, values, labels in zip(fold.test, found, instances, strict=True):
        if len(values) != len(labels):
            raise MethodError(
                f"slide {slide} has {len(labels)} tiles, and {name} for {len(values)}",
                place=f"repeat {fold.repeat}, fold {fold.fold}",
                fix="predict() must give one number per tile of the finest scale",
            )
