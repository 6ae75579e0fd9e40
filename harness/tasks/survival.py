"""Survival: when an event comes, over intervals of time that the training patients of a fold set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from harness.core.errors import DataError
from harness.evaluation.survival import SURVIVAL_METRICS, SurvivalPredictions, interval_log_loss, risk_of
from harness.tasks.follow_up import (
    CENSORED,
    EVENT,
    EVENT_NAMES,
    INTERVALS,
    LATER,
    TIME_NAMES,
    FollowUp,
    check_patients,
    cut_points,
    decoded,
    interval_names,
    most_intervals,
    read_event,
    read_time,
)
from harness.tasks.task import Task
from harness.tasks.truth import Column, Truth

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from harness.api.output import BagOutput
    from harness.evaluation.rows import Rows
    from harness.evaluation.study_scores import Score
    from harness.tasks.svg import Drawing

_EXAMPLE = (1.0, 2.0, 3.0)
"""Limits between the intervals of time of :meth:`Survival.example`."""


@dataclass(frozen=True)
class Survival(Task):
    """Discrete-time survival.

    ``classes`` are the intervals of time: outputs are logits of hazards, and a label is twice the interval, plus 1 for
    an event.

    Attributes:
        intervals: how many intervals of time are predicted.
        bin_edges: the limits between them, from the training patients; empty before.
    """

    name: ClassVar[str] = "survival"
    truth: ClassVar[Mapping[str, Column]] = {"time": "number", "event": "count"}
    decision: ClassVar[Mapping[str, Column]] = {"risk": "number"}
    metrics: ClassVar[tuple[str, ...]] = SURVIVAL_METRICS
    monitored: ClassVar[tuple[str, ...]] = SURVIVAL_METRICS
    default_classes: ClassVar[tuple[str, ...]] = (CENSORED, EVENT)
    known_as: ClassVar[Mapping[str, tuple[str, ...]]] = {"time": TIME_NAMES, "event": EVENT_NAMES}

    intervals: int = INTERVALS
    bin_edges: tuple[float, ...] = ()

    @classmethod
    def settings(cls) -> tuple[str, ...]:
        """The number of intervals."""
        return ("intervals",)

    @classmethod
    def of(cls, classes: Sequence[str], settings: Mapping[str, Any]) -> Self:
        """``classes`` of the card name how follow-up ended."""
        if len(classes) != 2:
            raise ValueError("classes name the two ways in which follow-up ends: censored and event, or leave them out")
        return cls.over(settings.get("intervals", INTERVALS))

    @classmethod
    def over(cls, intervals: int, *, encoder: str = "", bin_edges: Sequence[float] = ()) -> Self:
        """The task over so many intervals of time."""
        return cls(interval_names(intervals), encoder, intervals, tuple(bin_edges))

    @property
    def columns(self) -> tuple[str, ...]:
        """Each interval of time, and later."""
        return (*self.classes, LATER)

    def read(self, cells: Mapping[str, str], place: str) -> dict[str, int | float]:
        """Time and event."""
        time, event = (f"{place}, column {name}" for name in self.truth)
        return {"time": read_time(cells["time"], time), "event": read_event(cells["event"], event)}

    def check(self, slides: Sequence[str], truth: Truth, *, place: str) -> None:
        """A patient is followed once."""
        check_patients(slides, FollowUp.of(truth), place=place)

    def group(self, values: Mapping[str, int | float]) -> int:
        """1 for an event, 0 for censored."""
        return int(values["event"])

    @classmethod
    def check_column(cls, column: str, found: str, *, place: str) -> None:
        """Refuse a column of censoring for that of events: it says the contrary."""
        if column == "event" and "censor" in found.lower():
            raise DataError(
                f"column {found!r} says by its name who is censored, not who had an event",
                place=place,
                fix="give a column with 1 for an event and 0 for censored; rename it if that is what it holds",
            )

    @classmethod
    def needed_groups(cls, classes: Sequence[str]) -> tuple[str, ...]:
        """Events: without one there is nothing to learn or score; without anybody censored there is."""
        return (classes[1],)

    @classmethod
    def settings_for(cls, training: Sequence[Truth], *, place: str) -> dict[str, Any]:
        """As many intervals of time, up to the usual number, as the training patients of every fold have events for."""
        return {"intervals": most_intervals([FollowUp.of(truth) for truth in training], INTERVALS, place=place)}

    def summary(self) -> str:
        """Over how many intervals."""
        return f"{self.name} over {self.intervals} intervals of time"

    def identity(self) -> dict[str, Any]:
        """The number of intervals."""
        return {"intervals": self.intervals}

    def check_training(self, truth: Truth, *, place: str) -> None:
        """Refuse too few events for the intervals."""
        cut_points(FollowUp.of(truth), self.intervals, place=place)

    def check_choice(self, truth: Truth, uses: str, *, place: str, metric: str = "") -> None:
        """Refuse patients of whom no two can be compared."""
        if not _comparable(truth):
            raise DataError(
                f"validation patients choose {uses}, and no two of them make a comparable pair",
                place=place,
                fix="put patients with an event, and others with a longer follow-up, into the validation part",
            )

    def fold_warnings(self, part: str, where: str, truth: Truth, *, chooses: bool = False) -> Iterator[str]:
        """Test patients of whom no two can be compared."""
        if part == "test" and not _comparable(truth):
            yield f"the C-index of {where} is undefined: its test patients make no comparable pair"

    def fitted(self, truth: Truth, *, place: str) -> Self:
        """With the limits of the intervals."""
        return replace(self, bin_edges=cut_points(FollowUp.of(truth), self.intervals, place=place))

    def encode(self, truth: Truth) -> NDArray[Any]:
        """Twice the interval, plus 1 for an event."""
        return FollowUp.of(truth).event_time_labels(self.bin_edges)

    def loss(self, output: BagOutput, labels: Tensor, own: Callable[[BagOutput, Tensor], Tensor]) -> Tensor:
        """The likelihood of follow-up."""
        from harness.tasks.hazards import survival_loss

        return survival_loss(output.logits, labels)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Of an event in each interval, and later."""
        from harness.tasks.hazards import interval_probabilities

        return interval_probabilities(logits)

    def validation_loss(self, labels: NDArray[Any], probabilities: NDArray[np.float64]) -> float:
        """The likelihood of follow-up."""
        return interval_log_loss(*decoded(labels), probabilities)

    def decide(self, probabilities: NDArray[np.float64], threshold: float | None) -> dict[str, NDArray[Any]]:
        """The risk."""
        return {"risk": risk_of(probabilities)}

    @classmethod
    def rows(
        cls,
        unit: Mapping[str, Any],
        truth: Mapping[str, NDArray[Any]],
        probabilities: NDArray[np.float64],
        decision: Mapping[str, NDArray[Any]],
    ) -> Rows:
        """Time, event and risk."""
        return SurvivalPredictions(**unit, time=truth["time"], event=truth["event"], risk=decision["risk"])

    @classmethod
    def study_figures(
        cls, rows: Rows, classes: Sequence[str], title: str, score: Score | None
    ) -> dict[str, bytes | None]:
        """Kaplan-Meier curves by predicted risk."""
        from harness.tasks.survival_plots import kaplan_meier_figure

        assert isinstance(rows, SurvivalPredictions)
        return {"kaplan_meier.png": kaplan_meier_figure(rows, title=title)}

    @classmethod
    def drawings(cls, rows: Rows, classes: Sequence[str]) -> tuple[Drawing, ...]:
        """Kaplan-Meier curves by predicted risk; none where the patients make no two groups."""
        from harness.tasks.survival_svg import kaplan_meier_drawing

        assert isinstance(rows, SurvivalPredictions)
        return kaplan_meier_drawing(rows)

    def decided(self, threshold: float | None) -> dict[str, Any]:
        """The limits of the intervals."""
        return {"cuts": list(self.bin_edges)}

    def certainty(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """The risk."""
        return risk_of(probabilities)

    @classmethod
    def example(cls, groups: NDArray[np.int64], patients: Sequence[str]) -> tuple[Self, Truth]:
        """The event comes the sooner the larger the group is; every third patient is censored."""
        numbers = np.arange(len(groups))
        times = np.asarray(np.where(groups == 0, 2.5, 0.5) + numbers // 2 % 2, np.float64)
        seen = FollowUp(tuple(patients), times, (numbers % 3 != 2).astype(np.int64))
        return cls.over(len(_EXAMPLE) + 1, bin_edges=_EXAMPLE), seen.truth


def _comparable(truth: Truth) -> bool:
    """Whether of any two it is known who had the event first, see :func:`harness.evaluation.survival.c_index`."""
    times, events = np.asarray(truth["time"]), np.asarray(truth["event"]).astype(bool)
    if not events.any():
        return False
    first = times[events].min()
    return bool((times > first).any() or ((times == first) & ~events).any())
