"""Stage B, extractor and IAAM trained together from slide labels, and prediction over all kept tiles."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from harness import BagSource, Prediction, Run, Stage
from harness.api import Augment, build_schedule, validation_scores
from methods.msamil.heatmap import fine_weights
from methods.msamil.network import MsaMILNet, Places
from methods.msamil.tile_filter import TileFilter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from methods.msamil.params import MsaMILParams

    Rows = tuple[NDArray[np.int64], ...]

READ_BLOCK = 128
"""Tiles that are read at once in prediction."""


@dataclass(frozen=True)
class Batch:
    """One slide's tiles of this step: tiles (N, 3, H, W) uint8 on the CPU, their places, label, augmentation seed."""

    tiles: Tensor
    places: Places
    label: int
    seed: int


def draw_tiles(kept: Rows, wanted: int, rng: np.random.Generator) -> Rows:
    """``wanted`` of the kept tiles, uniformly over all scales without repeats; all of them if there are fewer.

    Returns:
        Rows per scale, rising.
    """
    scale = np.repeat(np.arange(len(kept)), [len(rows) for rows in kept])
    row = np.concatenate(kept)
    chosen = np.sort(rng.permutation(len(row))[:wanted])
    return tuple(row[chosen[scale[chosen] == number]] for number in range(len(kept)))


@dataclass(frozen=True)
class SlideBatches:
    """One slide per step in shuffled order; the next one is read while this one is used."""

    source: BagSource
    tile_filter: TileFilter
    tiles: int
    run: Run

    def __call__(self, epoch: int, start: int) -> Iterator[Batch]:
        """The steps of ``epoch`` from ``start`` on."""
        order = self.run.seeds.numpy("order", "train", epoch).permutation(len(self.source))[start:]
        with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as pool:
            coming: Future[Batch] | None = None
            for step, bag in enumerate(order):
                now = coming or pool.submit(self._read, epoch, int(bag))
                following = order[step + 1 : step + 2]
                coming = pool.submit(self._read, epoch, int(following[0])) if len(following) else None
                yield now.result()

    def _read(self, epoch: int, bag: int) -> Batch:
        slide, labels = self.source.ids[bag], self.source.labels
        if labels is None:
            raise ValueError("training bags must have labels")
        kept = self.tile_filter(self.source, bag).rows
        rows = draw_tiles(kept, self.tiles, self.run.seeds.numpy("sample", "train", epoch, slide))
        tiles = torch.cat([self.source.read(bag, chosen, scale) for scale, chosen in enumerate(rows) if len(chosen)])
        seed = self.run.seeds.seed("augment", "train", epoch, slide)
        return Batch(tiles, Places.of(self.source, bag, rows), int(labels[bag]), seed)


def calibrate(network: MsaMILNet, params: MsaMILParams, source: BagSource, tile_filter: TileFilter, run: Run) -> None:
    """Set the trunk's batch-norm statistics from about ``bn_calibration`` tiles of training slides, if asked for."""
    if not params.bn_calibration:
        return
    slides = run.seeds.numpy("order", "calibrate").permutation(len(source))[:_CALIBRATION_SLIDES]
    share = max(1, params.bn_calibration // len(slides))
    parts = []
    for bag in slides:
        rng = run.seeds.numpy("sample", "calibrate", source.ids[int(bag)])
        rows = draw_tiles(tile_filter(source, int(bag)).rows, share, rng)
        parts += [source.read(int(bag), chosen, scale) for scale, chosen in enumerate(rows) if len(chosen)]
    tiles = torch.cat(parts)
    # Batches mix slides, as a slide on its own would have the statistics of its stain.
    order = torch.from_numpy(run.seeds.numpy("order", "calibrate", "tiles").permutation(len(tiles)))
    network.extractor.calibrate([tiles[part] for part in torch.split(order, READ_BLOCK)])


_CALIBRATION_SLIDES = 16


def bag_stage(
    network: MsaMILNet, params: MsaMILParams, train: BagSource, val: BagSource | None, tile_filter: TileFilter, run: Run
) -> Stage:
    """Stage B (Algorithm 2): every step draws tiles of one slide; ``accumulate`` slides make an update."""
    best = run.select == "best" and val is not None
    trunk = list(network.extractor.trunk.parameters())
    own = {id(parameter) for parameter in trunk}
    rest = [parameter for parameter in network.parameters() if id(parameter) not in own]
    optimizer = torch.optim.AdamW(
        [{"params": rest, "lr": params.lr}, {"params": trunk, "lr": params.trunk_lr}], weight_decay=params.weight_decay
    )
    return Stage(
        name="train",
        module=network,
        batches=SlideBatches(train, tile_filter, params.tiles_per_step, run),
        steps_per_epoch=len(train),
        loss=_loss(network, params, train),
        optimizers=[optimizer],
        epochs=params.epochs,
        schedule=build_schedule(
            "cosine",
            lr=params.lr,
            epochs=params.epochs,
            steps_per_epoch=len(train),
            warmup_epochs=params.warmup_epochs,
            min_lr=params.min_lr,
        ),
        validate=(lambda: _validate(network, val, tile_filter, run)) if val is not None else None,
        select_by=run.metric if best else "last",
        patience=params.patience if best else None,
        clip_grad_norm=params.clip_grad_norm,
        accumulate=params.accumulate,
    )


def class_weights(labels: NDArray[np.int64], n_classes: int) -> NDArray[np.float32]:
    """``n / (C n_c)``: every class counts the same over an epoch, and the mean weight of a slide is one."""
    counts = np.bincount(labels, minlength=n_classes)
    return (len(labels) / (n_classes * np.maximum(counts, 1))).astype(np.float32)


def _loss(network: MsaMILNet, params: MsaMILParams, train: BagSource) -> Callable[[Batch], Tensor]:
    assert train.labels is not None
    augment = Augment(params.augment, train.scales[0].tile_px) if params.augment != "none" else None
    weights = np.ones(network.head.out_features, np.float32)
    if params.class_weights:
        weights = class_weights(train.labels, len(weights))

    def loss(batch: Batch) -> Tensor:
        features = network.extractor.chunked(batch.tiles, augment=augment, seed=batch.seed)
        logits, _ = network.fuse(features, batch.places)
        label = torch.tensor([batch.label], device=logits.device)
        return functional.cross_entropy(logits.unsqueeze(0), label) * float(weights[batch.label])

    return loss


def _validate(network: MsaMILNet, val: BagSource, tile_filter: TileFilter, run: Run) -> Mapping[str, float]:
    return validation_scores(val, predict(network, val, tile_filter, run))


@torch.no_grad()
def predict(network: MsaMILNet, bags: BagSource, tile_filter: TileFilter, run: Run) -> Prediction:
    """Probabilities and fine-scale weights from all kept tiles of each bag; the network's mode is restored."""
    was_training = network.training
    network.eval()
    try:
        outputs = [_predict_bag(network, bags, bag, tile_filter(bags, bag).rows, run) for bag in range(len(bags))]
    finally:
        network.train(was_training)
    return Prediction(bags.ids, np.stack([p for p, _ in outputs]), tuple(weights for _, weights in outputs))


def _predict_bag(
    network: MsaMILNet, bags: BagSource, bag: int, rows: Rows, run: Run
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    with run.autocast():
        features = torch.cat(
            [
                network.extractor.chunked(bags.read(bag, block, scale))
                for scale, chosen in enumerate(rows)
                for block in np.split(chosen, range(READ_BLOCK, len(chosen), READ_BLOCK))
                if len(block)
            ]
        )
        logits, weights = network.fuse(features, Places.of(bags, bag, rows))
    # Softmax in double precision: probabilities sum to one to the last digits that are kept.
    probabilities = functional.softmax(logits.double(), -1).cpu().numpy()
    ends = np.cumsum([len(chosen) for chosen in rows])[:-1]
    extent = bags.extent(bag)
    scales = range(len(rows))
    return probabilities, fine_weights(
        np.split(weights.float().cpu().numpy(), ends),
        rows,
        [None if extent is None else bags.coords(bag, scale) for scale in scales],
        (1,) * len(rows) if extent is None else extent.sides,
        bags.count(bag),
    )
