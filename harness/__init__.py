"""wsibench: a benchmark harness for learning on whole slide images.

This module is the public face: what methods and plugins import, and the results of studies as tables. What they rarely
need is in :mod:`harness.api`. Names that need torch are loaded when they are first used, so that ``import harness`` and
the command line's listings stay fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.api.aggregator import Aggregator
    from harness.api.card import MethodCard, Preset
    from harness.api.method import Method
    from harness.api.output import BagOutput
    from harness.api.params import Params, fixed, redeclared, tunable
    from harness.api.prediction import Prediction
    from harness.api.published import PublishedInput
    from harness.api.stage import Stage
    from harness.bags.packed import PackedBags
    from harness.bags.source import BagSource
    from harness.core.errors import DataError, MethodError, UsageError
    from harness.datasets.source import Source
    from harness.encoders import TileEncoder, build_encoder
    from harness.encoders.encoder import Encoder
    from harness.evaluation.metric import Metric
    from harness.jobs.executors.executor import Executor
    from harness.results.comparison.frames import compare_studies
    from harness.results.frames import load_studies, load_study
    from harness.slides.base import SlideReader
    from harness.tasks.classification import Classification
    from harness.tasks.regression import Regression
    from harness.tasks.survival import Survival
    from harness.tasks.task import Task
    from harness.training.mil import MILMethod
    from harness.training.mil_params import MILParams
    from harness.training.run import Run

_LAZY = {
    "Aggregator": "harness.api.aggregator",
    "BagOutput": "harness.api.output",
    "BagSource": "harness.bags.source",
    "Classification": "harness.tasks.classification",
    "DataError": "harness.core.errors",
    "Encoder": "harness.encoders.encoder",
    "Executor": "harness.jobs.executors.executor",
    "MILMethod": "harness.training.mil",
    "MILParams": "harness.training.mil_params",
    "Method": "harness.api.method",
    "MethodCard": "harness.api.card",
    "MethodError": "harness.core.errors",
    "Metric": "harness.evaluation.metric",
    "PackedBags": "harness.bags.packed",
    "Params": "harness.api.params",
    "Prediction": "harness.api.prediction",
    "Preset": "harness.api.card",
    "PublishedInput": "harness.api.published",
    "Regression": "harness.tasks.regression",
    "Run": "harness.training.run",
    "SlideReader": "harness.slides.base",
    "Source": "harness.datasets.source",
    "Stage": "harness.api.stage",
    "Survival": "harness.tasks.survival",
    "Task": "harness.tasks.task",
    "TileEncoder": "harness.encoders",
    "UsageError": "harness.core.errors",
    "build_encoder": "harness.encoders",
    "compare_studies": "harness.results.comparison.frames",
    "fixed": "harness.api.params",
    "load_studies": "harness.results.frames",
    "load_study": "harness.results.frames",
    "redeclared": "harness.api.params",
    "tunable": "harness.api.params",
}

__all__ = [
    "Aggregator",
    "BagOutput",
    "BagSource",
    "Classification",
    "DataError",
    "Encoder",
    "Executor",
    "MILMethod",
    "MILParams",
    "Method",
    "MethodCard",
    "MethodError",
    "Metric",
    "PackedBags",
    "Params",
    "Prediction",
    "Preset",
    "PublishedInput",
    "Regression",
    "Run",
    "SlideReader",
    "Source",
    "Stage",
    "Survival",
    "Task",
    "TileEncoder",
    "UsageError",
    "build_encoder",
    "compare_studies",
    "fixed",
    "load_studies",
    "load_study",
    "redeclared",
    "tunable",
]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    api = importlib.import_module("harness.api")
    if name in api.__all__:  # where it was before there was a second module
        return getattr(api, name)
    raise AttributeError(f"module 'harness' has no attribute {name!r}")
