"""The linear probe on frozen slide vectors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from harness import Stage
from methods.dre_slcl.inference import labels_of, scores_of, slide_vectors

if TYPE_CHECKING:
    from harness import BagSource, Run
    from methods.dre_slcl import DreParams
    from methods.dre_slcl.network import Backbone, Probe


class Probing:
    """Stage 2 (a): a linear classifier on frozen slide vectors, computed once from all tiles."""

    def __init__(
        self, probe: Probe, backbone: Backbone, train: BagSource, val: BagSource | None, run: Run, params: DreParams
    ) -> None:
        self.probe = probe
        self.backbone = backbone
        self.train = train
        self.val = val
        self.run = run
        self.params = params

    def stage(self) -> Stage:
        """The stage: all slide vectors in one batch."""
        best = self.run.select == "best" and self.val is not None
        return Stage(
            name="probe",
            module=self.probe,
            batches=self.batches,
            steps_per_epoch=1,
            loss=self.loss,
            optimizers=[
                torch.optim.AdamW(
                    self.probe.parameters(), self.params.probe_lr, weight_decay=self.params.probe_weight_decay
                )
            ],
            epochs=self.params.probe_epochs,
            validate=self.validate if self.val is not None else None,
            select_by=self.run.metric if best else "last",
        )

    def batches(self, epoch: int, start: int) -> Iterator[Tensor]:
        """All training slide vectors, (N, d)."""
        if epoch == 0:
            self.probe.fit_scale(self.train_vectors)
        if start == 0:
            yield self.train_vectors

    def loss(self, slides: Tensor) -> Tensor:
        """Cross-entropy."""
        return functional.cross_entropy(self.probe(slides), labels_of(self.train, self.run))

    def validate(self) -> Mapping[str, float]:
        """Scores of the validation slides."""
        assert self.val is not None
        with torch.no_grad():
            return scores_of(self.val, self.probe(self.val_vectors))

    @cached_property
    def train_vectors(self) -> Tensor:
        """Slide vectors of the training slides."""
        return slide_vectors(self.backbone, self.train, self.run)

    @cached_property
    def val_vectors(self) -> Tensor:
        """Slide vectors of the validation slides."""
        assert self.val is not None
        return slide_vectors(self.backbone, self.val, self.run)
