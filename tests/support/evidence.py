"""Made-up evidence: units and studies as a run would leave them, so that it can be verified."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.hashing import sha256_text
from harness.results.access_log import AccessLog
from harness.results.predictions import UnitPredictions
from harness.results.record import Record
from harness.results.store import RunStore
from harness.tasks.classification import Classification
from harness.tasks.survival import Survival
from harness.tasks.truth import Truth
from harness.verification.identity import study_id_of, unit_id_of
from harness.verification.unit import point_scores

STUDY = "abmil-toy-cv3-0123"
"""The study, where a test does not name another one."""


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
        decision=task.decide(p, _threshold(classes)),
    )


def _threshold(classes: tuple[str, ...]) -> float | None:
    return 0.5 if len(classes) == 2 else None


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


def fill_survival(
    store: RunStore, *, study: str = "abmil-lived-cv3-0123", folds: int = 3, honest: bool = False
) -> list[Record]:
    """Store a finished study of survival; ``honest`` as in :func:`fill`."""
    rows = [survival(fold=fold, folds=folds) for fold in range(folds)]
    made = [_survived(study, fold, one) for fold, one in enumerate(rows)]
    made = [named_by_hash(one) for one in made] if honest else made
    names = {"study_id": made[0].study_id, "method": "abmil", "dataset": "lived", "protocol": "cv3", "ranked": True}
    store.write_study(names | {"units": [one.unit_id for one in made], "n_units": folds, "config": names})
    return [_stored(store, one, predicted, logged=honest) for one, predicted in zip(made, rows, strict=True)]


def _survived(study: str, fold: int, rows: UnitPredictions) -> Record:
    made = record(study=study, fold=fold, classes=("interval_1", "interval_2", "later"), dataset="lived")
    return replace(made, config={**made.config, "dataset": "lived", "task": "survival"}, scores=scores_of(rows))


def scores_of(rows: UnitPredictions) -> dict[str, dict[str, float | None]]:
    """The scores of some predictions for their record, with intervals that are made up."""
    found = {}
    for name, score in point_scores(rows.rows()).items():
        value = score["value"] if np.isfinite(score["value"]) else None
        limits = (None, None) if value is None else (value - 0.1, value + 0.1)
        found[name] = dict(zip(("value", "low", "high"), (value, *limits), strict=True))
    return found


def record(*, study: str = STUDY, repeat: int = 0, fold: int = 0, seed: int = 0, **changes: Any) -> Record:
    """A unit's record; ``changes`` replace whole fields, ``gpu=True`` makes it one of a GPU."""
    gpu = changes.pop("gpu", False)
    method, dataset, protocol = (
        changes.pop(name, usual) for name, usual in (("method", "abmil"), ("dataset", "toy"), ("protocol", "cv3"))
    )
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
            "dataset": dataset,
            "dataset_fingerprint": "cd" * 32,
            "protocol": protocol,
            "split_sha256": "ef" * 32,
            "repeat": repeat,
            "fold": fold,
            "seed": seed,
            "input": {"kind": "features", "encoder": "", "mpp": [], "tile_px": 0},
            "precision": "fp32",
        },
        "config": {"method": method, "dataset": dataset, "protocol": protocol},
        "classes": ("no", "yes"),
        "scores": {"auc": {"value": 0.9, "low": 0.8, "high": 0.97}, "f1": {"value": None, "low": None, "high": None}},
        "compute": compute,
        "environment": {"software": {"wsibench": "0.1.0"}, "code": {"commit": None, "dirty": None}, "hardware": {}},
        "started": "2030-01-01T10:00:00+00:00",
        "finished": "2030-01-01T10:00:36+00:00",
        "selection": {"threshold": 0.5},
    }
    return Record(**{**values, **changes})


def named_by_hash(made: Record) -> Record:
    """The record under the names that follow from its specification, in which the given name of the study stays."""
    spec = {**made.spec, "method_version": sha256_text(made.study_id)}
    return replace(made, spec=spec, unit_id=unit_id_of(spec), study_id=study_id_of(spec))


CURVE = [
    {"stage": "fit", "epoch": epoch, "loss": 1 / (epoch + 1), "val_auc": 0.5 + epoch / 100, "ok": epoch > 2}
    for epoch in range(30)
]


def fill(
    store: RunStore,
    *,
    study: str = STUDY,
    method: str = "abmil",
    folds: int = 3,
    done: int | None = None,
    repeats: int = 1,
    seeds: int = 1,
    signal: float = 0.6,
    ranked: bool = True,
    gpu: bool = False,
    dataset: str = "toy",
    protocol: str = "cv3",
    labels: list[str] | None = None,
    split_sha256: str = "ef" * 32,
    honest: bool = False,
) -> list[Record]:
    """Store a study of ``folds`` units per repeat and seed, of which ``done`` are finished.

    Its names are those that are given. Where it is to be verified (``honest``), names are hashes, as they have to be,
    scores are those of the predictions, and the test-set access log has a line for each unit.
    """
    more = {} if labels is None else {"labels": labels}
    config = {"method": method, "dataset": dataset, "protocol": protocol, **more}
    made = []
    for seed, repeat, fold in itertools.product(range(seeds), range(repeats), range(folds)):
        where = {"repeat": repeat, "fold": fold, "seed": seed}
        one = record(study=study, method=method, gpu=gpu, dataset=dataset, protocol=protocol, config=config, **where)
        spec = {**one.spec, "split_sha256": split_sha256}
        rows = predictions(folds=folds, signal=signal, **where)
        one = replace(one, spec=spec)
        if honest:
            one = named_by_hash(replace(one, scores=scores_of(rows)))
        made.append((one, rows))
    store.write_study(
        {
            "study_id": made[0][0].study_id,
            "method": method,
            "dataset": dataset,
            "protocol": protocol,
            "ranked": ranked,
            "n_units": len(made),
            "units": [one.unit_id for one, _ in made],
            "config": {**config, "params": {"lr": 0.0005}},
        }
    )
    return [_stored(store, one, rows, logged=honest) for one, rows in made[:done]]


def _stored(store: RunStore, made: Record, rows: UnitPredictions, *, logged: bool) -> Record:
    if logged:
        accesses = AccessLog(store.root).note(made.unit_id, rows.slides, rows.probabilities)
        made = replace(made, extra={**made.extra, "test_accesses": accesses})
    return store.write_unit(made, rows, curve=CURVE)


def write_many(root: Path, tag: str) -> None:
    """Write the same unit again and again; in the tests' support, so that a process that is started can find it."""
    store = RunStore(root)
    for k in range(15):
        store.write_unit(
            record(started=f"{tag}-01-01T00:00:{k:02}"), predictions(signal=0.01 * k), log=f"{tag}-01-01T00:00:{k:02}"
        )
