"""The search of one outer fold, batch by batch: it asks for results and takes them in, whoever makes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.studies.tuning.propose import propose
from harness.studies.tuning.settings import TuneSettings
from harness.studies.tuning.space import Space
from harness.studies.tuning.trials import Trial, best, prune


@dataclass(frozen=True)
class Question:
    """One piece of work: a trial on one inner fold.

    Attributes:
        trial: number of the trial.
        step: the inner fold, from 0.
        params: the hyper-parameters that are searched.
    """

    trial: int
    step: int
    params: Mapping[str, Any] = field(compare=False)


class Search:
    """Ask for :meth:`questions`, tell each one's result, and ask again, until there are none.

    What is asked depends on the results only, not on their order in time.

    Args:
        settings: how is searched.
        space: what is searched.
        key: names the search: study and outer fold.
        defaults: the method's own values of the searched hyper-parameters: trial 0.
        metric: the score that decides.
        share_s: device time this search may use; None for no limit.
    """

    def __init__(
        self,
        settings: TuneSettings,
        space: Space,
        key: str,
        defaults: Mapping[str, Any],
        *,
        metric: str,
        share_s: float | None = None,
    ) -> None:
        self.settings = settings
        self.space = space
        self.key = key
        self.metric = metric
        self.share_s = share_s
        self.trials: list[Trial] = []
        self._defaults = {dimension.name: defaults[dimension.name] for dimension in space}
        self._batch: list[Trial] = []

    @property
    def device_s(self) -> float:
        """Device time used so far."""
        return sum(trial.device_s for trial in self.trials)

    @property
    def best(self) -> Trial | None:
        """The best complete trial so far."""
        return best(self.trials, self.metric)

    def questions(self) -> list[Question]:
        """What has to be done next; empty once the search is over."""
        self._close_step()
        if not any(trial.state == "open" for trial in self._batch):
            self._batch = self._next_batch()
            self.trials += self._batch
        return [
            Question(trial.number, len(trial.scores), trial.params) for trial in self._batch if trial.state == "open"
        ]

    def tell(self, question: Question, scores: Mapping[str, float] | None, device_s: float, reason: str = "") -> None:
        """Take in the result of a question; ``scores`` None means that it failed for ``reason``."""
        trial = self.trials[question.trial]
        trial.device_s += device_s
        if scores is None or not _known(scores.get(self.metric)):
            trial.state = "failed"
            trial.reason = reason or f"validation gives no {self.metric}: it is undefined for its slides"
            return
        trial.scores.append(scores)

    def _close_step(self) -> None:
        """After an inner fold: complete what is through, and give up what is not worth going on with."""
        for trial in self._batch:
            if trial.state == "open" and len(trial.scores) >= self.settings.folds:
                trial.state = "complete"
        if any(trial.scores for trial in self._batch if trial.state == "open"):
            earlier = self.trials[: self._batch[0].number]
            prune(self.settings.pruner, self._batch, earlier, self.metric)

    def _next_batch(self) -> list[Trial]:
        first = len(self.trials)
        if self.share_s is not None and self.device_s >= self.share_s and first > 0:
            return []
        numbers = range(first, min(first + self.settings.batch, self.settings.trials))
        return [Trial(number, self._params(number)) for number in numbers]

    def _params(self, number: int) -> Mapping[str, Any]:
        if number == 0:
            return self._defaults
        return propose(self.settings, self.space, self.key, number, self.trials, self.metric)


def _known(value: float | None) -> bool:
    return value is not None and value == value


def flat(fold: str, trials: Sequence[Trial], metric: str, chosen: Trial | None) -> list[dict[str, Any]]:
    """The trials of a search as rows of a table."""
    return [
        {
            "fold": fold,
            "trial": trial.number,
            "state": trial.state,
            metric: trial.value(metric),
            "log_loss": trial.value("log_loss"),
            "device_s": round(trial.device_s, 3),
            "chosen": chosen is not None and trial.number == chosen.number,
            **{f"param.{name}": value for name, value in trial.params.items()},
            "reason": trial.reason,
        }
        for trial in trials
    ]
