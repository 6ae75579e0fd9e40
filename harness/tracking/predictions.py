"""Predictions of a unit as a table on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import DataError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class UnitPredictions:
    """Test predictions of one unit.

    Attributes:
        repeat, fold, seed: the unit.
        classes: class names, C of them.
        slides, patients: ids, n each.
        labels: true classes, shape (n,).
        probabilities: shape (n, C).
        predicted: predicted classes, shape (n,).
        threshold: on the probability of class 1; None where the most probable class was taken.
    """

    repeat: int
    fold: int
    seed: int
    classes: Sequence[str]
    slides: Sequence[str]
    patients: Sequence[str]
    labels: NDArray[np.integer]
    probabilities: NDArray[np.float64]
    predicted: NDArray[np.integer]
    threshold: float | None

    def write(self, path: Path) -> None:
        """Write as Parquet: slide, patient, label, repeat, fold, seed, ``p_<class>`` ..., predicted, threshold."""
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
            "label": pa.array(np.asarray(self.labels), pa.int64()),
            **{name: pa.array(np.full(n, getattr(self, name)), pa.int64()) for name in ("repeat", "fold", "seed")},
            **{name: pa.array(probabilities[:, k], pa.float64()) for k, name in enumerate(names)},
            "predicted": pa.array(np.asarray(self.predicted), pa.int64()),
            "threshold": pa.array([self.threshold] * n, pa.float64()),
        }
        pq.write_table(pa.table(columns), path)


def read_predictions(path: Path) -> pd.DataFrame:
    """The table that :meth:`UnitPredictions.write` wrote.

    Raises:
        DataError: missing or unreadable.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Not pq.read_table: that one guesses columns from folder names with an equals sign.
        with pq.ParquetFile(path) as file:
            frame: pd.DataFrame = file.read().to_pandas()
    except (OSError, pa.ArrowException) as error:
        raise DataError(
            f"predictions cannot be read: {str(error).splitlines()[0]}",
            place=str(path),
            fix=f"remove {path.parent} and run the unit again",
        ) from error
    return frame
