"""Predictions of a unit as a table on disk."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import DataError
from harness.reading import check_expansion, open_regular

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray


PREDICTIONS = "predictions.parquet"


@dataclass(frozen=True, kw_only=True)
class UnitRows(ABC):
    """Test predictions of one unit, whatever was predicted.

    Attributes:
        repeat, fold, seed: the unit.
        classes: names of what has a probability: classes, or intervals of time and later; C of them.
        slides, patients: ids, n each.
        probabilities: shape (n, C).
    """

    repeat: int
    fold: int
    seed: int
    classes: Sequence[str]
    slides: Sequence[str]
    patients: Sequence[str]
    probabilities: NDArray[np.float64]

    @abstractmethod
    def truth(self) -> Mapping[str, Sequence[Any] | NDArray[Any]]:
        """Columns of what is true."""

    @abstractmethod
    def verdict(self) -> Mapping[str, Sequence[Any] | NDArray[Any]]:
        """Columns of what follows from the probabilities."""

    def write(self, path: Path) -> None:
        """Write as Parquet: slide, patient, the truth, repeat, fold, seed, ``p_<class>`` ..., the verdict."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        n = len(self.slides)
        names = [f"p_{name}" for name in self.classes]
        probabilities = np.asarray(self.probabilities, dtype=np.float64)
        if probabilities.shape != (n, len(names)) or len(set(names)) != len(names):
            raise ValueError(f"probabilities {probabilities.shape} for {n} slides and classes {list(self.classes)}")
        columns = {
            "slide": pa.array(list(self.slides), pa.string()),
            "patient": pa.array(list(self.patients), pa.string()),
            **{name: pa.array(column, _type(name)) for name, column in self.truth().items()},
            **{name: pa.array(np.full(n, getattr(self, name)), pa.int64()) for name in ("repeat", "fold", "seed")},
            **{name: pa.array(probabilities[:, k], pa.float64()) for k, name in enumerate(names)},
            **{name: pa.array(column, _type(name)) for name, column in self.verdict().items()},
        }
        with path.open("wb") as sink:  # a path such as "seed:0/..." would be taken for a URI
            pq.write_table(pa.table(columns), sink)


@dataclass(frozen=True, kw_only=True)
class UnitPredictions(UnitRows):
    """Predicted classes of one unit.

    Attributes:
        labels: true classes, shape (n,).
        predicted: predicted classes, shape (n,).
        threshold: on the probability of class 1; None where the most probable class was taken.
    """

    labels: NDArray[np.integer]
    predicted: NDArray[np.integer]
    threshold: float | None

    def truth(self) -> Mapping[str, Sequence[Any] | NDArray[Any]]:
        """The true class."""
        return {"label": np.asarray(self.labels)}

    def verdict(self) -> Mapping[str, Sequence[Any] | NDArray[Any]]:
        """The predicted class, and the threshold that led to it."""
        return {"predicted": np.asarray(self.predicted), "threshold": [self.threshold] * len(self.slides)}


@dataclass(frozen=True, kw_only=True)
class UnitSurvival(UnitRows):
    """Predicted survival of one unit.

    Attributes:
        times: until the event or the end of follow-up, shape (n,).
        events: 1 where the event was seen, 0 for censored, shape (n,).
        risks: larger means an earlier event, shape (n,).
    """

    times: NDArray[np.float64]
    events: NDArray[np.integer]
    risks: NDArray[np.float64]

    def truth(self) -> Mapping[str, Sequence[Any] | NDArray[Any]]:
        """Time and event."""
        return {"time": np.asarray(self.times), "event": np.asarray(self.events)}

    def verdict(self) -> Mapping[str, Sequence[Any] | NDArray[Any]]:
        """The risk."""
        return {"risk": np.asarray(self.risks)}


def _type(column: str) -> Any:
    import pyarrow as pa

    return pa.int64() if column in {"label", "event", "predicted"} else pa.float64()


def read_predictions(path: Path) -> pd.DataFrame:
    """The table that :meth:`UnitRows.write` wrote.

    Raises:
        DataError: missing, unreadable, larger than its file can hold, or with columns that are missing or wrong.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Not pq.read_table: that one guesses columns from folder names with an equals sign.
        with open_regular(path) as source, pq.ParquetFile(source) as file:
            meta = file.metadata
            size = sum(meta.row_group(k).total_byte_size for k in range(meta.num_row_groups))
            check_expansion(max(size, 8 * meta.num_rows * meta.num_columns), path.stat().st_size)
            frame: pd.DataFrame = file.read().to_pandas()
    except (OSError, ValueError, MemoryError, OverflowError, pa.ArrowException) as error:
        lines = str(getattr(error, "strerror", None) or error).splitlines() or ["it is damaged"]
        raise _damaged(path, f"predictions cannot be read: {lines[0]}") from error
    if problem := _wrong_column(frame):
        raise _damaged(path, f"damaged: {problem}")
    return frame


def _damaged(path: Path, problem: str) -> DataError:
    return DataError(problem, place=str(path), fix=f"remove {path.parent} and run the unit again")


def _wrong_column(frame: pd.DataFrame) -> str:
    """What is wrong with the columns of a table of predictions; empty where nothing is."""
    survival = "risk" in frame
    whole = ["repeat", "fold", "seed", *(["event"] if survival else ["label", "predicted"])]
    real = ["time", "risk"] if survival else []
    chances = [str(name) for name in frame if str(name).startswith("p_")]
    if missing := [name for name in ("slide", "patient", *whole, *real) if name not in frame]:
        return f"the column {missing[0]} is missing"
    if len(set(frame)) != len(frame.columns):
        return "a column stands twice"
    for name in ("slide", "patient"):
        if not all(isinstance(value, str) for value in frame[name]):
            return f"{name} is not text in every row"
    for name in (*whole, *real, *chances):
        kinds = "iu" if name in whole else "iuf"
        values = frame[name].to_numpy()
        if values.dtype.kind not in kinds or not np.isfinite(values).all():
            return f"{name} is not a number in every row"
        if name in chances and not ((values >= 0) & (values <= 1 + 1e-6)).all():
            return f"{name} is no probability in every row"
    if not survival and len(frame) and not (frame[["label", "predicted"]].to_numpy() < len(chances)).all():
        return "a class has no probability"
    if len(frame) and (frame[whole].to_numpy() < 0).any():
        return "a count is negative"
    return ""
