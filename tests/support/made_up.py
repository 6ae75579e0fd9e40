"""A made-up store of evidence: many methods on several datasets, with plausible predictions, and nothing trained.

Methods differ in how well they separate the classes and in what they cost; slides differ in how hard they are, the
same for every method, so that studies are correlated as real ones are.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.results.predictions import UnitPredictions
from harness.results.record import Record
from harness.results.store import RunStore
from harness.tasks.classification import Classification
from harness.tasks.truth import Truth

METHODS = (
    "abmil", "abmilx", "abmilx_head", "clam_mb", "clam_sb", "dre_slcl", "dsmil", "dtfd", "gated_abmil", "icmil",
    "max_pool", "mean_pool", "msamil", "transmil",
)  # fmt: skip
DATASETS = ("camelyon16-mini", "colon-nuclei", "musk1", "musk2")
_NEEDS = {"dre_slcl": ["slides", "reports"], "msamil": ["slides", "masks"]}
_FOLDS = 5


def made_up_store(
    root: Path,
    *,
    methods: Sequence[str] = METHODS,
    datasets: Sequence[str] = DATASETS,
    seeds: int = 3,
    slides: int = 100,
    folds: int = _FOLDS,
    gpu: Sequence[str] = ("camelyon16-mini",),
    encoders: bool = True,
) -> RunStore:
    """Write a runs folder.

    Args:
        root: where.
        methods, datasets: names.
        seeds: of every study.
        slides: test slides of each dataset, two per patient.
        folds: of every study.
        gpu: datasets whose studies ran on a GPU.
        encoders: whether studies on a GPU say which encoder they used.
    """
    store = RunStore(root)
    for d, dataset in enumerate(datasets):
        ease = np.random.default_rng([1, d]).normal(0, 0.8, slides)
        for m, method in enumerate(methods):
            config = _config(method, dataset, folds, on_gpu=dataset in gpu, encoder=encoders and dataset in gpu)
            _study(store, config, place=(d, m), ease=ease, seeds=seeds, folds=folds)
    return store


def _config(method: str, dataset: str, folds: int, *, on_gpu: bool, encoder: bool) -> dict[str, Any]:
    return {
        "method": method,
        "labels": _NEEDS.get(method, ["slides"]),
        "dataset": dataset,
        "protocol": f"cv{folds}",
        "preset": None,
        "params": {"lr": 0.0005, "epochs": 50, "dropout": 0.25, "gated": "gated" in method},
        "protocol_settings": {
            "title": f"{folds}-fold cross-validation by patient",
            "select": "best",
            "threshold": "validation",
            "auc": "mean",
        },
        "on_gpu": on_gpu,
        "input": {"kind": "features", "encoder": "uni" if encoder else "", "mpp": [0.5], "tile_px": 256 * encoder},
        **({"pretraining_overlap": {"tcga": "no"}} if encoder else {}),
    }


def _study(
    store: RunStore, config: dict[str, Any], *, place: tuple[int, int], ease: np.ndarray, seeds: int, folds: int
) -> None:
    study = f"{config['method']}-{config['dataset']}-{config['protocol']}-{place[0]:06x}{place[1]:06x}"
    skill = (
        0.2 + 0.7 * np.random.default_rng([2, place[1]]).random() + 0.2 * np.random.default_rng([3, *place]).random()
    )
    units = [(fold, seed) for seed in range(seeds) for fold in range(folds)]
    ids = [f"{study}-r0f{fold}-s{seed}" for fold, seed in units]
    store.write_study(
        {
            "study_id": study,
            **{name: config[name] for name in ("method", "dataset", "protocol")},
            "ranked": True,
            "n_units": len(ids),
            "units": ids,
            "config": config,
        }
    )
    for unit_id, (fold, seed) in zip(ids, units, strict=True):
        rng = np.random.default_rng([4, *place, fold, seed])
        rows = predictions(ease, skill=skill, fold=fold, seed=seed, folds=folds, rng=rng)
        store.write_unit(_record(study, unit_id, config, fold, seed, place[1], rng), rows)


def predictions(
    ease: np.ndarray, *, skill: float, fold: int, seed: int, folds: int, rng: np.random.Generator
) -> UnitPredictions:
    """Predictions of one unit: what is hard for one method is hard for all."""
    slides = np.flatnonzero(np.arange(len(ease)) // 2 % folds == fold)
    labels = slides % 2
    logit = 1.1 * (2 * labels - 1) * (skill + ease[slides]) + rng.normal(0, 0.6, len(slides))
    p = 1 / (1 + np.exp(-logit))
    task = Classification(("normal", "tumour"))
    return UnitPredictions(
        task=task,
        repeat=0,
        fold=fold,
        seed=seed,
        slides=[f"slide_{k:03}" for k in slides],
        truth=Truth(tuple(f"patient_{k // 2:03}" for k in slides), {"label": labels}),
        probabilities=np.column_stack([1 - p, p]),
        decision=task.decide(np.column_stack([1 - p, p]), 0.5),
    )


def _record(
    study: str, unit_id: str, config: dict[str, Any], fold: int, seed: int, m: int, rng: np.random.Generator
) -> Record:
    gpu = config["on_gpu"]
    hours = float(0.02 * 1.35 ** ((5 * m) % 14) * rng.uniform(0.9, 1.1))
    memory = float(350 + 1800 * ((3 * m) % 14) / 14 * rng.uniform(0.98, 1.02))
    tuned = m % 3 == 0
    return Record(
        unit_id=unit_id,
        study_id=study,
        spec={
            **{name: config[name] for name in ("method", "dataset", "protocol", "params", "input")},
            "method_version": "ab" * 32,
            "dataset_fingerprint": "cd" * 32,
            "split_sha256": "ef" * 32,
            "repeat": 0,
            "fold": fold,
            "seed": seed,
            "precision": "fp32",
            **({"tuning": {"sampler": "tpe", "trials": 20, "folds": 1, "fixed": []}} if tuned else {}),
        },
        config=config,
        classes=("normal", "tumour"),
        scores={"auc": {"value": 0.9}},
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
        finished=f"2030-01-01T1{seed}:00:36+00:00",
        selection={"tuning": {"trials": 20, "device_s": 3600 * hours * 14}} if tuned else {},
        extra={"test_accesses": 1},
    )
