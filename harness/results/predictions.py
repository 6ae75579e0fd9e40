"""Predictions of a unit as a table on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.core.errors import DataError
from harness.core.reading import check_expansion, open_regular

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from harness.evaluation.rows import Rows
    from harness.tasks.task import Task
    from harness.tasks.truth import Column, Truth


PREDICTIONS = "predictions.parquet"
_UNIT: dict[str, Column] = {"repeat": "count", "fold": "count", "seed": "count"}
_WHOLE = frozenset({"class", "count"})


@dataclass(frozen=True, kw_only=True)
class UnitPredictions:
    """Test predictions of one unit.

    Attributes:
        task: what was predicted; C columns have a probability.
        repeat, fold, seed: the unit.
        slides: ids, n.
        truth: labels of the slides.
        probabilities: shape (n, C).
        decision: what follows from the probabilities, by column, (n,) each; see :attr:`harness.Task.decision`.
    """

    task: Task
    repeat: int
    fold: int
    seed: int
    slides: Sequence[str]
    truth: Truth
    probabilities: NDArray[np.float64]
    decision: Mapping[str, NDArray[Any]]

    def rows(self) -> Rows:
        """In the form that is scored."""
        unit = {name: np.full(len(self.slides), getattr(self, name)) for name in ("repeat", "fold", "seed")}
        unit["patient"] = np.asarray(self.truth.patients)
        return self.task.scored(unit, self.truth.columns, self.probabilities, self.decision)

    def write(self, path: Path) -> None:
        """Write as Parquet: slide, patient, the truth, repeat, fold, seed, ``p_<column>`` ..., the decision."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        n = len(self.slides)
        names = [f"p_{name}" for name in self.task.columns]
        probabilities = np.asarray(self.probabilities, dtype=np.float64)
        if probabilities.shape != (n, len(names)) or len(set(names)) != len(names):
            raise ValueError(f"probabilities {probabilities.shape} for {n} slides and columns {names}")

        def typed(values: Mapping[str, NDArray[Any]], kinds: Mapping[str, Column]) -> dict[str, Any]:
            return {
                # Where nothing was decided, as there is no threshold, the cell is empty and not NaN.
                name: pa.array(values[name], _type(kind), mask=np.isnan(values[name]) if kind == "optional" else None)
                for name, kind in kinds.items()
            }

        columns = {
            "slide": pa.array(list(self.slides), pa.string()),
            "patient": pa.array(list(self.truth.patients), pa.string()),
            **typed(self.truth.columns, self.task.truth),
            **{name: pa.array(np.full(n, getattr(self, name)), pa.int64()) for name in ("repeat", "fold", "seed")},
            **{name: pa.array(probabilities[:, k], pa.float64()) for k, name in enumerate(names)},
            **typed(self.decision, self.task.decision),
        }
        with path.open("wb") as sink:  # a path such as "seed:0/..." would be taken for a URI
            pq.write_table(pa.table(columns), sink)


def _type(kind: Column) -> Any:
    import pyarrow as pa

    return pa.int64() if kind in _WHOLE else pa.float64()


def read_predictions(path: Path, task: type[Task]) -> pd.DataFrame:
    """The table that :meth:`UnitPredictions.write` wrote.

    Args:
        path: the file.
        task: what was predicted.

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
    if problem := _wrong_column(frame, task):
        raise _damaged(path, f"damaged: {problem}")
    return frame


def as_predictions(frame: pd.DataFrame, classes: Sequence[str], task: type[Task]) -> Rows:
    """The store's table in the form that is scored.

    Raises:
        DataError: it is not a table of these classes.
    """
    lacking = [name for name in classes if f"p_{name}" not in frame]
    if lacking:
        raise DataError(
            f"the predictions have no column for class {lacking[0][:40]!r} of the record",
            place="predictions.parquet",
            fix="run the unit again: the same bench run command does",
        )
    unit = {name: frame[name].to_numpy() for name in ("repeat", "fold", "seed", "patient", "slide")}
    truth, decision = (
        {name: frame[name].to_numpy() for name in columns if name in frame} for columns in (task.truth, task.decision)
    )
    return task.scored(unit, truth, frame[[f"p_{name}" for name in classes]].to_numpy(dtype=np.float64), decision)


def _damaged(path: Path, problem: str) -> DataError:
    return DataError(problem, place=str(path), fix=f"remove {path.parent} and run the unit again")


def _wrong_column(frame: pd.DataFrame, task: type[Task]) -> str:
    """What is wrong with the columns of a table of predictions; empty where nothing is."""
    kinds: dict[str, Column] = {**_UNIT, **task.truth, **task.decision}
    chances = [str(name) for name in frame if str(name).startswith("p_")]
    needed = [name for name, kind in kinds.items() if kind != "optional"]
    if missing := [name for name in ("slide", "patient", *needed) if name not in frame]:
        return f"the column {missing[0]} is missing"
    if len(set(frame)) != len(frame.columns):
        return "a column stands twice"
    for name in ("slide", "patient"):
        if not all(isinstance(value, str) for value in frame[name]):
            return f"{name} is not text in every row"
    for name in (*needed, *chances):
        values = frame[name].to_numpy()
        if values.dtype.kind not in ("iu" if kinds.get(name) in _WHOLE else "iuf") or not np.isfinite(values).all():
            return f"{name} is not a number in every row"
        if name in chances and len(chances) > 1 and not ((values >= 0) & (values <= 1 + 1e-6)).all():
            return f"{name} is no probability in every row"
    whole = [name for name in needed if kinds[name] in _WHOLE]
    classes = [name for name in needed if kinds[name] == "class"]
    if len(frame) and not (frame[classes].to_numpy() < len(chances)).all():
        return "a class has no probability"
    if len(frame) and (frame[whole].to_numpy() < 0).any():
        return "a count is negative"
    return ""
