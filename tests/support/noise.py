"""A dataset of which nothing can be learnt, and a method whose hyper-parameters are mere luck."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml

from support.toy import write_toy_dataset

FOLDS, DIM = 8, 16
"""With few dimensions, directions are alike, and so is their luck."""


def write_noise_dataset(folder: Path, *, n_bags: int = 240, seed: int = 0) -> Path:
    """Bags of noise whose labels know nothing of it; every slide is tested once, and few are trained on."""
    write_toy_dataset(folder, name="noise", n_bags=n_bags, seed=seed)
    with np.load(folder / "features.npz") as file:
        content = dict(file)
    content["X"] = np.random.default_rng(seed).normal(size=(len(content["X"]), DIM)).astype(np.float32)
    np.savez(folder / "features.npz", **content)
    rows = ["repeat,fold,slide,part\n"]
    for fold in range(FOLDS):
        for k in range(n_bags):
            part = {0: "test", 1: "val"}.get((k // 2 + fold) % FOLDS, "train" if k % 30 < 4 else "")
            rows += [f"0,{fold},noise_{k + 1:03d},{part}\n"] * bool(part)
    (folder / "splits.csv").write_text("".join(rows))
    card = yaml.safe_load((folder / "card.yaml").read_text())
    card["source"]["dim"] = DIM
    (folder / "card.yaml").write_text(yaml.safe_dump(card))
    return folder


LUCK = '''
"""Predicts from a direction that a hyper-parameter draws: as good as any other."""

import torch
from harness import Aggregator, BagOutput, MILMethod, MILParams, MethodCard, segment_mean, tunable


class Line(Aggregator):
    def __init__(self, dim, n_classes, ticket):
        super().__init__()
        generator = torch.Generator().manual_seed(ticket)
        self.register_buffer("direction", torch.randn(dim, 1, generator=generator))
        self.head = torch.nn.Linear(1, n_classes)
        with torch.no_grad():
            self.head.weight.copy_(torch.tensor([[-1.0], [1.0]]))

    def forward(self, bags):
        return BagOutput(self.head(segment_mean(bags.x @ self.direction, bags.offsets)))


class Luck(MILMethod):
    card = MethodCard(name="luck", title="Luck", paper="none", inputs=("features",))

    class Params(MILParams):
        ticket: int = tunable(0, low=0, high=9999, help="draws the direction")
        lr: float = 1e-4
        epochs: int = 2
        batch_size: int = 8

    def aggregator(self, dim):
        return Line(dim, self.task.n_classes, self.params.ticket)
'''
