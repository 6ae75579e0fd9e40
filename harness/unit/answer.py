"""The answer of the process that trained a unit: predictions under the order's ids, and how they came about.

It goes through files that hold numbers and text only: reading them executes nothing, whatever a method wrote there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.api.prediction import Prediction
from harness.core.arrays import read_npz
from harness.core.atomic import replacing, write_text
from harness.core.errors import MethodError
from harness.core.reading import read_json
from harness.unit.epochs import EpochPredictions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_ARRAYS, _REST = "answer.npz", "answer.json"
_REST_OF_IT = ("curve", "facts", "accounting", "root_seed", "seal", "environment")


@dataclass(frozen=True, kw_only=True)
class UnitAnswer:
    """What the work of a unit leaves behind.

    Attributes:
        test: predictions of the sealed slides; None for a trial, which predicts none.
        val: those of the validation slides; None where there are none.
        curve: rows of the training curves.
        facts: per stage: epochs, best epoch, whether resumed ...
        accounting: time, memory and device hours by stage.
        root_seed: what all draws were derived from.
        seal: how well the labels were closed away from the process that trained.
        environment: where it was trained (see :func:`harness.accounting.environment.environment`).
        epochs: what the weights of every epoch predict, where that was ordered.
    """

    test: Prediction | None
    val: Prediction | None
    curve: list[dict[str, float | str]]
    facts: dict[str, dict[str, float | int | str | bool | None]]
    accounting: dict[str, Any]
    root_seed: int
    seal: str = ""
    environment: Mapping[str, Any] = field(default_factory=dict)
    epochs: EpochPredictions | None = None

    def with_names(self, real: Mapping[str, str]) -> UnitAnswer:
        """The same answer with the real ids of the test slides."""
        if self.test is None:
            return self
        return replace(self, test=replace(self.test, slides=tuple(real[alias] for alias in self.test.slides)))

    def save(self, folder: Path) -> None:
        """Write to ``folder``; the answer is whole once ``answer.json`` is there."""
        folder.mkdir(parents=True, exist_ok=True)
        parts = {"test": self.test, "val": self.val}
        arrays: dict[str, NDArray[Any]] = {}
        for part, prediction in parts.items():
            arrays |= {} if prediction is None else _arrays(part, prediction)
        arrays |= {} if self.epochs is None else self.epochs.arrays()
        with replacing(folder / _ARRAYS) as path:
            np.savez(path, **arrays)  # type: ignore[arg-type]  # the stub takes the names for its own options
        rest = {
            "slides": {part: None if one is None else one.slides for part, one in parts.items()},
            "watched": None if self.epochs is None else self.epochs.stage,
            "curve": self.curve,
            "facts": self.facts,
            "accounting": self.accounting,
            "root_seed": self.root_seed,
            "seal": self.seal,
            "environment": dict(self.environment),
        }
        # Not strict JSON: a training curve may hold what is not a number.
        write_text(folder / _REST, json.dumps(rest))

    @classmethod
    def load(cls, folder: Path) -> UnitAnswer:
        """Read what :meth:`save` wrote.

        Raises:
            MethodError: it is missing or damaged.
        """
        try:
            rest, arrays = read_json(folder / _REST), read_npz(folder / _ARRAYS)
            parts = {part: _prediction(part, rest["slides"][part], arrays) for part in ("test", "val")}
            stage = rest["watched"]
            epochs = None if stage is None else EpochPredictions.of(stage, arrays)
            others = {name: rest[name] for name in _REST_OF_IT}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise MethodError(
                f"the answer of the process that trained cannot be read: {error}",
                place=str(folder),
                fix="run the unit again: the same command does; a full disk is the usual reason",
            ) from error
        return cls(test=parts["test"], val=parts["val"], epochs=epochs, **others)


def _arrays(part: str, prediction: Prediction) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {f"{part}_probabilities": prediction.probabilities}
    if prediction.attention is not None:
        arrays[f"{part}_attention"] = np.concatenate([np.zeros(0, np.float32), *prediction.attention])
        arrays[f"{part}_tiles"] = np.array([len(weights) for weights in prediction.attention], np.int64)
    return arrays


def _prediction(part: str, slides: list[str] | None, arrays: Mapping[str, NDArray[Any]]) -> Prediction | None:
    if slides is None:
        return None
    attention = None
    if f"{part}_tiles" in arrays:
        ends = np.cumsum(arrays[f"{part}_tiles"])[:-1]
        attention = tuple(np.split(arrays[f"{part}_attention"], ends)) if len(slides) else ()
    return Prediction(tuple(slides), np.asarray(arrays[f"{part}_probabilities"], np.float64), attention)
