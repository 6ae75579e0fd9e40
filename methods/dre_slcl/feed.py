"""What a training step is fed with: fresh and stored features of the same slides; the bank is kept up to date."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from harness.api import Augment, encode_in_chunks
from methods.dre_slcl.bank import MemoryBank
from methods.dre_slcl.codebook import fit_codebook
from methods.dre_slcl.sampling import Draw, Sampler, union

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness import BagSource, Run
    from methods.dre_slcl import DreParams
    from methods.dre_slcl.network import Backbone

READ_BLOCK = 256
"""Tiles that are read and encoded at once outside training steps."""
CODEBOOK_TILES = 200
"""Most tiles per training slide that k-means sees."""
CALIBRATION_TILES = 2048
"""About so many training tiles give batch norm its statistics, where the encoder has any."""


@dataclass(frozen=True)
class Fed:
    """Features of a step.

    Attributes:
        features: (T + M, d), fresh and stored tiles slide by slide, with gradient to the fresh ones.
        offsets: (B + 1,) int64 on the CPU.
        logs: how old what was read is (``bank_age``, epochs) and the norm of the gradient at the fresh features
            (``feature_grad``, filled in by the backward pass).
    """

    features: Tensor
    offsets: Tensor
    logs: dict[str, Tensor]


class Feed:
    """Draws, bank and encoder of one stage.

    Args:
        stage: name of the stage.
        backbone: the network whose encoder makes features, on the run's device.
        train: training slides; no other slide enters bank or codebook.
        run: gives seeds, device, precision and scratch space.
        params: hyper-parameters.
        first: whether the stage begins with calibration and codebook.
    """

    def __init__(
        self, stage: str, backbone: Backbone, train: BagSource, run: Run, params: DreParams, *, first: bool
    ) -> None:
        self.stage = stage
        self.backbone = backbone
        self.train = train
        self.run = run
        self.params = params
        self.first = first
        self.epoch = 0
        self.augment = Augment(params.augment, train.scales[0].tile_px)
        self.bank = MemoryBank(
            run.workdir / f"bank-{stage}", [train.count(bag) for bag in range(len(train))], backbone.dim
        )
        self.sampler = Sampler(
            source=train,
            stage=stage,
            seeds=run.seeds,
            batch_size=params.batch_size,
            fresh=params.fresh_tiles,
            stored=params.stored_tiles,
        )

    @property
    def refresh_due(self) -> bool:
        """Whether the present epoch begins with all entries encoded again; the first always does."""
        every = self.params.refresh_epochs
        return self.epoch == 0 or (every > 0 and self.epoch % every == 0)

    def batches(self, epoch: int, start: int) -> Iterator[Draw]:
        """The draws of an epoch; at its beginning the bank is refreshed where that is due."""
        self.epoch = epoch
        if start == 0 and self.refresh_due:
            if self.first and epoch == 0:
                self._calibrate()
            self.refresh(epoch * self.sampler.steps)
            if self.first and epoch == 0:
                self._fit_codebook()
        yield from self.sampler.batches(epoch, start)

    def refresh(self, step: int) -> None:
        """Encode all training tiles as they are, in evaluation mode, into a new generation of the bank."""
        self.bank.begin_refresh(step)
        for bag in range(len(self.train)):
            self.bank.fill(bag, encode_bag(self.backbone, self.train, bag, self.run).cpu().numpy())

    def features(self, draw: Draw) -> Fed:
        """Fresh features with gradient, and stored ones without."""
        tiles = draw.tiles.to(self.run.device, non_blocking=True)
        fresh = self.backbone.fresh(tiles, self.augment, self.augment.draw(len(tiles), draw.seed))
        pairs = list(zip(draw.slides.tolist(), draw.stored, strict=True))
        stored = np.concatenate([self.bank.read(slide, rows) for slide, rows in pairs])
        ages = np.concatenate([self.bank.ages(slide, rows, draw.step) for slide, rows in pairs])
        gradient = _norm_of_gradient(fresh)
        features, offsets = union(
            fresh,
            torch.from_numpy(stored).to(fresh.device, fresh.dtype),
            [len(rows) for rows in draw.fresh],
            [len(rows) for rows in draw.stored],
        )
        age = float(ages.mean()) / self.sampler.steps if len(ages) else 0.0
        return Fed(features, offsets, {"bank_age": torch.tensor(age), "feature_grad": gradient})

    def write(self, draw: Draw) -> dict[str, Tensor]:
        """After the loss: store features of the drawn tiles as they are, not augmented, without gradient.

        Returns:
            ``bank_cosine``: mean cosine between what was stored and what is stored now.
        """
        new = _encode(self.backbone, draw.tiles, self.run).cpu().numpy()
        pairs = zip(draw.slides.tolist(), draw.fresh, strict=True)
        old = np.concatenate([self.bank.read(slide, rows) for slide, rows in pairs])
        self.bank.write(draw.slides.tolist(), draw.fresh, new, draw.step)
        return {"bank_cosine": torch.tensor(float((old * new).sum(1).mean()))}

    def _calibrate(self) -> None:
        """Batch norm statistics from tiles of the training slides."""
        share = max(1, CALIBRATION_TILES // len(self.train))
        tiles = []
        for bag in range(len(self.train)):
            rng = self.run.seeds.numpy("sample", "calibrate", self.train.ids[bag])
            tiles.append(self.train.read(bag, rng.permutation(self.train.count(bag))[:share]))
        mixed = self.run.seeds.numpy("order", "calibrate").permutation(sum(map(len, tiles)))
        self.backbone.calibrate(torch.cat(tiles)[torch.from_numpy(mixed)])

    def _fit_codebook(self) -> None:
        """k-means on stored features of the initial encoder, of training tiles only."""
        words = fit_codebook(self.codebook_features(), self.params.codewords, self.run.seeds.seed("init", "codebook"))
        self.backbone.codebook.copy_(torch.from_numpy(words))

    def codebook_features(self) -> NDArray[np.float32]:
        """What k-means sees: at most :data:`CODEBOOK_TILES` stored features of each training slide."""
        parts = []
        for bag in range(len(self.train)):
            rng = self.run.seeds.numpy("sample", "codebook", self.train.ids[bag])
            parts.append(self.bank.read(bag, rng.permutation(self.train.count(bag))[:CODEBOOK_TILES]))
        return np.concatenate(parts)


def encode_bag(backbone: Backbone, bags: BagSource, bag: int, run: Run) -> Tensor:
    """L2-normalised features (n, d) of all tiles of a bag by the current encoder, block by block, without gradient."""
    rows = np.arange(bags.count(bag))
    blocks = [rows[k : k + READ_BLOCK] for k in range(0, len(rows), READ_BLOCK)]
    return torch.cat([_encode(backbone, bags.read(bag, block), run) for block in blocks])


def _norm_of_gradient(values: Tensor) -> Tensor:
    """A scalar that the backward pass sets to the norm of the gradient of ``values``."""
    norm = torch.zeros((), device=values.device)

    def note(gradient: Tensor) -> None:
        norm.copy_(gradient.norm())

    if values.requires_grad:
        values.register_hook(note)  # type: ignore[no-untyped-call]
    return norm


def _encode(backbone: Backbone, tiles: Tensor, run: Run) -> Tensor:
    """Features of tiles in evaluation mode, without gradient; the mode is restored."""
    was_training = backbone.training
    backbone.eval()
    try:
        with torch.no_grad(), run.autocast():
            return encode_in_chunks(
                lambda part: backbone.features(part.to(run.device)), tiles, READ_BLOCK, module=backbone.encoder
            )
    finally:
        backbone.train(was_training)
