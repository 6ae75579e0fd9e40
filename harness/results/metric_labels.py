"""How the names of scores are written in headings."""

from __future__ import annotations

_LABELS = {
    "auc": "AUC",
    "accuracy": "ACC",
    "balanced_accuracy": "balanced ACC",
    "f1": "F1",
    "log_loss": "log-loss",
    "c_index": "C-index",
    "uno_c": "Uno's C",
    "dynamic_auc": "time-dependent AUC",
    "calibration_error": "calibration error",
    "average_precision": "average precision",
    "sensitivity_at_95_specificity": "sensitivity at 95 % specificity",
    "specificity_at_95_sensitivity": "specificity at 95 % sensitivity",
}


def label(metric: str) -> str:
    """The name of a score as a heading."""
    return _LABELS.get(metric, metric)
