"""A tiny feature dataset and the smallest methods, for tests of units, studies and the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml

N_BAGS = 40


def write_toy_dataset(folder: Path, *, name: str = "toy", n_bags: int = N_BAGS, seed: int = 0) -> Path:
    """A dataset folder: bags of 4-d features; positive bags hold one instance that is shifted by 3."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    labels = np.arange(n_bags) % 2
    bags = []
    for label in labels:
        bag = rng.normal(size=(rng.integers(2, 7), 4))
        bag[0] += 3 * label
        bags.append(bag.astype(np.float32))
    sizes = [len(bag) for bag in bags]
    np.savez(folder / "features.npz", X=np.concatenate(bags), bag=np.repeat(np.arange(1, n_bags + 1), sizes), y=labels)
    slides = [f"{name}_{k + 1:03d}" for k in range(n_bags)]
    rows = "".join(
        f"{slide},patient{k // 2 * 2 + k % 2},{label}\n"
        for k, (slide, label) in enumerate(zip(slides, labels, strict=True))
    )
    (folder / "labels.csv").write_text("slide,patient,label\n" + rows)
    (folder / "splits.csv").write_text("repeat,fold,slide,part\n" + "".join(_split_rows(slides)))
    (folder / "card.yaml").write_text(yaml.safe_dump(_card(name, n_bags)))
    return folder


def _split_rows(slides: list[str]) -> list[str]:
    rows = []
    for fold in range(2):
        for k, slide in enumerate(slides):
            turn = (k // 2 + fold) % 4
            rows.append(f"0,{fold},{slide},{ {0: 'test', 1: 'val'}.get(turn, 'train') }\n")
    return rows


def _card(name: str, n_bags: int) -> dict[str, object]:
    protocol = {"title": "two folds", "splits": "splits.csv"}
    return {
        "name": name,
        "title": "Toy bags",
        "description": "Drawn for tests.",
        "licence": "none",
        "get": "It is drawn by the tests.",
        "classes": ["negative", "positive"],
        "counts": {"slides": n_bags},
        "source": {"kind": "features", "file": "features.npz", "dim": 4},
        "protocols": {
            "cv2": protocol,
            "last": protocol | {"fit_on": "train+val", "select": "last", "threshold": "argmax", "normalise": "train"},
            "on-test": protocol | {"ranked": False, "select": "test", "threshold": "test", "note": "leaks"},
            "leaky": protocol | {"ranked": False, "normalise": "transductive", "note": "for reproduction only"},
        },
        "default_protocol": "cv2",
        "inputs": [{"kind": "features"}],
    }


PLUGIN = '''
"""The smallest method."""

import torch
from harness import Aggregator, BagOutput, MILMethod, MILParams, MethodCard, segment_mean, segment_softmax
from harness import segment_weighted_sum, tunable


class Net(Aggregator):
    def __init__(self, dim, n_classes):
        super().__init__()
        self.score = torch.nn.Linear(dim, 1)
        self.drop = torch.nn.Dropout(0.25)
        self.head = torch.nn.Linear(dim, n_classes)

    def forward(self, bags):
        weights = segment_softmax(self.score(bags.x).squeeze(1), bags.offsets)
        return BagOutput(self.head(segment_weighted_sum(weights, self.drop(bags.x), bags.offsets)), weights)


class Tiny(MILMethod):
    card = MethodCard(name="tiny", title="Tiny attention", paper="none", inputs=("features", "tiles"), attention=True)

    class Params(MILParams):
        lr: float = tunable(0.02, low=1e-3, high=1e-1, log=True, help="learning rate")
        epochs: int = 6

    def aggregator(self, dim):
        return Net(dim, self.task.n_classes)
'''
