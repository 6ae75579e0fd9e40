"""Regression: a number per slide."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from harness.core.errors import DataError
from harness.evaluation.regression import REGRESSION_METRICS, RegressionPredictions
from harness.tasks.task import Task, wrong_cell
from harness.tasks.truth import Column, Truth, with_point

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from harness.api.output import BagOutput
    from harness.evaluation.rows import Rows
    from harness.evaluation.study_scores import Score
    from harness.tasks.svg import Drawing

OBJECTIVES = ("mse", "l1", "huber")
_MOST_STRATA = 10
_OUTPUT = "target"


@dataclass(frozen=True)
class Regression(Task):
    """A number per slide. A network has one output: the number in standard deviations of the training slides.

    Attributes:
        objective: the loss, of standardised numbers: ``mse``, ``l1``, or ``huber`` (squared below one).
        mean, std: of the training slides; 0 and 1 before :meth:`fitted`.
    """

    name: ClassVar[str] = "regression"
    truth: ClassVar[Mapping[str, Column]] = {"target": "number"}
    decision: ClassVar[Mapping[str, Column]] = {"predicted": "number"}
    metrics: ClassVar[tuple[str, ...]] = REGRESSION_METRICS
    monitored: ClassVar[tuple[str, ...]] = REGRESSION_METRICS
    lower_is_better: ClassVar[frozenset[str]] = frozenset({"mae"})
    default_classes: ClassVar[tuple[str, ...]] = (_OUTPUT,)
    known_as: ClassVar[Mapping[str, tuple[str, ...]]] = {"target": ("target", "label", "score", "value")}

    objective: str = "mse"
    mean: float = 0.0
    std: float = 1.0

    @classmethod
    def settings(cls) -> tuple[str, ...]:
        """The loss."""
        return ("objective",)

    @classmethod
    def of(cls, classes: Sequence[str], settings: Mapping[str, Any]) -> Self:
        """A card of numbers names no classes."""
        if tuple(classes) != cls.default_classes:
            raise ValueError("a number has no classes: leave them out")
        if (objective := settings.get("objective", "mse")) not in OBJECTIVES:
            raise ValueError(f"objective is one of {', '.join(OBJECTIVES)}, not {objective!r}")
        return cls((_OUTPUT,), objective=objective)

    def read(self, cells: Mapping[str, str], place: str) -> dict[str, int | float]:
        """A finite number."""
        text = cells["target"]
        try:
            number = float(with_point(text))
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            where = f"{place}, column target"
            raise wrong_cell(
                text, "is not a number", where, "write numbers with a decimal point, or leave the slide out"
            )
        return {"target": number}

    def group(self, values: Mapping[str, int | float]) -> int:
        """All slides are of one group."""
        return 0

    @classmethod
    def strata(cls, groups: Sequence[str], values: Sequence[Mapping[str, int | float]], folds: int) -> list[str]:
        """Bins between quantiles of the numbers, each with slides for every fold; at most ten."""
        numbers = np.array([one["target"] for one in values], np.float64)
        bins = max(1, min(_MOST_STRATA, len(numbers) // folds))
        edges = np.unique(np.quantile(numbers, np.linspace(0, 1, bins + 1)[1:-1]))
        return [f"bin {number}" for number in np.searchsorted(edges, numbers, side="right")]

    def check_training(self, truth: Truth, *, place: str) -> None:
        """Refuse a single number."""
        _check_varies(truth, "training", "nothing can be learned", place)

    def check_choice(self, truth: Truth, uses: str, *, place: str, metric: str = "") -> None:
        """Refuse a single number."""
        _check_varies(truth, "validation", f"they cannot choose {uses}", place)

    def fitted(self, truth: Truth, *, place: str) -> Self:
        """With mean and standard deviation of the training slides."""
        self.check_training(truth, place=place)
        return replace(self, mean=float(np.mean(truth["target"])), std=float(np.std(truth["target"])))

    def encode(self, truth: Truth) -> NDArray[Any]:
        """Standardised numbers, float32."""
        return np.asarray((truth["target"] - self.mean) / self.std, np.float32)

    def loss(self, output: BagOutput, labels: Tensor, own: Callable[[BagOutput, Tensor], Tensor]) -> Tensor:
        """The :attr:`objective`."""
        from torch.nn import functional

        predicted, wanted = output.logits[:, 0], labels.to(output.logits.dtype)
        if self.objective == "l1":
            return functional.l1_loss(predicted, wanted)
        return (functional.huber_loss if self.objective == "huber" else functional.mse_loss)(predicted, wanted)

    def probabilities(self, logits: Tensor) -> Tensor:
        """(B, 1) standardised outputs → numbers."""
        return logits.double() * self.std + self.mean

    def validation_loss(self, labels: NDArray[Any], probabilities: NDArray[np.float64]) -> float:
        """The objective, of standardised numbers."""
        error = np.abs((probabilities[:, 0] - self.mean) / self.std - labels)
        if self.objective == "l1":
            return float(error.mean())
        if self.objective == "huber":
            return float(np.where(error < 1, error**2 / 2, error - 0.5).mean())
        return float((error**2).mean())

    def decide(self, probabilities: NDArray[np.float64], threshold: float | None) -> dict[str, NDArray[Any]]:
        """The number."""
        return {"predicted": probabilities[:, 0]}

    @classmethod
    def rows(
        cls,
        unit: Mapping[str, Any],
        truth: Mapping[str, NDArray[Any]],
        probabilities: NDArray[np.float64],
        decision: Mapping[str, NDArray[Any]],
    ) -> Rows:
        """True and predicted numbers."""
        return RegressionPredictions(**unit, target=truth["target"], predicted=decision["predicted"])

    def decided(self, threshold: float | None) -> dict[str, Any]:
        """Mean and standard deviation of the training slides."""
        return {"mean": self.mean, "std": self.std}

    def certainty(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """The number."""
        return np.asarray(probabilities[:, 0])

    @classmethod
    def figures(cls, rows: Rows, classes: Sequence[str], title: str, score: Score | None) -> dict[str, bytes | None]:
        """Predicted over true numbers."""
        from harness.tasks.plots import scatter_figure

        assert isinstance(rows, RegressionPredictions)
        return {"predicted.png": scatter_figure(rows.target, rows.predicted, title=title)}

    @classmethod
    def drawings(cls, rows: Rows, classes: Sequence[str]) -> tuple[Drawing, ...]:
        """Predicted over true numbers, and residuals."""
        from harness.tasks.regression_svg import predicted_drawing, residual_drawing

        assert isinstance(rows, RegressionPredictions)
        return predicted_drawing(rows), residual_drawing(rows)

    @classmethod
    def example(cls, groups: NDArray[np.int64], patients: Sequence[str]) -> tuple[Self, Truth]:
        """Numbers that rise with the group."""
        target = 10.0 * groups + np.arange(len(groups)) % 3
        truth = Truth(tuple(patients), {"target": target})
        return cls((_OUTPUT,)).fitted(truth, place="example"), truth


def _check_varies(truth: Truth, part: str, consequence: str, place: str) -> None:
    if len(np.unique(truth["target"])) == 1:
        raise DataError(
            f"all {part} slides have the number {truth['target'][0]:g}: {consequence}",
            place=place,
            fix=f"put slides with different numbers into the {part} part of the split file",
        )
