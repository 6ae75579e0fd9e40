"""Small bags of patches, settings and runs for the tests of ICMIL."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from harness import Classification
from harness.accounting.meter import Meter
from harness.bags.tile_source import PatchReader, TileBags
from harness.core.seeds import Seeds
from harness.datasets.splits import Fold
from harness.training.run import Run
from methods.icmil import ICMIL
from methods.icmil.coupling import Coupling

TASK = Classification(("no", "yes"), encoder="conv27")
QUICK = {
    "epochs": 4,
    "lr": 1e-3,
    "width": 32,
    "hidden": 16,
    "distil_steps": 6,
    "distil_checks": 2,
    "distil_batch": 16,
    "distil_lr": 1e-4,
}


def params(**changes: object) -> ICMIL.Params:
    return ICMIL.Params.build({**QUICK, **changes}, place="test")


def tile_bags(count: int, seed: int, *, size: int = 6) -> TileBags:
    """Bags of patches of noise; in every second bag a third of them are striped, of the same mean and spread."""
    rng = np.random.default_rng(seed)
    patches = rng.integers(100, 200, (count * size, 27, 27, 3)).astype(np.uint8)
    for bag in range(1, count, 2):
        striped = patches[bag * size : bag * size + max(1, size // 3)]
        striped[:, ::2] = np.sort(striped[:, ::2], axis=2)
    rows = {f"p{seed}s{k}": (k * size, (k + 1) * size) for k in range(count)}
    return TileBags(list(rows), np.arange(count) % 2, PatchReader(patches, rows))


def make_run(folder: Path, train: TileBags | None = None, val: TileBags | None = None) -> Run:
    folder.mkdir(parents=True, exist_ok=True)
    fold = None if train is None else Fold(0, 0, train.ids, val.ids if val else (), ("t0",))
    return Run(
        seeds=Seeds(3), device=torch.device("cpu"), workdir=folder, meter=Meter(), checkpoint_seconds=0.0, fold=fold
    )


def fitted(folder: Path, train: TileBags, val: TileBags | None, **changes: object) -> tuple[Coupling, Run]:
    run = make_run(folder, train, val)
    method = ICMIL(params(**changes), TASK)
    method.fit(train, val, run)
    return method.coupling, run
