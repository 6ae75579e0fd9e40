"""Survival: how long patients were followed, how it ended, and the intervals of time that a model predicts."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.core.errors import DataError
from harness.tasks.truth import Truth, with_point

if TYPE_CHECKING:
    from numpy.typing import NDArray

CENSORED, EVENT = "censored", "event"
"""Names of the two ways in which follow-up ends."""

_NUMBER = re.compile(r"\+?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_WHOLE = re.compile(r"([01])(?:[.,]0*)?", re.ASCII)
_ENDS = {
    **dict.fromkeys(("dead", "deceased", "died", "true", "event", "1:deceased", "1:event"), 1),
    **dict.fromkeys(("alive", "living", "false", "censored", "0:living", "0:alive", "0:censored"), 0),
}
"""Words for how follow-up ended, those of cBioPortal among them."""

TIME_NAMES = (
    *("time", "os.time", "os_time", "os_days", "os_months", "survival_time", "survival_days", "survival_months"),
    *("follow_up_time", "followup_time", "time_to_event", "days", "months"),
)
EVENT_NAMES = ("event", "os", "os.event", "os_event", "os_status", "vital_status", "status", "dead")
"""Names of columns, in lower case."""

LATER = "later"
"""What a prediction calls the time beyond the last interval."""

INTERVALS = 4
"""Intervals of time unless the card says otherwise, as in ABMILX (arXiv 2506.02408, code)."""


@dataclass(frozen=True)
class FollowUp:
    """The follow-up of some slides' patients.

    Attributes:
        patients: patient of each slide.
        times: until the event or the end of follow-up, in the label table's unit, (n,) float64.
        events: 1 where the event was seen, 0 where follow-up ended before it (censored), (n,) int64.
    """

    patients: tuple[str, ...]
    times: NDArray[np.float64]
    events: NDArray[np.int64]

    @classmethod
    def of(cls, truth: Truth) -> FollowUp:
        """From the columns of the label table."""
        return cls(truth.patients, np.asarray(truth["time"], np.float64), np.asarray(truth["event"], np.int64))

    @property
    def truth(self) -> Truth:
        """As columns of the label table."""
        return Truth(self.patients, {"time": self.times, "event": self.events})

    def event_time_labels(self, bin_edges: Sequence[float]) -> NDArray[np.int64]:
        """What a bag's label is in survival: twice the interval, plus 1 for an event; (n,) int64.

        Args:
            bin_edges: rising inner limits of the K intervals, (K - 1,). A time at a limit is of the interval above it.
        """
        intervals = np.searchsorted(np.asarray(bin_edges, np.float64), self.times, side="right")
        return np.asarray(2 * intervals + self.events, np.int64)


def decoded(labels: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Interval, and 1 for an event, of each of :meth:`FollowUp.event_time_labels`."""
    return labels // 2, labels % 2


def interval_names(count: int) -> tuple[str, ...]:
    """Names of ``count`` intervals: what a network has an output for."""
    return tuple(f"interval_{number + 1}" for number in range(count))


def cut_points(follow_up: FollowUp, intervals: int, *, place: str) -> tuple[float, ...]:
    """Limits between ``intervals`` intervals of time: quantiles of the patients' event times.

    Give the training patients alone. (The code of ABMILX takes the quantiles over the whole dataset, test patients
    included.) The first interval starts at zero and the last one has no end.

    Args:
        follow_up: of the training slides; each patient counts once.
        intervals: how many there are to be.
        place: for the error.

    Raises:
        DataError: too few different event times for so many intervals.
    """
    times = {
        patient: time
        for patient, time, event in zip(follow_up.patients, follow_up.times, follow_up.events, strict=True)
        if event
    }
    if (edges := _quantiles(list(times.values()), intervals)) is not None:
        return edges
    fewer = next((n for n in range(intervals - 1, 1, -1) if _quantiles(list(times.values()), n) is not None), None)
    raise DataError(
        f"{intervals} intervals cannot be cut from {len(times)} events at {len(set(times.values()))} different times",
        place=place,
        fix="add training patients with an event"
        + ("" if fewer is None else f", or write `intervals: {fewer}` on the dataset's card"),
    )


def _quantiles(times: list[float], intervals: int) -> tuple[float, ...] | None:
    """Quantiles of event times; None where two of them would be the same."""
    if len(set(times)) < intervals:
        return None
    edges = np.quantile(sorted(times), np.arange(1, intervals) / intervals)
    return tuple(float(edge) for edge in edges) if (np.diff(edges) > 0).all() else None


def most_intervals(follow_ups: Sequence[FollowUp], most: int, *, place: str) -> int:
    """The largest number of intervals, up to ``most``, that can be cut from each of ``follow_ups``.

    Raises:
        DataError: not even two can.
    """
    for count in range(most, 2, -1):
        try:
            for follow_up in follow_ups:
                cut_points(follow_up, count, place=place)
        except DataError:
            continue
        return count
    for follow_up in follow_ups:
        cut_points(follow_up, 2, place=place)
    return 2


def check_patients(slides: Sequence[str], follow_up: FollowUp, *, place: str) -> None:
    """A patient is followed once, whatever the number of slides.

    Raises:
        DataError: two slides of a patient have different times or events.
    """
    first: dict[str, tuple[str, float, int]] = {}
    rows = zip(slides, follow_up.patients, follow_up.times.tolist(), follow_up.events.tolist(), strict=True)
    for slide, patient, time, event in rows:
        other = first.setdefault(patient, (slide, time, event))
        if other[1:] != (time, event):
            raise DataError(
                f"patient {patient} has two follow-ups: those of slides {other[0]} and {slide} differ",
                place=place,
                fix="give all slides of a patient the same time and event",
            )


def read_time(text: str, place: str) -> float:
    """A follow-up time from the label table: a number above 0.

    A decimal comma is read where it cannot part thousands: ``12,5`` is 12.5, and ``1,250`` is refused.
    """
    plain = with_point(text)
    time = float(plain) if _NUMBER.fullmatch(plain) else math.nan
    if not (0 < time < math.inf):
        ambiguous = ", with a decimal point" if "," in text else ""
        raise DataError(
            f"{text[:40]!r} is no follow-up time",
            place=place,
            fix=f"write a number above 0{ambiguous}; leave out patients who were not followed",
        )
    return time


def read_event(text: str, place: str) -> int:
    """0 or 1 from the label table, or 0.0 or 1.0, or a word such as Dead or Alive."""
    if (known := _ENDS.get(text.lower().replace(" ", ""))) is not None:
        return known
    if (number := _WHOLE.fullmatch(text)) is None:
        raise DataError(
            f"{text[:40]!r} does not say whether the event was seen",
            place=place,
            fix="write 1 for an event, and 0 where follow-up ended before it",
        )
    return int(number[1])
