"""A small drawn dataset of survival: the more a patient's instances are shifted, the sooner the event."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml


def write_survival_dataset(folder: Path, *, name: str = "lived", n_patients: int = 120, seed: int = 0) -> Path:
    """A dataset folder: bags of 6-d features, every fifth patient with two slides, about a quarter censored."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    hazard = rng.uniform(-1, 1, n_patients)
    times, ends = rng.exponential(np.exp(-2.5 * hazard)), rng.exponential(4, n_patients)
    event = times <= ends
    patients = np.repeat(np.arange(n_patients), np.where(np.arange(n_patients) % 5 == 0, 2, 1))
    bags = [rng.normal(1.5 * hazard[p], 1, size=(rng.integers(4, 9), 6)).astype(np.float32) for p in patients]
    sizes = [len(bag) for bag in bags]
    numbers = np.repeat(np.arange(1, len(bags) + 1), sizes)
    np.savez(folder / "features.npz", X=np.concatenate(bags), bag=numbers, y=event[patients].astype(int))
    slides = [f"{name}_{k + 1:03d}" for k in range(len(bags))]
    rows = [
        f"{slide},patient{p},{min(times[p], ends[p]):.6f},{int(event[p])}\n"
        for slide, p in zip(slides, patients, strict=True)
    ]
    (folder / "labels.csv").write_text("slide,patient,time,event\n" + "".join(rows))
    parts = ("test", "val", "train", "train")
    split = [
        f"0,{fold},{slide},{parts[(int(p) + fold) % 4]}\n"
        for fold in range(2)
        for slide, p in zip(slides, patients, strict=True)
    ]
    (folder / "splits.csv").write_text("repeat,fold,slide,part\n" + "".join(split))
    (folder / "card.yaml").write_text(yaml.safe_dump(_card(name, len(bags), n_patients, int(event[patients].sum()))))
    return folder


def _card(name: str, n_bags: int, n_patients: int, n_events: int) -> dict[str, object]:
    return {
        "name": name,
        "title": "Drawn survival",
        "description": "Drawn for tests.",
        "licence": "none",
        "get": "It is drawn by the tests.",
        "task": "survival",
        "intervals": 3,
        "counts": {"slides": n_bags, "patients": n_patients, "event": n_events},
        "source": {"kind": "features", "file": "features.npz", "dim": 6},
        "protocols": {"cv2": {"title": "two folds", "splits": "splits.csv"}},
        "default_protocol": "cv2",
        "inputs": [{"kind": "features"}],
    }
