"""What ``bench selection-bias`` found, in numbers. It is no evidence of a unit: part of it is chosen on test slides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.atomic import write_json
from harness.core.plain_json import plain
from harness.core.reading import read_json
from harness.evaluation.paired import compare
from harness.evaluation.study_scores import study_scores
from harness.studies.selections import CLEAN, Choice, predictions_of

if TYPE_CHECKING:
    from harness.evaluation.rows import Rows

NOTE = "Chosen on the test slides, to see what that adds. Neither evidence of a unit nor ever ranked."


@dataclass(frozen=True, kw_only=True)
class Number:
    """A score or a difference with its 95 % interval over patients; None where undefined."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True)
class Selection:
    """One way to select.

    Attributes:
        name: see :mod:`harness.studies.selections`.
        scores: by metric.
        gains: this minus clean by metric, paired over patients; empty for clean itself.
        compared: predictions of test slides that were compared in all folds and seeds.
    """

    name: str
    scores: Mapping[str, Number]
    gains: Mapping[str, Number]
    compared: int


@dataclass(frozen=True, kw_only=True)
class SelectionBias:
    """All ways to select, from the same trainings.

    Attributes:
        study_id: the clean study's name.
        selections: of which one is clean.
        choices: what each of them took in each fold, for whoever wants to know.
        trials: sets of hyper-parameters per fold and seed.
        units: folds times seeds.
        failed: trainings that failed by their own fault and were left out, each with the reason.
        accesses: test-set accesses in all.
        patients, resamples: of the intervals.
        config: the resolved study.
    """

    study_id: str
    selections: Sequence[Selection]
    choices: Sequence[Mapping[str, Any]]
    trials: int
    units: int
    failed: Mapping[str, str]
    accesses: int
    patients: int
    resamples: int
    config: Mapping[str, Any]

    @property
    def clean(self) -> Selection:
        """The clean selection."""
        return next(one for one in self.selections if one.name == CLEAN)

    def save(self, path: Path) -> None:
        """Write as JSON, whole or not at all."""
        write_json(path, {"note": NOTE, "ranked": False, **plain(asdict(self))})

    @classmethod
    def load(cls, path: Path) -> SelectionBias | None:
        """What :meth:`save` wrote; None where it is absent or damaged."""
        try:
            content = read_json(path)
            selections = [_selection(one) for one in content.pop("selections")]
            del content["note"], content["ranked"]
            content["accesses"] = content.pop("asked", content.get("accesses"))  # results of 0.1 have the first name
            return cls(selections=selections, **content)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None


def selections_of(chosen: Mapping[str, Sequence[Choice]]) -> tuple[list[Selection], int, int]:
    """Scores and gains of every way to select; patients and resamples that the intervals rest on.

    Args:
        chosen: by name, what was taken in every fold and seed.
    """
    clean = predictions_of(chosen[CLEAN])
    scored = study_scores(clean)
    found = []
    for name, one in chosen.items():
        rows = clean if name == CLEAN else predictions_of(one)
        found.append(
            Selection(
                name=name,
                scores={
                    metric: Number(value=score.value, low=score.low, high=score.high)
                    for metric, score in study_scores(rows).scores.items()
                },
                gains={} if name == CLEAN else _gains(rows, clean),
                compared=sum(choice.compared for choice in one),
            )
        )
    return found, scored.patients, scored.resamples


def choice_row(fold: str, seed: int, name: str, choice: Choice) -> dict[str, Any]:
    """What was taken, as a row of a table."""
    return {
        "fold": fold,
        "seed": seed,
        "selection": name,
        "trial": choice.training.trial,
        "epoch": choice.epoch,
        "threshold": choice.threshold,
        "compared": choice.compared,
        "test": choice.training.scores[choice.epoch],
    }


def _gains(rows: Rows, clean: Rows) -> dict[str, Number]:
    return {
        metric: Number(value=one.value, low=one.interval.low, high=one.interval.high)
        for metric, one in compare(rows, clean).items()
    }


def _selection(content: Mapping[str, Any]) -> Selection:
    numbers = {part: {name: Number(**one) for name, one in content[part].items()} for part in ("scores", "gains")}
    compared = content["compared"] if "compared" in content else content["looks"]  # as it was called in 0.1
    return Selection(name=content["name"], compared=compared, **numbers)
