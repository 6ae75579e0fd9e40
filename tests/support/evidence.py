"""Made-up evidence: units and studies as a run would leave them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.results.predictions import UnitPredictions
from harness.results.record import Record
from harness.results.store import RunStore
from harness.tasks.classification import Classification
from harness.tasks.survival import Survival
from harness.tasks.truth import Truth


def predictions(
    *,
    repeat: int = 0,
    fold: int = 0,
    seed: int = 0,
    n: int = 24,
    folds: int = 3,
    classes: tuple[str, ...] = ("no", "yes"),
    signal: float = 0.6,
) -> UnitPredictions:
    """Test predictions of one fold of ``n`` slides, two per patient; ``signal`` makes them right."""
    rng = np.random.default_rng([repeat, fold, seed, int(signal * 100)])
    slides = np.flatnonzero(np.arange(n) // 2 % folds == fold)
    labels = (slides + slides // 2) % len(classes)
    p = rng.dirichlet(np.ones(len(classes)), len(slides))
    p[np.arange(len(slides)), labels] += signal
    p /= p.sum(axis=1, keepdims=True)
    return UnitPredictions(
        repeat=repeat,
        fold=fold,
        seed=seed,
        task=(task := Classification(classes)),
        slides=[f"slide_{k}" for k in slides],
        truth=Truth(tuple(f"patient_{k // 2}" for k in slides), {"label": labels}),
        probabilities=p,
        decision=task.decide(p, None) | {"threshold": np.full(len(p), 0.5 if len(classes) == 2 else np.nan)},
    )


def survival(*, repeat: int = 0, fold: int = 0, seed: int = 0, n: int = 24, folds: int = 3) -> UnitPredictions:
    """Test predictions of survival of one fold; the risk is mostly right."""
    rng = np.random.default_rng([repeat, fold, seed])
    slides = np.flatnonzero(np.arange(n) % folds == fold)
    hazard = np.linspace(-2, 2, n)[slides]
    p = np.array([rng.dirichlet([1 + np.exp(h), 1, 1 + np.exp(-h)]) for h in 2 * hazard])
    return UnitPredictions(
        repeat=repeat,
        fold=fold,
        seed=seed,
        task=(task := Survival.over(2)),
        slides=[f"slide_{k}" for k in slides],
        truth=Truth(
            tuple(f"patient_{k}" for k in slides),
            {"time": np.exp(-hazard), "event": (slides % 4 != 0).astype(np.int64)},
        ),
        probabilities=p,
        decision=task.decide(p, None),
    )


def fill_survival(store: RunStore, *, study: str = "abmil-lived-cv3-0123", folds: int = 3) -> list[Record]:
    """Store a finished study of survival."""
    made = [record(study=study, fold=fold, classes=("interval_1", "interval_2", "later")) for fold in range(folds)]
    made = [
        replace(
            one,
            spec={**one.spec, "dataset": "lived"},
            config={**one.config, "task": "survival"},
            scores={"c_index": {"value": 0.7}},
        )
        for one in made
    ]
    names = {"study_id": study, "method": "abmil", "dataset": "lived", "protocol": "cv3", "ranked": True}
    store.write_study(names | {"units": [one.unit_id for one in made], "n_units": folds, "config": names})
    return [store.write_unit(one, survival(fold=fold, folds=folds), curve=CURVE) for fold, one in enumerate(made)]


def record(
    *, study: str = "abmil-toy-cv3-0123", repeat: int = 0, fold: int = 0, seed: int = 0, **changes: Any
) -> Record:
    """A unit's record; ``changes`` replace whole fields, ``gpu=True`` makes it one of a GPU."""
    gpu = changes.pop("gpu", False)
    method = changes.pop("method", "abmil")
    compute = {
        "timing_version": 1,
        "device": "cuda:0" if gpu else "cpu",
        "gpu": "Pretend 9000" if gpu else "no GPU",
        "gpu_count": int(gpu),
        "wall_s": 36.0,
        "cpu_hours": 0.02,
        "gpu_hours": 0.01 if gpu else 0.0,
        "peak_rss_mb": 400.0 + fold,
        "peak_gpu_allocated_mb": 900.0 + fold if gpu else None,
        "peak_gpu_used_mb": None,
        "peak_memory_mb": (900.0 if gpu else 400.0) + fold,
        "interruptions": 0,
        "stages": {"fit": {"wall_s": 30.0}, "predict": {"wall_s": 6.0}},
    }
    values: dict[str, Any] = {
        "unit_id": f"{study}-r{repeat}f{fold}-s{seed}",
        "study_id": study,
        "spec": {
            "method": method,
            "method_version": "ab" * 32,
            "params": {"lr": 0.0005, "gated": False, "patience": None},
            "dataset": "toy",
            "dataset_fingerprint": "cd" * 32,
            "protocol": "cv3",
            "split_sha256": "ef" * 32,
            "repeat": repeat,
            "fold": fold,
            "seed": seed,
            "input": {"kind": "features", "encoder": "", "mpp": [], "tile_px": 0},
            "precision": "fp32",
        },
        "config": {"method": method, "dataset": "toy", "protocol": "cv3"},
        "classes": ("no", "yes"),
        "scores": {"auc": {"value": 0.9, "low": 0.8, "high": 0.97}, "f1": {"value": None, "low": None, "high": None}},
        "compute": compute,
        "environment": {"software": {"wsibench": "0.1.0"}, "code": {"commit": None, "dirty": None}, "hardware": {}},
        "started": "2030-01-01T10:00:00+00:00",
        "finished": "2030-01-01T10:00:36+00:00",
    }
    return Record(**{**values, **changes})


CURVE = [
    {"stage": "fit", "epoch": epoch, "loss": 1 / (epoch + 1), "val_auc": 0.5 + epoch / 100, "ok": epoch > 2}
    for epoch in range(30)
]


def fill(
    store: RunStore,
    *,
    study: str = "abmil-toy-cv3-0123",
    method: str = "abmil",
    folds: int = 3,
    done: int | None = None,
    repeats: int = 1,
    signal: float = 0.6,
    ranked: bool = True,
    gpu: bool = False,
    dataset: str = "toy",
    protocol: str = "cv3",
    labels: list[str] | None = None,
) -> list[Record]:
    """Store a study of ``folds`` units per repeat, of which ``done`` are finished."""
    records = []
    for repeat in range(repeats):
        for fold in range(folds):
            made = record(study=study, repeat=repeat, fold=fold, method=method, gpu=gpu)
            spec = {**made.spec, "dataset": dataset, "protocol": protocol}
            made = record(study=study, repeat=repeat, fold=fold, method=method, gpu=gpu, spec=spec)
            records.append((made, predictions(repeat=repeat, fold=fold, folds=folds, signal=signal)))
    store.write_study(
        {
            "study_id": study,
            "method": method,
            "dataset": dataset,
            "protocol": protocol,
            "ranked": ranked,
            "n_units": len(records),
            "units": [made.unit_id for made, _ in records],
            "config": {"method": method, "dataset": dataset, "protocol": protocol, "params": {"lr": 0.0005}}
            | ({} if labels is None else {"labels": labels}),
        }
    )
    return [store.write_unit(made, rows, curve=CURVE) for made, rows in records[:done]]


def write_many(root: Path, tag: str) -> None:
    """Write the same unit again and again; in the tests' support, so that a process that is started can find it."""
    store = RunStore(root)
    for k in range(15):
        store.write_unit(
            record(started=f"{tag}-01-01T00:00:{k:02}"), predictions(signal=0.01 * k), log=f"{tag}-01-01T00:00:{k:02}"
        )
