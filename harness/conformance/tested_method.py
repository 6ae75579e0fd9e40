"""The method under examination: built small, trained on synthetic bags, and asked for predictions."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from harness.accounting.meter import Meter
from harness.api.card import InputKind
from harness.api.method import Method
from harness.api.params import Params
from harness.api.prediction import Prediction
from harness.bags.source import BagSource
from harness.conformance.observe import ObservedRun, StageNote, global_randomness, restore, state_of
from harness.conformance.synthetic_bags import SyntheticBags, draw
from harness.core.seeds import Seeds
from harness.tasks.classification import Classification
from harness.tasks.task import Task, in_use

CLASSES = ("none", "some", "much")
SMALL: dict[str, Any] = {"min_epochs": 0, "patience": None, "batch_size": 2, "tiles_per_bag": 6}
"""Hyper-parameters that are made small where a method has them and its card's ``smoke`` does not set them. Those whose
name ends in ``warmup_epochs`` become 0, in ``epochs`` 2."""

ROOT_SEED = 7
TRAIN, VAL, TEST = 1, 2, 3
"""Seeds of the synthetic bags."""


@dataclass
class Attempt:
    """One training, with what became of it.

    Attributes:
        method: the instance that was trained.
        run: what it was trained with.
        prediction: what it predicts for test bags without labels; None where something failed.
        error: what was raised on the way there.
    """

    method: Method
    run: ObservedRun
    prediction: Prediction | None = None
    error: Exception | None = None

    @property
    def notes(self) -> list[StageNote]:
        """What was noted of its stages."""
        return self.run.notes


@dataclass
class TestedMethod:
    """A method class and small settings for it. It keeps scratch folders until it is closed."""

    method: type[Method]
    _resources: ExitStack = field(default_factory=ExitStack, repr=False)

    def close(self) -> None:
        """Remove scratch folders."""
        self._resources.close()

    @property
    def kind(self) -> InputKind:
        """What the method reads by preference."""
        return self.method.card.inputs[0]

    @cached_property
    def params(self) -> Params:
        """The card's ``smoke`` settings, and small ones of ours where it says nothing."""
        smoke = self.method.card.smoke
        given = dict(smoke.params) if smoke else {}
        small = {}
        for name, (_, _, default) in self.method.Params.describe().items():
            if name in SMALL:
                small[name] = SMALL[name]
            elif name.endswith("epochs") and isinstance(default, int):
                small[name] = 0 if name.endswith("warmup_epochs") else min(default, 2)
        return self.method.Params.build({**small, **given}, place="the contract suite's settings")

    @property
    def tile_px(self) -> int:
        """Side of the tiles."""
        smoke = self.method.card.smoke
        return int(smoke.input.get("tile_px", 27)) if smoke else 27

    @property
    def encoder(self) -> str:
        """Name of the tile encoder."""
        smoke = self.method.card.smoke
        default = "conv27" if self.tile_px == 27 else "conv64"
        return str(smoke.input.get("encoder", default)) if smoke else default

    def task(self, kind: InputKind, classes: int = 2) -> Task:
        """A task of two or three classes."""
        return Classification(CLASSES[:classes], encoder=self.encoder if kind == "tiles" else "")

    def bags(
        self, count: int, seed: int, *, kind: InputKind | None = None, classes: int = 2, held_out: bool = False
    ) -> SyntheticBags:
        """``count`` synthetic bags; see :func:`harness.conformance.synthetic_bags.draw`."""
        card = self.method.card
        return draw(
            kind or self.kind,
            count,
            seed=seed,
            classes=classes,
            n_scales=card.scales,
            tile_px=self.tile_px,
            held_out=held_out,
            needs=card.needs,
        )

    @cached_property
    def test_bags(self) -> SyntheticBags:
        """Four bags whose labels are held out."""
        return self.bags(4, TEST, held_out=True)

    @cached_property
    def first(self) -> Attempt:
        """The training that most checks look at."""
        return self.attempt()

    def run_in(self, folder: Path, metric: str = "auc") -> ObservedRun:
        """A run on the CPU, its epochs chosen by ``metric``; the seeds are always the same."""
        return ObservedRun(
            seeds=Seeds(ROOT_SEED),
            device=torch.device("cpu"),
            workdir=folder,
            meter=Meter("cpu"),
            label=f"{self.method.card.name}:",
            checkpoint_seconds=3600.0,
            metric=metric,
        )

    def attempt(
        self,
        *,
        kind: InputKind | None = None,
        classes: int = 2,
        train: SyntheticBags | None = None,
        test: BagSource | None = None,
        other: type[Task] | None = None,
        world: int = 1,
        folder: Path | None = None,
    ) -> Attempt:
        """Train and predict once.

        Args:
            kind: what the bags hold; the preferred kind if None.
            classes: 2 or 3.
            train, test: other bags than the usual ones.
            other: train for this task instead of classes; it has an example.
            world: seed of the global random generators, which must not matter.
            folder: scratch space of an earlier attempt, whose stages are then taken from their checkpoints.
        """
        kind = kind or self.kind
        train = train or self.bags(8 if classes == 2 else 9, TRAIN, kind=kind, classes=classes)
        val = self.bags(4 if classes == 2 else 6, VAL, kind=kind, classes=classes)
        task = self.task(kind, classes)
        if other is not None and (made := train.labelled(other)) is not None:
            train, val = made, val.labelled(other) or val
            assert train.task is not None
            task = in_use(train.task, task.encoder)
        method = self.method(self.params, task)
        run = self.run_in(folder or self.new_folder(), task.metrics[0])
        attempt = Attempt(method, run)
        run.method = method
        try:
            with global_randomness(world):
                method.fit(train, val, run)
            usual = self.bags(4, TEST, kind=kind, classes=classes, held_out=True)
            attempt.prediction = self.predict(attempt, test or usual)
        except Exception as error:
            attempt.error = error
        return attempt

    def predict(self, attempt: Attempt, bags: BagSource, *, world: int = 1) -> Prediction:
        """Predictions of a trained method, whose weights are put back afterwards should predicting change them."""
        before = state_of(attempt.method)
        try:
            with global_randomness(world):
                return attempt.method.predict(bags, attempt.run)
        finally:
            restore(attempt.method, before)

    def new_folder(self) -> Path:
        """An empty scratch folder that is removed when the method is closed."""
        return Path(self._resources.enter_context(tempfile.TemporaryDirectory(prefix="bench-test-")))
