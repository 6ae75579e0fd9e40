"""How the names of scores are written in headings."""

from __future__ import annotations

_LABELS = {
    "auc": "AUC",
    "accuracy": "ACC",
    "balanced_accuracy": "balanced ACC",
    "f1": "F1",
    "log_loss": "log-loss",
    "c_index": "C-index",
}


def label(metric: str) -> str:
    """The name of a score as a heading."""
    return _LABELS.get(metric, metric)
