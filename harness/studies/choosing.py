"""The score that chooses epochs and hyper-parameters: whether the task has it, and its version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.core.errors import UsageError
from harness.plugins.version import declared_version
from harness.tasks.metric_registry import find_metric

if TYPE_CHECKING:
    from harness.api.params import Params
    from harness.datasets.dataset import Dataset
    from harness.studies.tuning.settings import TuneSettings


def check_select_metric(params: Params, dataset: Dataset) -> None:
    """Refuse a score that the task's validation does not have as the one that chooses the epoch."""
    metric = getattr(params, "select_metric", "protocol")
    known = ("protocol", "loss", *dataset.task.selecting())
    if metric not in known:
        raise UsageError(
            f"{metric} cannot choose the epoch of {dataset.task.name}, the task of dataset {dataset.name}",
            place="hyper-parameter select_metric",
            fix=f"choose from: {', '.join(known)}",
        )


def metric_versions(params: Params, tuning: TuneSettings | None) -> dict[str, Any]:
    """``metric_versions`` of the metrics from plugins that choose; nothing where a score of the task does."""
    choosing = (getattr(params, "select_metric", ""), "" if tuning is None else tuning.metric)
    found = {name: metric for name in choosing if (metric := find_metric(name)) is not None}
    versions = {name: declared_version(metric, metric.version) for name, metric in sorted(found.items())}
    return {"metric_versions": versions} if versions else {}
