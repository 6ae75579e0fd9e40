"""Slide vectors and predictions: all tiles of a slide by the current encoder, nothing from a bank."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from harness import DataError, Prediction
from harness.api import score
from methods.dre_slcl.feed import encode_bag

if TYPE_CHECKING:
    from harness import BagSource, Run
    from methods.dre_slcl.network import Backbone


@torch.no_grad()
def slide_vectors(backbone: Backbone, bags: BagSource, run: Run) -> Tensor:
    """h (n_bags, d), float32, of whole bags: all tiles by the current encoder, nothing from a bank."""
    was_training = backbone.training
    backbone.eval()
    try:
        rows = []
        for bag in range(len(bags)):
            if not bags.count(bag):
                raise DataError(f"slide {bags.ids[bag]} has no tiles", place="prediction", fix="leave the slide out")
            features = encode_bag(backbone, bags, bag, run)
            with run.autocast():
                rows.append(backbone.slides(features, torch.tensor([0, len(features)]))[0].float())
        return torch.cat(rows)
    finally:
        backbone.train(was_training)


@torch.no_grad()
def predict(backbone: Backbone, head: nn.Module, bags: BagSource, run: Run) -> Prediction:
    """Class probabilities from all tiles of every bag."""
    logits = head(slide_vectors(backbone, bags, run))
    return Prediction(bags.ids, logits.double().softmax(1).cpu().numpy())


def labels_of(bags: BagSource, run: Run) -> Tensor:
    """Labels (n,) int64 on the run's device."""
    assert bags.labels is not None
    return torch.from_numpy(bags.labels).to(run.device)


def scores_of(bags: BagSource, logits: Tensor) -> Mapping[str, float]:
    """Loss, AUC and balanced accuracy of logits (n, C) for labelled bags."""
    assert bags.labels is not None
    probabilities = logits.detach().double().softmax(1).cpu().numpy()
    scores = score(bags.labels, probabilities, probabilities.argmax(1))
    return {"loss": scores["log_loss"], "auc": scores["auc"], "balanced_accuracy": scores["balanced_accuracy"]}
