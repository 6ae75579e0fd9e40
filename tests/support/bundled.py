"""A small study that can be verified, on the toy dataset, without training anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from harness.datasets.dataset import Dataset, load_dataset
from harness.evaluation.study_scores import study_scores
from harness.results.access_log import AccessLog
from harness.results.predictions import UnitPredictions
from harness.results.record import Record
from harness.results.store import RunStore
from harness.results.summary import study_predictions
from harness.tasks.truth import Truth
from harness.verification.identity import study_id_of, unit_id_of
from support.evidence import CURVE, record


def fill_true(store: RunStore, folder: Path, *, seeds: int = 1, method: str = "abmil", **changes: Any) -> Dataset:
    """Store a complete study on the dataset in ``folder``, with accesses and scores as a run leaves them."""
    dataset = load_dataset(folder)
    splits = dataset.splits("cv2")
    card = dataset.card.protocols["cv2"]
    task = dataset.task
    made: list[tuple[Record, UnitPredictions]] = []
    rng = np.random.default_rng(3)
    for seed in range(seeds):
        for fold in splits.folds:
            entries = [dataset.by_slide[slide] for slide in fold.test]
            label = np.array([entry.truth["label"] for entry in entries])
            p = rng.dirichlet([2.0, 2.0], len(entries))
            p[np.arange(len(entries)), label] += 0.4
            p /= p.sum(axis=1, keepdims=True)
            template = record(method=method)
            spec = {
                **template.spec,
                "dataset": dataset.name,
                "protocol": "cv2",
                "split_sha256": splits.sha256,
                "repeat": fold.repeat,
                "fold": fold.fold,
                "seed": seed,
            }
            truth = Truth(tuple(entry.patient for entry in entries), {"label": label})
            unit = UnitPredictions(
                task=task,
                repeat=fold.repeat,
                fold=fold.fold,
                seed=seed,
                slides=list(fold.test),
                truth=truth,
                probabilities=p,
                decision=task.decide(p, template.selection["threshold"]),
            )
            scores = {name: {"value": s.value} for name, s in study_scores(unit.rows(), resamples=1).scores.items()}
            accesses = AccessLog(store.root).note(unit_id_of(spec), list(fold.test), p)
            values = {"scores": scores, "extra": {"test_accesses": accesses}, "classes": task.columns} | changes
            one = record(unit_id=unit_id_of(spec), study_id=study_id_of(spec), spec=spec, method=method, **values)
            made.append((one, unit))
    study_id = made[0][0].study_id
    plan = {
        "study_id": study_id,
        "method": method,
        "dataset": dataset.name,
        "protocol": "cv2",
        "ranked": card.ranked,
        "n_units": len(made),
        "units": [one.unit_id for one, _ in made],
        "config": {"method": method, "dataset": dataset.name, "protocol": "cv2"},
    }
    store.write_study(plan)
    for one, unit in made:
        store.write_unit(one, unit, curve=CURVE[:3])
    rows = study_predictions(store, store.study(study_id))
    assert rows is not None
    found = study_scores(rows).scores
    limits = {name: {"value": s.value, "low": s.low, "high": s.high} for name, s in found.items()}
    store.write_study(plan | {"scores": limits, "units_done": len(made)})
    return dataset
