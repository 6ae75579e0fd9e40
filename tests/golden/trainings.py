"""Small trainings whose predictions are kept, of every built-in method that computes something of its own."""

from __future__ import annotations

import functools
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import torch

from harness.api.code_version import TRAINING_VERSION
from harness.api.registry import find_method, list_methods
from harness.conformance.tested_method import TestedMethod

TABLE = Path(__file__).with_name("predictions.json")
TOLERANCE = 2e-3
"""Of a probability: what other processors and libraries make of the same sums in so few steps."""


def names() -> list[str]:
    """The built-in methods."""
    return sorted(entry.name for entry in list_methods() if entry.origin.startswith("wsibench"))


@functools.cache
def kept() -> dict[str, dict[str, Any]]:
    """Name → ``versions`` and ``predictions``, as they were when the version was declared."""
    return dict(json.loads(TABLE.read_text())) if TABLE.exists() else {}


def versions(name: str) -> dict[str, int | None]:
    """What is declared now."""
    return {"method": find_method(name).card.version, "training": TRAINING_VERSION}


def predicted(name: str, **params: Any) -> list[float]:
    """Probabilities of the last class, of test bags that the method was not trained on.

    Args:
        name: the method.
        params: hyper-parameters that differ from the contract suite's settings.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with closing(TestedMethod(find_method(name))) as subject:
            if params:
                subject.params = subject.method.Params.build({**subject.params.as_dict(), **params}, place="golden")
            attempt = subject.attempt()
    finally:
        torch.set_num_threads(threads)
    if attempt.prediction is None:
        raise attempt.error or RuntimeError("the method predicted nothing")
    return [round(float(value), 6) for value in attempt.prediction.probabilities[:, -1]]
