"""The second public module: what few plugins need beside :mod:`harness`, and in its submodules the contract of methods.

Operations on packed bags (``segment_...``, ``pack``), encoding in pieces, augmentation, access to bags and findings
for sources, predictions for tasks, conditions of hyper-parameters, seeds, and reading arrays safely.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.api.effect import SELECTING, SET, Conditions
    from harness.api.trained_model import TrainedModel
    from harness.bags.access import FeatureAccess, TileAccess
    from harness.bags.augment import Augment
    from harness.bags.packed import pack
    from harness.bags.segments import (
        segment_ids,
        segment_max,
        segment_mean,
        segment_softmax,
        segment_sum,
        segment_weighted_sum,
    )
    from harness.bags.source import Scale
    from harness.core.arrays import read_npy, read_npz
    from harness.core.errors import BenchError, LeakError
    from harness.core.seeds import Seeds
    from harness.datasets.fingerprint import bag_fingerprint
    from harness.evaluation.metrics import score
    from harness.evaluation.rows import Rows
    from harness.evaluation.study_scores import Predictions
    from harness.features.precomputed import PrecomputedFeatures
    from harness.jobs.executors.executor import ExecutorOptions, Resources
    from harness.jobs.isolation.worker import Worker
    from harness.jobs.job import Job
    from harness.jobs.result import JobResult
    from harness.models.kept_model import KeptModel
    from harness.protocols.verify import Finding
    from harness.sources.inputs import Inputs
    from harness.sources.opening import Opening
    from harness.tasks.truth import Truth
    from harness.training.chunked_encode import encode_in_chunks
    from harness.training.embed import EncodedBags, embed_bags, save_embedded
    from harness.training.mil_fit import validation_scores
    from harness.training.optim import build_schedule
    from harness.training.sync_norm import has_batch_norm

_LAZY = {
    "Augment": "harness.bags.augment",
    "BenchError": "harness.core.errors",
    "Conditions": "harness.api.effect",
    "EncodedBags": "harness.training.embed",
    "ExecutorOptions": "harness.jobs.executors.executor",
    "FeatureAccess": "harness.bags.access",
    "Job": "harness.jobs.job",
    "JobResult": "harness.jobs.result",
    "KeptModel": "harness.models.kept_model",
    "Resources": "harness.jobs.executors.executor",
    "Worker": "harness.jobs.isolation.worker",
    "Finding": "harness.protocols.verify",
    "Inputs": "harness.sources.inputs",
    "LeakError": "harness.core.errors",
    "Opening": "harness.sources.opening",
    "PrecomputedFeatures": "harness.features.precomputed",
    "Predictions": "harness.evaluation.study_scores",
    "Rows": "harness.evaluation.rows",
    "SELECTING": "harness.api.effect",
    "SET": "harness.api.effect",
    "Scale": "harness.bags.source",
    "Seeds": "harness.core.seeds",
    "TileAccess": "harness.bags.access",
    "TrainedModel": "harness.api.trained_model",
    "Truth": "harness.tasks.truth",
    "bag_fingerprint": "harness.datasets.fingerprint",
    "build_schedule": "harness.training.optim",
    "embed_bags": "harness.training.embed",
    "encode_in_chunks": "harness.training.chunked_encode",
    "has_batch_norm": "harness.training.sync_norm",
    "pack": "harness.bags.packed",
    "read_npy": "harness.core.arrays",
    "read_npz": "harness.core.arrays",
    "save_embedded": "harness.training.embed",
    "score": "harness.evaluation.metrics",
    "segment_ids": "harness.bags.segments",
    "segment_max": "harness.bags.segments",
    "segment_mean": "harness.bags.segments",
    "segment_softmax": "harness.bags.segments",
    "segment_sum": "harness.bags.segments",
    "segment_weighted_sum": "harness.bags.segments",
    "validation_scores": "harness.training.mil_fit",
}

__all__ = [
    "SELECTING",
    "SET",
    "Augment",
    "BenchError",
    "Conditions",
    "EncodedBags",
    "ExecutorOptions",
    "FeatureAccess",
    "Finding",
    "Inputs",
    "Job",
    "JobResult",
    "KeptModel",
    "LeakError",
    "Opening",
    "PrecomputedFeatures",
    "Predictions",
    "Resources",
    "Rows",
    "Scale",
    "Seeds",
    "TileAccess",
    "TrainedModel",
    "Truth",
    "Worker",
    "bag_fingerprint",
    "build_schedule",
    "embed_bags",
    "encode_in_chunks",
    "has_batch_norm",
    "pack",
    "read_npy",
    "read_npz",
    "save_embedded",
    "score",
    "segment_ids",
    "segment_max",
    "segment_mean",
    "segment_softmax",
    "segment_sum",
    "segment_weighted_sum",
    "validation_scores",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'harness.api' has no attribute {name!r}")
