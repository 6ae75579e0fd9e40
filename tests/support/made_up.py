"""A made-up store of evidence: many methods on several datasets, with plausible predictions, and nothing trained.

Methods differ in how well they separate the classes and in what they cost; slides differ in how hard they are, the
same for every method, so that studies are correlated as real ones are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.datasets.catalog import find_dataset
from harness.datasets.dataset import Dataset
from harness.datasets.splits import Fold
from harness.results.access_log import AccessLog
from harness.results.predictions import UnitPredictions
from harness.results.record import Record
from harness.results.store import RunStore
from harness.verification.identity import study_id_of, unit_id_of
from harness.verification.unit import point_scores

METHODS = (
    "abmil", "abmilx", "abmilx_head", "clam_mb", "clam_sb", "dre_slcl", "dsmil", "dtfd", "gated_abmil", "icmil",
    "max_pool", "mean_pool", "msamil", "transmil",
)  # fmt: skip
DATASETS = ("camelyon16-mini", "colon-nuclei", "musk1", "musk2")
ON_GPU = ("camelyon16-mini",)
_LABELS = {"dre_slcl": ["slides", "reports"], "msamil": ["slides", "masks"]}


def made_up_store(
    root: Path, *, methods: Sequence[str] = METHODS, datasets: Sequence[str] = DATASETS, seeds: int = 1
) -> RunStore:
    """Write a runs folder. Slides, folds and labels are those of the datasets, so that it can be verified.

    Args:
        root: where.
        methods: names; they need not exist.
        datasets: names of datasets of two classes, with their default protocols.
        seeds: of every study.
    """
    store = RunStore(root)
    for d, name in enumerate(datasets):
        dataset = find_dataset(name)
        ease = dict(zip(dataset.slides, np.random.default_rng([1, d]).normal(0, 0.8, len(dataset.slides)), strict=True))
        for m, method in enumerate(methods):
            _study(store, dataset, method, place=(d, m), ease=ease, seeds=seeds)
    return store


def _spec(dataset: Dataset, method: str, *, tuned: bool) -> dict[str, Any]:
    """What all units of a study share."""
    protocol, card = dataset.protocol()
    gpu = dataset.name in ON_GPU
    return {
        "method": method,
        "method_version": "ab" * 32,
        "params": {"lr": 0.0005, "epochs": 50, "dropout": 0.25, "gated": "gated" in method},
        "dataset": dataset.name,
        "dataset_fingerprint": "cd" * 32,
        "protocol": protocol,
        "protocol_settings": card.settings(),
        "split_sha256": dataset.splits(protocol).sha256,
        "input": {"kind": "features", "encoder": "uni" if gpu else "", "mpp": [0.5] * gpu, "tile_px": 256 * gpu},
        "precision": "fp32",
        "training_version": 1,
        **({"tuning": {"sampler": "tpe", "trials": 20, "folds": 1, "fixed": []}} if tuned else {}),
    }


def _study(
    store: RunStore, dataset: Dataset, method: str, *, place: tuple[int, int], ease: dict[str, float], seeds: int
) -> None:
    shared = _spec(dataset, method, tuned=place[1] % 3 == 0)
    names = ("method", "dataset", "protocol", "protocol_settings", "params", "input")
    overlap = {"pretraining_overlap": {"tcga": "no"}} if dataset.name in ON_GPU else {}
    config = {**{name: shared[name] for name in names}, "labels": _LABELS.get(method, ["slides"]), **overlap}
    skill = 0.2 + 0.7 * np.random.default_rng([2, place[1]]).random()
    skill += 0.2 * np.random.default_rng([3, *place]).random()
    units = [(fold, seed) for seed in range(seeds) for fold in dataset.splits(shared["protocol"]).folds]
    specs = [{**shared, "repeat": fold.repeat, "fold": fold.fold, "seed": seed} for fold, seed in units]
    study = {"study_id": study_id_of(specs[0]), "ranked": True, "config": config, "n_units": len(units)}
    ids = [unit_id_of(spec) for spec in specs]
    store.write_study({**study, "units": ids, **{name: shared[name] for name in names[:3]}})
    for unit_id, spec, (fold, seed) in zip(ids, specs, units, strict=True):
        rng = np.random.default_rng([4, *place, fold.repeat, fold.fold, seed])
        made = predictions(dataset, fold, seed=seed, skill=skill, ease=ease, rng=rng)
        store.write_unit(_record(study["study_id"], unit_id, spec, config, made, m=place[1], rng=rng), made)
        AccessLog(store.root).note(unit_id, made.slides, made.probabilities)


def predictions(
    dataset: Dataset, fold: Fold, *, seed: int, skill: float, ease: dict[str, float], rng: np.random.Generator
) -> UnitPredictions:
    """Predictions of one unit: what is hard for one method is hard for all."""
    truth = dataset.truth(fold.test)
    margin = skill + np.array([ease[slide] for slide in fold.test])
    p = 1 / (1 + np.exp(-1.1 * (2 * truth["label"] - 1) * margin + rng.normal(0, 0.6, len(fold.test))))
    probabilities = np.column_stack([1 - p, p])
    return UnitPredictions(
        task=dataset.task,
        repeat=fold.repeat,
        fold=fold.fold,
        seed=seed,
        slides=list(fold.test),
        truth=truth,
        probabilities=probabilities,
        decision=dataset.task.decide(probabilities, threshold_of(dataset)),
    )


def threshold_of(dataset: Dataset) -> float | None:
    """The threshold that every unit decides by."""
    return 0.5 if dataset.protocol()[1].threshold == "validation" else None


def _record(
    study: str,
    unit_id: str,
    spec: dict[str, Any],
    config: dict[str, Any],
    made: UnitPredictions,
    *,
    m: int,
    rng: np.random.Generator,
) -> Record:
    gpu = spec["dataset"] in ON_GPU
    hours = float(0.02 * 1.35 ** ((5 * m) % 14) * rng.uniform(0.9, 1.1))
    memory = float(350 + 1800 * ((3 * m) % 14) / 14 * rng.uniform(0.98, 1.02))
    return replace(
        Record(
            unit_id=unit_id,
            study_id=study,
            spec=spec,
            config=config,
            classes=made.task.columns,
            scores={},
            compute={
                "device": "cuda:0" if gpu else "cpu",
                "gpu": "Pretend 9000" if gpu else "no GPU",
                "wall_s": 3600 * hours,
                "cpu_hours": hours,
                "gpu_hours": hours if gpu else 0.0,
                "peak_memory_mb": memory,
                "shared": {"features": {"wall_s": 900.0, "cpu_hours": 0.4, "gpu_hours": 0.25}} if gpu else {},
            },
            environment={"software": {"wsibench": "0.1.0"}, "code": {}, "hardware": {"cpu": "Pretend CPU 16"}},
            started="2030-01-01T10:00:00+00:00",
            finished="2030-01-02T10:00:36+00:00",
            selection={
                "threshold": None if (made.decision["threshold"] != 0.5).any() else 0.5,
                **({"tuning": {"trials": 20, "device_s": 3600 * hours * 14}} if "tuning" in spec else {}),
            },
            extra={"test_accesses": 1},
        ),
        scores=_scores(made),
    )


def _scores(made: UnitPredictions) -> dict[str, dict[str, float | None]]:
    found = point_scores(made.rows())
    return {name: {"value": one["value"]} for name, one in found.items()}
