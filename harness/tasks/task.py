"""A task: what is predicted, and all that follows from it.

Nobody else asks what is predicted: whatever varies with it is a member of :class:`Task`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from harness.core.errors import DataError
from harness.tasks.truth import Column, Truth

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from harness.api.output import BagOutput
    from harness.evaluation.metric import Metric
    from harness.evaluation.rows import Rows
    from harness.evaluation.study_scores import Score
    from harness.tasks.svg import Drawing

_NOT_SETTINGS = ("classes", "encoder")


@dataclass(frozen=True)
class Task(ABC):
    """What is to be predicted.

    A card makes one (:meth:`of`), each unit fits it to its training slides (:meth:`fitted`), and methods read of it how
    many outputs a network has. An instance can be pickled and compared.

    Attributes:
        name: the word behind ``task:`` on a dataset's card.
        truth: columns of the label table, beside slide and patient, and what they hold.
        decision: columns of the prediction table that follow from the predicted ones.
        metrics: names of the scores; the first one chooses epochs and trials and ranks studies.
        monitored: those of ``metrics`` that the training curve shows beside the loss; the first one must be among them.
        lower_is_better: those of ``metrics`` of which a smaller value is better.
        class_logits: whether outputs are logits of classes, so that a network may have one for two classes.
        default_classes: ``classes`` of a card that names none; empty where the card has to name them.
        known_as: column of ``truth`` → names, in lower case, by which ``bench datasets new`` finds it in a table.
        classes: what a network has an output for.
        encoder: name of the tile encoder (see ``harness.encoders``) to build when the input is tiles; empty when the
            input is features.

    Further fields of a subclass are settings of the card: ``task: {name: NAME, FIELD: VALUE}``.
    """

    name: ClassVar[str]
    truth: ClassVar[Mapping[str, Column]]
    decision: ClassVar[Mapping[str, Column]]
    metrics: ClassVar[tuple[str, ...]]
    monitored: ClassVar[tuple[str, ...]]
    lower_is_better: ClassVar[frozenset[str]] = frozenset()
    class_logits: ClassVar[bool] = False
    default_classes: ClassVar[tuple[str, ...]] = ()
    known_as: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    classes: tuple[str, ...]
    encoder: str = ""

    @classmethod
    def settings(cls) -> tuple[str, ...]:
        """Names of the settings that a card may give."""
        return tuple(one.name for one in fields(cls) if one.init and one.name not in _NOT_SETTINGS)

    @classmethod
    def of(cls, classes: Sequence[str], settings: Mapping[str, Any]) -> Self:
        """The task of a card.

        Args:
            classes: the card's class names.
            settings: values of :meth:`settings`.

        Raises:
            ValueError, TypeError: they do not fit; the message says why.
        """
        return cls(tuple(classes), **settings)

    def __reduce__(self) -> tuple[Any, ...]:
        """By name: a process that has not loaded the plugin yet gets a placeholder."""
        from harness.tasks.registry import restored

        return restored, (self.name, {one.name: getattr(self, one.name) for one in fields(self)})

    @property
    def kind(self) -> str:
        """The task's name."""
        return self.name

    @property
    def n_classes(self) -> int:
        """Outputs of a network."""
        return len(self.classes)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of what has a probability in a prediction, in order."""
        return self.classes

    @property
    def n_columns(self) -> int:
        """Number of probabilities per slide."""
        return len(self.columns)

    @property
    def thresholded(self) -> bool:
        """Whether a threshold turns probabilities into a decision."""
        return False

    # Label table

    @abstractmethod
    def read(self, cells: Mapping[str, str], place: str) -> dict[str, int | float]:
        """Values of :attr:`truth` in one line of the label table.

        Args:
            cells: text by column.
            place: file and line, for the error.

        Raises:
            DataError: a cell is wrong.
        """

    def check(self, slides: Sequence[str], truth: Truth, *, place: str) -> None:
        """Refuse labels that contradict each other, with DataError."""
        return

    def group(self, values: Mapping[str, int | float]) -> int:
        """The slide's group for stratified splits and for counts: an index into the card's ``classes``."""
        return int(values.get("label", 0))

    # New datasets

    @classmethod
    def strata(cls, groups: Sequence[str], values: Sequence[Mapping[str, int | float]], folds: int) -> list[str]:
        """Names of strata by which new folds are stratified: what is to be as frequent in every fold.

        Args:
            groups: name of the group of each slide.
            values: what :meth:`read` gives for each slide.
            folds: how many folds are made.
        """
        return list(groups)

    @classmethod
    def check_column(cls, column: str, found: str, *, place: str) -> None:
        """Refuse a column ``found`` of somebody's table as ``column`` of :attr:`truth`, with DataError."""
        return

    @classmethod
    def needed_groups(cls, classes: Sequence[str]) -> tuple[str, ...]:
        """Those of the card's ``classes`` of which every part of a fold must have slides."""
        return tuple(classes)

    @classmethod
    def settings_for(cls, training: Sequence[Truth], *, place: str) -> dict[str, Any]:
        """Settings that a new card has to state because of the training slides of its folds.

        Raises:
            DataError: with these slides, no settings will do.
        """
        return {}

    def described(self) -> dict[str, Any]:
        """The task in a resolved configuration."""
        return {"task": self.name, **{name: getattr(self, name) for name in self.settings()}}

    def summary(self) -> str:
        """The task in words, for ``bench datasets show``; empty for classes."""
        values = ", ".join(f"{name} {value}" for name, value in self.described().items() if name != "task")
        return f"{self.name} ({values})" if values else self.name

    def identity(self) -> dict[str, Any]:
        """What the content hash of a dataset takes of the task."""
        return {**self.described(), "classes": list(self.classes)}

    def identified(self, values: Mapping[str, int | float]) -> list[Any]:
        """What it takes of one slide's labels."""
        return [values[column] for column in self.truth]

    # Folds

    def check_training(self, truth: Truth, *, place: str) -> None:
        """Refuse training slides from which nothing can be learned, with DataError."""
        return

    def check_choice(self, truth: Truth, uses: str, *, place: str, metric: str = "") -> None:
        """Refuse validation slides that cannot choose ``uses``, or leave ``metric`` undefined, with DataError."""
        return

    def fold_warnings(self, part: str, where: str, truth: Truth, *, chooses: bool = False) -> Iterator[str]:
        """What is not learned from the slides of a part, or cannot be scored on them; one sentence each.

        Args:
            part: ``training``, ``validation`` or ``test``.
            where: which fold, or of pooled test slides which repeat.
            truth: of the slides.
            chooses: whether the epoch is chosen by them.
        """
        yield from ()

    # Training

    def fitted(self, truth: Truth, *, place: str) -> Self:
        """The task with what it takes from the training slides, such as bin edges.

        Raises:
            DataError: they do not suffice.
        """
        return self

    @abstractmethod
    def encode(self, truth: Truth) -> NDArray[Any]:
        """Labels as the loss takes them, (n,)."""

    @abstractmethod
    def loss(self, output: BagOutput, labels: Tensor, own: Callable[[BagOutput, Tensor], Tensor]) -> Tensor:
        """Mean loss over a batch.

        Args:
            output: of the network; ``logits`` are (B, n_classes).
            labels: of :meth:`encode`, (B,).
            own: the loss that the method's network brings, for class logits.
        """

    @abstractmethod
    def probabilities(self, logits: Tensor) -> Tensor:
        """(B, n_classes) outputs → (B, n_columns) probabilities that sum to one, in double precision."""

    # Scores

    @abstractmethod
    def validation_loss(self, labels: NDArray[Any], probabilities: NDArray[np.float64]) -> float:
        """The loss of a prediction; of equally good epochs the one with the smallest is kept.

        Args:
            labels: of :meth:`encode`, (n,).
            probabilities: (n, n_columns).
        """

    @abstractmethod
    def decide(self, probabilities: NDArray[np.float64], threshold: float | None) -> dict[str, NDArray[Any]]:
        """Values of :attr:`decision`, (n,) each.

        Args:
            probabilities: (n, n_columns).
            threshold: where :attr:`thresholded`; None decides without.
        """

    @classmethod
    @abstractmethod
    def rows(
        cls,
        unit: Mapping[str, Any],
        truth: Mapping[str, NDArray[Any]],
        probabilities: NDArray[np.float64],
        decision: Mapping[str, NDArray[Any]],
    ) -> Rows:
        """Predictions beside the truth in the form that is scored.

        Args:
            unit: ``repeat``, ``fold``, ``seed``, ``patient`` and maybe ``slide``, (n,) each.
            truth: by column, (n,) each.
            decision: by column, (n,) each.
            probabilities: (n, C).
        """

    @classmethod
    def _added(cls) -> tuple[Metric, ...]:
        from harness.tasks.metric_registry import metrics_of

        return metrics_of(cls)

    @classmethod
    def scored(
        cls,
        unit: Mapping[str, Any],
        truth: Mapping[str, NDArray[Any]],
        probabilities: NDArray[np.float64],
        decision: Mapping[str, NDArray[Any]],
    ) -> Rows:
        """:meth:`rows` with the metrics that plugins add."""
        return replace(cls.rows(unit, truth, probabilities, decision), further=cls._added())

    def selecting(self) -> tuple[str, ...]:
        """Scores that can choose an epoch: :attr:`monitored`, and those that plugins add."""
        return (*self.monitored, *(metric.name for metric in self._added()))

    def scores(self, truth: Truth, probabilities: NDArray[np.float64]) -> dict[str, float]:
        """All scores of the predictions of some slides by name, without intervals."""
        n = len(truth)
        unit = {name: np.zeros(n, np.int64) for name in ("repeat", "fold", "seed")} | {"patient": np.arange(n)}
        rows = self.scored(unit, truth.columns, probabilities, self.decide(probabilities, None))
        found = rows.scores([np.arange(n)], np.ones((1, n)))
        return {name: float(found[name][0]) for name in rows.names}

    def validation(self, labels: NDArray[Any], truth: Truth, probabilities: NDArray[np.float64]) -> dict[str, float]:
        """The loss, and the scores that can choose an epoch, of the validation slides."""
        scores = self.scores(truth, probabilities)
        loss = self.validation_loss(labels, probabilities)
        return {"loss": loss, **{name: scores[name] for name in self.selecting()}}

    def threshold(self, truth: Truth, probabilities: NDArray[np.float64]) -> float | None:
        """The best threshold for these slides; None where there is none to choose."""
        return None

    def decided(self, threshold: float | None) -> dict[str, Any]:
        """What was decided for a unit, for its record."""
        return {"threshold": threshold}

    def certainty(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """How sure a prediction is of something that a picture can show, (n,)."""
        return np.asarray(probabilities[:, 1:].max(axis=1))

    @classmethod
    def figures(cls, rows: Rows, classes: Sequence[str], title: str, score: Score | None) -> dict[str, bytes | None]:
        """File name → PNG; None where a figure cannot be drawn.

        Args:
            rows: test predictions of a unit or a study.
            classes: names of the predicted columns.
            title: what the predictions are of.
            score: the first metric with its interval.
        """
        return {}

    @classmethod
    def study_figures(
        cls, rows: Rows, classes: Sequence[str], title: str, score: Score | None
    ) -> dict[str, bytes | None]:
        """As :meth:`figures`, for all units of a study: with what is worth drawing once, but not for every unit."""
        return cls.figures(rows, classes, title, score)

    @classmethod
    def drawings(cls, rows: Rows, classes: Sequence[str]) -> tuple[Drawing, ...]:
        """Figures of a study as SVG, for its page on the leaderboard site; none of those that cannot be drawn.

        Args:
            rows: test predictions of the study.
            classes: names of the predicted columns.
        """
        return ()

    @classmethod
    def crossed(cls, rows: Rows, classes: Sequence[str]) -> NDArray[np.int64] | None:
        """How many rows of each true class (row) were taken for which class (column); None without classes."""
        return None

    @classmethod
    def example(cls, groups: NDArray[np.int64], patients: Sequence[str]) -> tuple[Self, Truth] | None:
        """A small fitted task and labels that follow the ``groups`` 0, 1, ... of some slides, for the contract suite.

        None where a method is not tested on the task.
        """
        return None


def in_use(task: Task, encoder: str) -> Task:
    """``task`` for networks with the tile encoder ``encoder``."""
    return replace(task, encoder=encoder)


def wrong_cell(text: str, what: str, place: str, fix: str) -> DataError:
    """The error for a cell of the label table."""
    return DataError(f"{text[:40]!r} {what}", place=place, fix=fix)
