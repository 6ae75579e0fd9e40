"""Training and prediction of bag networks, on features or end to end on tiles."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from harness.api.aggregator import Aggregator
from harness.api.card import MethodCard
from harness.api.output import BagOutput
from harness.api.prediction import Prediction
from harness.api.stage import Stage
from harness.bags.augment import Augment
from harness.bags.loader import BagLoader, Batch, coords_of, known_mpp
from harness.bags.packed import PackedBags, pack
from harness.bags.source import BagSource
from harness.core.errors import DataError
from harness.encoders import build_encoder
from harness.tasks.classification import Classification
from harness.tasks.task import Task
from harness.tasks.truth import Truth
from harness.training.attentive import most_attended
from harness.training.chunked_encode import encode_in_chunks
from harness.training.mil_params import MILParams, check_devices
from harness.training.ranks import ALONE, Ranks
from harness.training.recipe import optimizers_of, schedule_of, selection_of
from harness.training.run import Run
from harness.training.sync_norm import has_batch_norm, synchronised

if TYPE_CHECKING:
    from harness.encoders import TileEncoder

PREDICT_BLOCK = 256
"""Tiles that are read and encoded at once in prediction."""


class BagMethod(Protocol):
    """What training needs of a method: its parameters, task, aggregator and how its parameters are grouped."""

    card: ClassVar[MethodCard]
    network: BagNetwork

    @property
    def params(self) -> MILParams:
        """Hyper-parameters."""

    @property
    def task(self) -> Task:
        """What is predicted, and the encoder's name."""

    def aggregator(self, dim: int) -> Aggregator:
        """The module for features of width ``dim``."""

    def optimizer_groups(self, network: nn.Module) -> list[list[nn.Parameter]]:
        """Parameters by optimiser."""


class BagNetwork(nn.Module):
    """A tile encoder (end to end only) and an aggregator.

    Args:
        aggregator: features → logits.
        encoder: tiles → features; None when bags are features already.
        chunk: tiles per pass through the encoder; in training, batch norm takes its statistics over a chunk. 0 takes
            all tiles of the batch at once.
        recompute: keep the activations of one chunk only, and encode every chunk a second time for its gradient.
        task: what the outputs are of; None for classes.
        located: give the aggregator coordinates.
        ranks: those that train it together. Where their batch norm is synchronised, all of them make as many passes.
    """

    def __init__(
        self,
        aggregator: Aggregator,
        encoder: TileEncoder | None = None,
        *,
        chunk: int = 0,
        recompute: bool = False,
        task: Task | None = None,
        ranks: Ranks = ALONE,
        located: bool = False,
    ) -> None:
        super().__init__()
        self.aggregator = aggregator
        self.encoder = encoder
        self.chunk = chunk
        self.recompute = recompute
        self.task = Classification(()) if task is None else task
        self.ranks = ranks
        self.located = located

    def encode(self, tiles: Tensor) -> Tensor:
        """(T, 3, H, W) pixels 0..255 → (T, D) features; features stay what they are."""
        if self.encoder is None:
            return tiles
        return encode_in_chunks(
            self.encoder.encode,
            tiles,
            self.chunk,
            module=self.encoder,
            recompute=self.recompute,
            passes=self._passes(len(tiles)),
        )

    def _passes(self, tiles: int) -> int:
        """How many passes all ranks make, so that none waits in vain for the statistics of another; 0 for any."""
        if not (self.ranks.several and self.training and self.chunk and has_batch_norm(self)):
            return 0
        most, fewest = self.ranks.largest(-(-tiles // self.chunk), -tiles)
        return min(most, -fewest)

    def forward(self, bags: PackedBags) -> BagOutput:
        """Bags of tiles or features → logits and attention."""
        output: BagOutput = self.aggregator(bags.with_x(self.encode(bags.x)))
        return output

    def loss(self, output: BagOutput, labels: Tensor) -> Tensor:
        """Mean loss over the bags: the task's, which for classes is the aggregator's own."""
        return self.task.loss(output, labels, self.aggregator.loss)

    def probabilities(self, logits: Tensor) -> Tensor:
        """(B, C) probabilities in double precision, so that they sum to one to the last digits that are kept."""
        return self.task.probabilities(logits)


def build_network(method: BagMethod, train: BagSource, run: Run) -> BagNetwork:
    """The method's network on the run's device; its initial weights depend on the ``init`` seed alone."""
    encoder = None
    if train.kind == "tiles":
        read = train.scales[0].tile_px
        px = method.params.encoder_px(read)
        encoder = build_encoder(method.task.encoder, tile_px=px, seed=run.seeds.seed("init", "encoder") % 2**32)
        if px != read and encoder.input_px is None:
            # Tiles that no augmentation has cropped are resized on their way into the encoder, bilinearly as crops are.
            encoder.input_px, encoder.interpolation = px, "bilinear"
    dim = train.dim if encoder is None else encoder.dim
    with run.seeded("init", "aggregator"):
        aggregator = method.aggregator(dim)
    network = BagNetwork(
        aggregator,
        encoder,
        chunk=method.params.encode_chunk,
        recompute=method.params.recompute,
        task=method.task,
        ranks=run.ranks,
        located=hasattr(method, "card") and method.card.coordinates,  # a bag model inside of a method has no card
    )
    synchronised(network, run.ranks, run.device)
    return network.to(run.device)


def stage(method: BagMethod, train: BagSource, val: BagSource | None, run: Run) -> Stage:
    """The one stage of a bag method."""
    params, network = method.params, method.network
    check_devices(params, run.ranks.world)
    loader = BagLoader(
        source=train,
        stage="train",
        seeds=run.seeds,
        batch_size=params.batch_size,
        # To be ranked by attention, whole bags are read; what is kept of them is decided in the step.
        tiles=0 if params.tile_sampling == "attention" else params.tiles_per_bag,
        low_ratio=params.low_ratio,
        divisions=params.sampling_regions if params.tile_sampling == "regions" else 0,
        balanced=params.balanced,
        device=run.device,
        part=(run.ranks.rank, run.ranks.world),
        located=network.located,
    )
    return Stage(
        name="train",
        module=network,
        batches=loader,
        steps_per_epoch=loader.steps,
        loss=_loss(method, train),
        optimizers=optimizers_of(params, method.optimizer_groups(network)),
        epochs=params.epochs,
        schedule=schedule_of(params, loader.steps),
        validate=(lambda: validate(network, val, run)) if val is not None else None,
        clip_grad_norm=params.clip_grad_norm,
        accumulate=params.accumulate,
        bags_in=loader.bags_in,
        ema_decay=params.ema_decay,
        weights="ema" if params.report_weights == "ema" else "raw",
        loss_weight=lambda batch: batch.loss_weight,
        **selection_of(params, run, validated=val is not None),
    )


def _loss(method: BagMethod, train: BagSource) -> Callable[[Batch], Tensor]:
    params, network = method.params, method.network
    augment = None
    if train.kind == "tiles":
        augment = Augment(params.augment, params.encoder_px(train.scales[0].tile_px), params.crop_min)

    def loss(batch: Batch) -> Tensor:
        bags = batch.bags
        if params.tile_sampling == "attention":
            bags = most_attended(network, bags, params.tiles_per_bag, batch.seed)
        if augment is not None:
            # A tile is turned and cropped as it is where one device has the whole batch.
            drawn = augment.draw(batch.first + len(bags.x), batch.seed)[batch.first :]
            bags = bags.with_x(augment.apply(bags.x, drawn))
        output: BagOutput = network(bags)
        assert bags.labels is not None
        return network.loss(output, bags.labels)

    return loss


def validate(network: BagNetwork, val: BagSource, run: Run) -> Mapping[str, float]:
    """Validation scores (see :func:`validation_scores`) from whole bags, as in prediction."""
    return validation_scores(val, predict(network, val, run))


def validation_scores(val: BagSource, prediction: Prediction) -> Mapping[str, float]:
    """What ``Stage.validate`` gives for labelled bags: the loss and the task's monitored scores, by name."""
    assert val.labels is not None
    probabilities = prediction.probabilities
    task = val.task or Classification(tuple(map(str, range(probabilities.shape[1]))))
    truth = val.truth or Truth(tuple(val.ids), {"label": val.labels})
    return task.validation(val.labels, truth, probabilities)


@torch.no_grad()
def predict(network: BagNetwork, bags: BagSource, run: Run) -> Prediction:
    """One bag at a time, all tiles of the finest scale; the network's mode is restored afterwards.

    Ranks share the bags between them, and each has all predictions in the end.
    """
    was_training = network.training
    network.eval()
    try:
        mine = range(run.ranks.rank, len(bags), run.ranks.world)
        found = run.ranks.gathered({bag: _predict_bag(network, bags, bag, run) for bag in mine})
    finally:
        network.train(was_training)
    outputs = [found[bag % run.ranks.world][bag] for bag in range(len(bags))]
    everywhere = [name for name in outputs[0][1] if all(name in tiles for _, tiles in outputs)] if outputs else []
    tiles = {name: tuple(values[name] for _, values in outputs) for name in everywhere}
    attention = tiles.pop("attention", None)
    return Prediction(bags.ids, np.stack([probabilities for probabilities, _ in outputs]), attention, tiles)


def _predict_bag(network: BagNetwork, bags: BagSource, bag: int, run: Run) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Probabilities (C,) of a bag, and all numbers per tile (n,) by name."""
    with run.autocast():
        features = encode_bag(network.encode, bags, bag, run)
        places = [coords_of(bags, bag)] if network.located else None
        mpp = known_mpp(bags) if network.located else None
        output: BagOutput = network.aggregator(pack([features], coords=places, mpp=mpp).to(run.device))
    probabilities = network.probabilities(output.logits)[0].cpu().numpy()
    tiles = dict(output.tiles) if output.attention is None else {"attention": output.attention, **output.tiles}
    return probabilities, {
        name: (values.float() if values.dim() == 1 else values.float().mean(1)).cpu().numpy()
        for name, values in tiles.items()
    }


def encode_bag(encode: Callable[[Tensor], Tensor], bags: BagSource, bag: int, run: Run) -> Tensor:
    """Features (n, D) of all tiles of one bag on the run's device, read and encoded block by block.

    Raises:
        DataError: the bag has no tiles.
    """
    if not bags.count(bag):
        raise DataError(f"slide {bags.ids[bag]} has no tiles", place="prediction", fix="leave the slide out")
    if bags.kind == "features":
        return bags.read(bag).to(run.device)
    rows = np.arange(bags.count(bag))
    blocks = [rows[k : k + PREDICT_BLOCK] for k in range(0, len(rows), PREDICT_BLOCK)]
    return torch.cat([encode(bags.read(bag, block).to(run.device)) for block in blocks])
