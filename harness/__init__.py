"""wsibench: a benchmark harness for learning on whole slide images.

This module is the public face: what methods and plugins import. Names that need torch are loaded when they
are first used, so that ``import harness`` and the command line's listings stay fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.api.aggregator import Aggregator
    from harness.api.card import MethodCard, Preset
    from harness.api.effect import SELECTING, SET, Conditions
    from harness.api.method import Method
    from harness.api.output import BagOutput
    from harness.api.params import Params, fixed, redeclared, tunable
    from harness.api.prediction import Prediction
    from harness.api.published import PublishedInput
    from harness.api.stage import Stage
    from harness.bags.access import FeatureAccess, TileAccess
    from harness.bags.augment import Augment
    from harness.bags.packed import PackedBags, pack
    from harness.bags.segments import (
        segment_ids,
        segment_max,
        segment_mean,
        segment_softmax,
        segment_sum,
        segment_weighted_sum,
    )
    from harness.bags.source import BagSource, Scale
    from harness.core.errors import BenchError, DataError, LeakError, MethodError, UsageError
    from harness.core.seeds import Seeds
    from harness.datasets.fingerprint import bag_fingerprint
    from harness.datasets.source import Source
    from harness.encoders import TileEncoder, build_encoder
    from harness.encoders.encoder import Encoder
    from harness.evaluation.metric import Metric
    from harness.evaluation.metrics import score
    from harness.evaluation.rows import Rows
    from harness.evaluation.study_scores import Predictions
    from harness.features.precomputed import PrecomputedFeatures
    from harness.protocols.verify import Finding
    from harness.slides.base import SlideReader
    from harness.sources.inputs import Inputs
    from harness.sources.opening import Opening
    from harness.tasks.classification import Classification
    from harness.tasks.survival import Survival
    from harness.tasks.task import Task
    from harness.tasks.truth import Truth
    from harness.training.chunked_encode import encode_in_chunks
    from harness.training.embed import EncodedBags, embed_bags, save_embedded
    from harness.training.mil import MILMethod
    from harness.training.mil_fit import validation_scores
    from harness.training.mil_params import MILParams
    from harness.training.optim import build_schedule
    from harness.training.run import Run
    from harness.training.sync_norm import has_batch_norm

_LAZY = {
    "Aggregator": "harness.api.aggregator",
    "Augment": "harness.bags.augment",
    "BagOutput": "harness.api.output",
    "BagSource": "harness.bags.source",
    "BenchError": "harness.core.errors",
    "Classification": "harness.tasks.classification",
    "Conditions": "harness.api.effect",
    "DataError": "harness.core.errors",
    "Source": "harness.datasets.source",
    "FeatureAccess": "harness.bags.access",
    "Finding": "harness.protocols.verify",
    "Inputs": "harness.sources.inputs",
    "Opening": "harness.sources.opening",
    "TileAccess": "harness.bags.access",
    "bag_fingerprint": "harness.datasets.fingerprint",
    "Encoder": "harness.encoders.encoder",
    "EncodedBags": "harness.training.embed",
    "PrecomputedFeatures": "harness.features.precomputed",
    "LeakError": "harness.core.errors",
    "MILMethod": "harness.training.mil",
    "MILParams": "harness.training.mil_params",
    "Method": "harness.api.method",
    "MethodCard": "harness.api.card",
    "MethodError": "harness.core.errors",
    "Metric": "harness.evaluation.metric",
    "PackedBags": "harness.bags.packed",
    "Params": "harness.api.params",
    "Prediction": "harness.api.prediction",
    "Predictions": "harness.evaluation.study_scores",
    "Preset": "harness.api.card",
    "PublishedInput": "harness.api.published",
    "Run": "harness.training.run",
    "Rows": "harness.evaluation.rows",
    "SELECTING": "harness.api.effect",
    "SET": "harness.api.effect",
    "Scale": "harness.bags.source",
    "Seeds": "harness.core.seeds",
    "SlideReader": "harness.slides.base",
    "Stage": "harness.api.stage",
    "Survival": "harness.tasks.survival",
    "Task": "harness.tasks.task",
    "TileEncoder": "harness.encoders",
    "Truth": "harness.tasks.truth",
    "UsageError": "harness.core.errors",
    "build_encoder": "harness.encoders",
    "build_schedule": "harness.training.optim",
    "embed_bags": "harness.training.embed",
    "encode_in_chunks": "harness.training.chunked_encode",
    "fixed": "harness.api.params",
    "has_batch_norm": "harness.training.sync_norm",
    "save_embedded": "harness.training.embed",
    "pack": "harness.bags.packed",
    "read_npy": "harness.core.arrays",
    "read_npz": "harness.core.arrays",
    "redeclared": "harness.api.params",
    "score": "harness.evaluation.metrics",
    "segment_ids": "harness.bags.segments",
    "segment_max": "harness.bags.segments",
    "segment_mean": "harness.bags.segments",
    "segment_softmax": "harness.bags.segments",
    "segment_sum": "harness.bags.segments",
    "segment_weighted_sum": "harness.bags.segments",
    "tunable": "harness.api.params",
    "validation_scores": "harness.training.mil_fit",
}

__all__ = [
    "SELECTING",
    "SET",
    "Aggregator",
    "Augment",
    "BagOutput",
    "BagSource",
    "BenchError",
    "Classification",
    "Conditions",
    "DataError",
    "EncodedBags",
    "Encoder",
    "FeatureAccess",
    "Finding",
    "Inputs",
    "LeakError",
    "MILMethod",
    "MILParams",
    "Method",
    "MethodCard",
    "MethodError",
    "Metric",
    "Opening",
    "PackedBags",
    "Params",
    "PrecomputedFeatures",
    "Prediction",
    "Predictions",
    "Preset",
    "PublishedInput",
    "Rows",
    "Run",
    "Scale",
    "Seeds",
    "SlideReader",
    "Source",
    "Stage",
    "Survival",
    "Task",
    "TileAccess",
    "TileEncoder",
    "Truth",
    "UsageError",
    "bag_fingerprint",
    "build_encoder",
    "build_schedule",
    "embed_bags",
    "encode_in_chunks",
    "fixed",
    "has_batch_norm",
    "pack",
    "read_npy",
    "read_npz",
    "redeclared",
    "save_embedded",
    "score",
    "segment_ids",
    "segment_max",
    "segment_mean",
    "segment_softmax",
    "segment_sum",
    "segment_weighted_sum",
    "tunable",
    "validation_scores",
]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'harness' has no attribute {name!r}")
