"""Classification: one class per slide."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from harness.core.errors import DataError
from harness.datasets.identity import did_you_mean
from harness.datasets.table import listed
from harness.evaluation.metrics import LOWER_IS_BETTER, METRICS, confusion, log_loss
from harness.evaluation.study_scores import Predictions
from harness.evaluation.threshold import choose_threshold, predicted_classes
from harness.tasks.task import Task
from harness.tasks.truth import Column, Truth

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from harness.api.output import BagOutput
    from harness.evaluation.rows import Rows
    from harness.evaluation.study_scores import Score
    from harness.tasks.svg import Drawing

_NEED_EVERY_CLASS = frozenset(METRICS) - {"accuracy", "log_loss"}


@dataclass(frozen=True)
class Classification(Task):
    """One of several classes. A label is an index into ``classes``; of two, the second is the positive one.

    Attributes:
        table: what scores predictions; a task with further metrics has a subclass of its own.
    """

    name: ClassVar[str] = "classification"
    truth: ClassVar[Mapping[str, Column]] = {"label": "class"}
    decision: ClassVar[Mapping[str, Column]] = {"predicted": "class", "threshold": "optional"}
    metrics: ClassVar[tuple[str, ...]] = METRICS
    monitored: ClassVar[tuple[str, ...]] = ("auc", "balanced_accuracy")
    lower_is_better: ClassVar[frozenset[str]] = LOWER_IS_BETTER
    class_logits: ClassVar[bool] = True
    known_as: ClassVar[Mapping[str, tuple[str, ...]]] = {"label": ("label", "target", "class")}
    table: ClassVar[type[Predictions]] = Predictions

    @property
    def thresholded(self) -> bool:
        """With two classes."""
        return self.n_columns == 2

    def read(self, cells: Mapping[str, str], place: str) -> dict[str, int | float]:
        """Index of a class that is written by name or, where no class is a number itself, by its number."""
        text, names = cells["label"], self.columns
        if text in names:
            return {"label": names.index(text)}
        if text in map(str, range(len(names))) and not any(name.isdigit() for name in names):
            return {"label": int(text)}
        raise DataError(
            f"label {text!r} is not a class of the card",
            place=f"{place}, column label",
            fix=f"{did_you_mean(text, names)}classes are: {', '.join(names)}",
        )

    def described(self) -> dict[str, Any]:
        """Nothing where it is plain classification: that is what a configuration without a task means."""
        return {} if type(self) is Classification else super().described()

    def summary(self) -> str:
        """Nothing where it is plain classification."""
        return "" if type(self) is Classification else super().summary()

    def identity(self) -> dict[str, Any]:
        """The classes in their order."""
        return {**self.described(), "classes": list(self.columns)}

    def identified(self, values: Mapping[str, int | float]) -> list[Any]:
        """The name of the class."""
        return [self.columns[int(values["label"])]]

    def check_training(self, truth: Truth, *, place: str) -> None:
        """Refuse a single class."""
        if len(one := self._present(truth)) == 1:
            raise _one_class("training", one, "nothing can be learned", place)

    def check_choice(self, truth: Truth, uses: str, *, place: str, metric: str = "") -> None:
        """Refuse a single class, and the lack of one without which ``metric`` is undefined."""
        if len(one := self._present(truth)) == 1:
            raise _one_class("validation", one, f"they cannot choose {uses}", place)
        if metric in _NEED_EVERY_CLASS and (lacking := self._lacking(truth)):
            raise DataError(
                f"no validation slide is {lacking}: {metric}, which chooses {uses}, is undefined",
                place=place,
                fix="put slides of every class into the validation part of the split file, "
                "or add --tune-metric log_loss",
            )

    def fold_warnings(self, part: str, where: str, truth: Truth, *, chooses: bool = False) -> Iterator[str]:
        """A class that no slide of the part has."""
        lacking = self._lacking(truth)
        if part == "test":
            if lacking:
                yield (
                    f"the AUC of {where} is undefined, and with it that of the whole study: no test slide is {lacking}"
                )
        elif lacking and len(truth) and self.n_columns > 2:
            consequence = ": its AUC is undefined, and the loss chooses the epoch" * chooses
            yield f"no {part} slide of {where} is {lacking}{consequence}"

    def encode(self, truth: Truth) -> NDArray[Any]:
        """Class indices, int64."""
        return np.asarray(truth["label"], np.int64)

    def loss(self, output: BagOutput, labels: Tensor, own: Callable[[BagOutput, Tensor], Tensor]) -> Tensor:
        """The method's own."""
        return own(output, labels)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Softmax."""
        from torch.nn import functional

        return functional.softmax(logits.double(), -1)

    def validation_loss(self, labels: NDArray[Any], probabilities: NDArray[np.float64]) -> float:
        """The log loss."""
        return float(log_loss(labels, probabilities)[0])

    def decide(self, probabilities: NDArray[np.float64], threshold: float | None) -> dict[str, NDArray[Any]]:
        """The predicted class, and the threshold that led to it."""
        filled = np.full(len(probabilities), np.nan if threshold is None else threshold)
        return {"predicted": predicted_classes(probabilities, threshold), "threshold": filled}

    @classmethod
    def rows(
        cls,
        unit: Mapping[str, Any],
        truth: Mapping[str, NDArray[Any]],
        probabilities: NDArray[np.float64],
        decision: Mapping[str, NDArray[Any]],
    ) -> Rows:
        """Labels, probabilities and predicted classes."""
        label, predicted = truth["label"], decision["predicted"]
        return cls.table(**unit, label=label, predicted=predicted, probabilities=probabilities)

    def threshold(self, truth: Truth, probabilities: NDArray[np.float64]) -> float | None:
        """The one with the best balanced accuracy, with two classes."""
        return choose_threshold(truth["label"], probabilities[:, 1]) if self.thresholded else None

    @classmethod
    def figures(cls, rows: Rows, classes: Sequence[str], title: str, score: Score | None) -> dict[str, bytes | None]:
        """ROC curve and confusion matrix."""
        from harness.tasks.plots import confusion_figure, roc_figure

        assert isinstance(rows, Predictions)
        return {
            "roc.png": roc_figure(rows, classes, title=title, auc=score if cls.metrics[0] == "auc" else None),
            "confusion.png": confusion_figure(rows, classes, title=title),
        }

    @classmethod
    def study_figures(
        cls, rows: Rows, classes: Sequence[str], title: str, score: Score | None
    ) -> dict[str, bytes | None]:
        """The precision-recall curve and the calibration too: the few slides of one fold say little about them."""
        from harness.tasks.probability_plots import calibration_figure, precision_recall_figure

        assert isinstance(rows, Predictions)
        return {
            **cls.figures(rows, classes, title, score),
            "precision_recall.png": precision_recall_figure(rows, classes, title=title),
            "calibration.png": calibration_figure(rows, classes, title=title),
        }

    @classmethod
    def drawings(cls, rows: Rows, classes: Sequence[str]) -> tuple[Drawing, ...]:
        """ROC curve and calibration."""
        from harness.tasks.probability_svg import calibration_drawing, roc_drawing

        assert isinstance(rows, Predictions)
        return (*roc_drawing(rows, classes), calibration_drawing(rows, classes))

    @classmethod
    def crossed(cls, rows: Rows, classes: Sequence[str]) -> NDArray[np.int64]:
        """The confusion matrix."""
        assert isinstance(rows, Predictions)
        return np.asarray(confusion(rows.label, rows.predicted, len(classes))[0], np.int64)

    def _lacking(self, truth: Truth) -> str:
        """Classes that no slide has, in words."""
        have = self._present(truth)
        return " or ".join(name for name in self.columns if name not in have)

    def _present(self, truth: Truth) -> set[str]:
        return {self.columns[label] for label in np.unique(truth["label"])}


def _one_class(part: str, classes: set[str], consequence: str, place: str) -> DataError:
    return DataError(
        f"all {part} slides are of one class ({listed(sorted(classes))}): {consequence}",
        place=place,
        fix=f"put slides of every class into the {part} part of the split file",
    )
