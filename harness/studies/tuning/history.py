"""A search as Optuna knows it, made again from the table of trials: for its importances and its plots."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from io import BytesIO
from typing import TYPE_CHECKING, Any

from harness.core.errors import DataError, shown
from harness.studies.tuning.propose import as_optuna
from harness.studies.tuning.space import Dimension, Space
from harness.studies.tuning.trials import Trial, gain

if TYPE_CHECKING:
    from optuna import Study

LEAST = 4
"""Complete trials that importances are worked out from, at least."""


@dataclass(frozen=True)
class History:
    """The trials of one outer fold.

    Attributes:
        fold: its name.
        metric: the validation score that decides.
        space: what was searched.
        trials: in the order of their numbers.
        chosen: number of the one that was chosen; None without a complete one.
    """

    fold: str
    metric: str
    space: Space
    trials: tuple[Trial, ...]
    chosen: int | None

    def study(self) -> Study:
        """The same for Optuna. It minimises or maximises the score itself, so that plots show its own values."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        lower = gain(1.0, self.metric) < 0
        study = optuna.create_study(direction="minimize" if lower else "maximize", study_name=self.fold)
        study.add_trials([_own_value(as_optuna(trial, self.space, self.metric), lower=lower) for trial in self.trials])
        return study

    def importances(self) -> dict[str, float]:
        """Share of each hyper-parameter in how much the score varies (fANOVA); empty where trials are too few."""
        import optuna

        values = {trial.value(self.metric) for trial in self.trials if trial.state == "complete"}
        if sum(trial.state == "complete" for trial in self.trials) < LEAST or len(values) < 2:
            return {}
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
        return dict(optuna.importance.get_param_importances(self.study(), evaluator=evaluator))

    def plots(self) -> dict[str, bytes]:
        """File name → PNG: Optuna's optimisation history and, with enough trials, its importances."""
        study = self.study()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Optuna calls its Matplotlib plots experimental
            import matplotlib

            matplotlib.use("Agg")
            from optuna.visualization import matplotlib as plots

            found = {"history": plots.plot_optimization_history(study, target_name=self.metric)}
            if self.importances():
                found["importances"] = plots.plot_param_importances(study, target_name=self.metric)
            return {f"tuning-{self.fold}-{name}.png": _png(axes) for name, axes in found.items()}


def histories(rows: Sequence[Mapping[str, str]], space: Sequence[Mapping[str, Any]]) -> tuple[History, ...]:
    """The searches in a table of trials.

    Args:
        rows: of trials.csv, as text.
        space: the dimensions, as study.json has them.

    Raises:
        DataError: a trial has no value, or none of its kind, for one of the dimensions.
    """
    dimensions = tuple(_dimension(one) for one in space)
    folds = dict.fromkeys(row["fold"] for row in rows)
    return tuple(_history(fold, [row for row in rows if row["fold"] == fold], dimensions) for fold in folds)


def _dimension(stored: Mapping[str, Any]) -> Dimension:
    """Further fields, of later versions, are passed over."""
    own = {field.name: stored[field.name] for field in fields(Dimension) if field.name in stored}
    return Dimension(**own | {"choices": None if own.get("choices") is None else tuple(own["choices"])})


def _history(fold: str, rows: Sequence[Mapping[str, str]], space: Space) -> History:
    metric = next(name for name in rows[0] if name not in {"fold", "trial", "state"})
    trials = tuple(_trial(row, metric, space) for row in sorted(rows, key=lambda row: int(row["trial"])))
    chosen = next((int(row["trial"]) for row in rows if row["chosen"] == "True"), None)
    return History(fold, metric, space, trials, chosen)


def _trial(row: Mapping[str, str], metric: str, space: Space) -> Trial:
    scores = {name: float(row[name]) for name in (metric, "log_loss") if row.get(name)}
    if row["state"] == "complete" and metric not in scores:
        raise _damaged(row, metric, row.get(metric))
    return Trial(
        number=int(row["trial"]),
        params={dimension.name: _param(row, dimension) for dimension in space},
        scores=[scores] if metric in scores else [],
        device_s=float(row["device_s"] or 0),
        state=row["state"],  # type: ignore[arg-type]  # as it was written
        reason=row["reason"],
    )


def _param(row: Mapping[str, str], dimension: Dimension) -> Any:
    text = row.get(f"param.{dimension.name}")
    if dimension.choices is not None:
        for choice in dimension.choices:
            if str(choice) == text:
                return choice
        raise _damaged(row, dimension.name, text)
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not dimension.low <= value <= dimension.high:
        raise _damaged(row, dimension.name, text)
    return int(value) if dimension.integer else value


def _damaged(row: Mapping[str, str], name: str, text: str | None) -> DataError:
    return DataError(
        f"damaged: trial {row['trial']} of {row['fold']} has {name} {shown(text)}",
        place="trials.csv or study.json of the study",
        fix="remove trials.csv; the same bench run command makes it again",
    )


def _own_value(trial: Any, *, lower: bool) -> Any:
    """Undo the sign that makes larger values better."""
    if lower and trial.value is not None and not math.isnan(trial.value):
        trial.value = -trial.value
    return trial


def _png(axes: Any) -> bytes:
    from matplotlib import pyplot

    buffer = BytesIO()
    try:
        axes.figure.savefig(buffer, format="png", dpi=120, bbox_inches="tight")
    finally:
        pyplot.close(axes.figure)
    return buffer.getvalue()
