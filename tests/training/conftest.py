"""A run and a toy stage for tests of the training loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from harness.api.stage import Stage
from harness.bags.feature_source import FeatureBags
from harness.bags.loader import BagLoader
from harness.training.optim import build_optimizer
from harness.training.run import Run


class ToyNet(nn.Module):
    """Batch norm and dropout, so that every kind of state matters."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 2))

    def forward(self, x):
        return self.layers(x)


@pytest.fixture
def make_stage():
    """A function that makes the same toy stage again and again; it can be made to stop after some steps."""

    def make(
        run: Run, *, stop_after: int | None = None, optimizer: str = "adam", batch_size: int = 2, **changes: object
    ) -> Stage:
        rng = np.random.default_rng(0)
        bags = {f"s{k}": rng.normal(k % 2, 1, (6, 4)).astype(np.float32) for k in range(10)}
        source = FeatureBags(list(bags), np.arange(10) % 2, bags.__getitem__, 4)
        with run.seeded("init"):
            net = ToyNet()
        loader = BagLoader(source=source, stage="toy", seeds=run.seeds, batch_size=batch_size)
        steps = 0

        def loss(batch):
            nonlocal steps
            steps += 1
            if stop_after is not None and steps > stop_after:
                raise InterruptedError("stands for the process being killed")
            labels = batch.bags.labels.repeat_interleave(batch.bags.offsets.diff())
            return nn.functional.cross_entropy(net(batch.bags.x), labels)

        def validate():
            x = torch.cat([source.read(k) for k in range(10)])
            labels = torch.from_numpy(source.labels).repeat_interleave(6)
            logits = net(x)
            return {
                "loss": float(nn.functional.cross_entropy(logits, labels)),
                "accuracy": float((logits.argmax(1) == labels).float().mean()),
            }

        settings = {"epochs": 4, "validate": validate, "select_by": "loss", "maximise": False} | changes
        return Stage(
            name="toy",
            module=net,
            batches=loader,
            steps_per_epoch=loader.steps,
            loss=loss,
            optimizers=[
                build_optimizer(
                    optimizer,
                    net.parameters(),
                    lr=0.01,
                    weight_decay=1e-3,
                    weights_only=True,
                )
            ],
            bags_in=loader.bags_in,
            **settings,
        )

    return make
