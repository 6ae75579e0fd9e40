"""What ICMIL trains, before any training: the first embedder, and bag models on tiles and on features."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness import MILParams, TileEncoder, build_encoder
from methods.icmil.bag_models import BagModel
from methods.icmil.snapshots import LaterBags

if TYPE_CHECKING:
    from harness import BagSource, Run, Task
    from methods.icmil.params import ICMILParams


@dataclass
class Building:
    """Builds the parts of a coupling.

    Attributes:
        params, task: of the method.
        tile_px: side of the tiles.
        run: gives seeds and device.
    """

    params: ICMILParams
    task: Task
    tile_px: int
    run: Run

    @cached_property
    def first_embedder(self) -> TileEncoder:
        """Published or drawn weights, frozen."""
        run = self.run
        seed = run.seeds.seed("init", "encoder") % 2**32
        drawn = build_encoder(self.task.encoder, tile_px=self.tile_px, seed=seed).to(run.device)
        if self.params.normalise == "none":
            drawn = without_normalisation(drawn)
        return drawn.requires_grad_(False).eval()

    def warm_model(self) -> BagModel:
        """The bag model that the first embedder is trained with."""
        params = self.params
        warm = {
            "lr": params.warm_lr,
            "weight_decay": params.warm_weight_decay,
            "epochs": params.warm_epochs,
            "batch_size": params.warm_batch,
            "tiles_per_bag": params.warm_tiles,
            "augment": "rotate",
        }
        return self._bag_model("abmil", warm)

    def bag_model(self, epochs: int) -> BagModel:
        """A bag model on features, not yet trained."""
        params = self.params
        settings = {
            "lr": params.bag_lr,
            "weight_decay": params.weight_decay,
            "epochs": epochs,
            "patience": params.patience,
            "clip_grad_norm": params.clip_grad_norm,
        }
        model = self._bag_model(params.bag_model, settings)
        model.mixup = params if params.bag_mixup else None
        return model

    def untrained(self, tiles: BagSource) -> tuple[TileEncoder, BagModel]:
        """An embedder and a bag model on its features, as one network, for tiles like these."""
        embedder, model = self.first_embedder, self.bag_model(self.params.epochs)
        model.rebuild(LaterBags(tiles, embedder.dim, lambda: tiles), self.run, {})
        model.network.encoder = embedder
        return embedder, model

    def _bag_model(self, kind: str, settings: dict[str, Any]) -> BagModel:
        model = BagModel(MILParams.build(settings, place="icmil"), self.task)
        model.kind, model.width, model.hidden = kind, self.params.width, self.params.hidden
        model.pseudo_bags = self.params.pseudo_bags
        return model


def without_normalisation(encoder: TileEncoder) -> TileEncoder:
    """The same network on tile values 0..1 as they are, which is what the published code feeds it."""
    return TileEncoder(
        encoder.body,
        name=encoder.name,
        dim=encoder.dim,
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        input_px=encoder.input_px,
        interpolation=encoder.interpolation,
    ).to(next(encoder.parameters()).device)
