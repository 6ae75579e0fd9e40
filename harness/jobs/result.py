"""The result of a job: predictions under the job's slide ids, and how they came about.

It goes through files that hold numbers and text only: reading them executes nothing, whatever a method wrote there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.api.prediction import Prediction
from harness.core.arrays import read_npz
from harness.core.atomic import replacing, write_text
from harness.core.errors import MethodError
from harness.core.reading import read_json

if TYPE_CHECKING:
    from numpy.typing import NDArray

ARRAYS, REST = "result.npz", "result.json"
_REST_FIELDS = ("curve", "facts", "accounting", "root_seed", "sandbox", "environment")
_EPOCHS = "epochs_"


@dataclass(frozen=True)
class EpochPredictions:
    """Predictions after each of E epochs, in the order of the job's slides.

    Attributes:
        stage: the stage whose epochs they are, the last one.
        test: probabilities of the test slides, (E, n_test, C) float64.
        val: those of the validation slides, (E, n_val, C) float64; None where there are none.
    """

    stage: str
    test: NDArray[np.float64]
    val: NDArray[np.float64] | None

    def __len__(self) -> int:
        return len(self.test)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """As arrays by name."""
        return {f"{_EPOCHS}test": self.test} | ({} if self.val is None else {f"{_EPOCHS}val": self.val})

    @classmethod
    def of(cls, stage: str, arrays: Mapping[str, NDArray[Any]]) -> EpochPredictions:
        """From what :meth:`arrays` gave.

        Raises:
            KeyError, ValueError: the arrays are missing or of another shape.
        """
        test = np.asarray(arrays[f"{_EPOCHS}test"], np.float64)
        val = np.asarray(arrays[f"{_EPOCHS}val"], np.float64) if f"{_EPOCHS}val" in arrays else None
        if test.ndim != 3 or not len(test) or (val is not None and (val.ndim != 3 or len(val) != len(test))):
            raise ValueError("the predictions of epochs have no such shape")
        return cls(str(stage), test, val)


@dataclass(frozen=True, kw_only=True)
class JobResult:
    """What a job leaves behind.

    Attributes:
        test: predictions of the test slides; None for a trial, which predicts none.
        val: those of the validation slides; None where there are none.
        curve: rows of the training curves.
        facts: per stage: epochs, best epoch, whether resumed ...
        accounting: time, memory and device hours by stage.
        root_seed: what all draws were derived from.
        sandbox: how well labels were hidden from the process that trained.
        environment: where it was trained (see :func:`harness.accounting.environment.environment`).
        epochs: what the weights of every epoch predict, where the job asks for it.
    """

    test: Prediction | None
    val: Prediction | None
    curve: list[dict[str, float | str]]
    facts: dict[str, dict[str, float | int | str | bool | None]]
    accounting: dict[str, Any]
    root_seed: int
    sandbox: str = ""
    environment: Mapping[str, Any] = field(default_factory=dict)
    epochs: EpochPredictions | None = None

    def with_names(self, real: Mapping[str, str]) -> JobResult:
        """The same result with the real ids of the test slides."""
        if self.test is None:
            return self
        return replace(self, test=replace(self.test, slides=tuple(real[alias] for alias in self.test.slides)))

    def without_tiles(self) -> JobResult:
        """The same result without numbers per tile, which are large."""
        return replace(self, test=_without_tiles(self.test), val=_without_tiles(self.val))

    def save(self, folder: Path) -> None:
        """Write to ``folder``; the result is whole once ``result.json`` is there."""
        folder.mkdir(parents=True, exist_ok=True)
        parts = {"test": self.test, "val": self.val}
        arrays: dict[str, NDArray[Any]] = {}
        for part, prediction in parts.items():
            arrays |= {} if prediction is None else _arrays(part, prediction)
        arrays |= {} if self.epochs is None else self.epochs.arrays()
        with replacing(folder / ARRAYS) as path:
            np.savez(path, **arrays)  # type: ignore[arg-type]  # the stub takes the names for its own options
        rest = {name: getattr(self, name) for name in _REST_FIELDS}
        rest["slides"] = {part: None if one is None else one.slides for part, one in parts.items()}
        rest["epochs_of"] = None if self.epochs is None else self.epochs.stage
        # Not strict JSON: a training curve may hold what is not a number.
        write_text(folder / REST, json.dumps(rest))

    @classmethod
    def load(cls, folder: Path) -> JobResult:
        """Read what :meth:`save` wrote.

        Raises:
            MethodError: it is missing or damaged.
        """
        try:
            rest, arrays = read_json(folder / REST), read_npz(folder / ARRAYS)
            parts = {part: _prediction(part, rest["slides"][part], arrays) for part in ("test", "val")}
            stage = rest["epochs_of"]
            epochs = None if stage is None else EpochPredictions.of(stage, arrays)
            others = {name: rest[name] for name in _REST_FIELDS}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise MethodError(
                f"the result of the process that trained cannot be read: {error}",
                place=str(folder),
                fix="give the same command again; a full disk is the usual reason",
            ) from error
        return cls(test=parts["test"], val=parts["val"], epochs=epochs, **others)


_PER_TILE = "_per_tile_"


def _arrays(part: str, prediction: Prediction) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {f"{part}_probabilities": prediction.probabilities}
    for name, values in prediction.per_tile.items():
        arrays[f"{part}{_PER_TILE}{name}"] = np.concatenate([np.zeros(0, np.float32), *values])
        arrays[f"{part}_tiles"] = np.array([len(one) for one in values], np.int64)
    return arrays


def _prediction(part: str, slides: list[str] | None, arrays: Mapping[str, NDArray[Any]]) -> Prediction | None:
    if slides is None:
        return None
    start = f"{part}{_PER_TILE}"
    tiles = {
        name.removeprefix(start): tuple(np.split(values, np.cumsum(arrays[f"{part}_tiles"])[:-1])) if slides else ()
        for name, values in arrays.items()
        if name.startswith(start)
    }
    attention = tiles.pop("attention", None)
    return Prediction(tuple(slides), np.asarray(arrays[f"{part}_probabilities"], np.float64), attention, tiles)


def _without_tiles(prediction: Prediction | None) -> Prediction | None:
    return None if prediction is None else replace(prediction, attention=None, tiles={})
