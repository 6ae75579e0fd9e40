"""Ours: the encoder's weights where no pretrained ones fit, trained end to end before bank and codebook are made."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import TYPE_CHECKING

from harness import Aggregator, MILMethod, MILParams
from methods.aggregators.attention import AttentionMIL

if TYPE_CHECKING:
    from harness import BagSource, Run, Stage, Task, TileEncoder
    from methods.dre_slcl import DreParams

HIDDEN = 64
"""Width of the attention space of the warm-up's bag model, which is thrown away."""


class WarmUp(MILMethod):
    """The encoder under gated attention pooling (Ilse et al. 2018), slide labels as the target."""

    def aggregator(self, dim: int) -> Aggregator:
        """Attention pooling of the encoder's features as they are."""
        return AttentionMIL(dim, self.task.n_classes, hidden=HIDDEN, gated=True, single_logit=False)


def warm_up(params: DreParams, task: Task) -> WarmUp:
    """The bag method of the warm-up."""
    settings = {
        "optimizer": "adamw",
        "schedule": "cosine",
        "lr": params.warm_lr,
        "weight_decay": params.warm_weight_decay,
        "epochs": params.warm_epochs,
        "batch_size": params.warm_batch,
        "tiles_per_bag": params.warm_tiles,
        "augment": params.augment,
        # Chunks change what batch norm sees, so only where memory asks for them.
        "encode_chunk": params.encode_chunk if params.recompute else 0,
        "recompute": params.recompute,
    }
    return WarmUp(MILParams.build(settings, place="dre_slcl, warm-up"), task)


def warm_encoder(
    params: DreParams, task: Task, train: BagSource, val: BagSource | None, run: Run
) -> Generator[Stage, None, TileEncoder]:
    """The stage ``warm``; returns the encoder with its last weights.

    The paper starts from weights that make good features already (HIPT's, self-supervised): its codebook is computed
    once and stays. Drawn weights make none, and an encoder that then learns leaves the codebook behind: all residuals
    point the way it moved, rows normalise that to the same vector for every slide, and the gradient vanishes.

    The last epoch is kept, not the best: so validation slides choose once, at the end, and nothing before it.
    """
    model = warm_up(params, task)
    for stage in model.stages(train, val, run):
        yield replace(stage, name="warm", select_by="last")
    assert model.network.encoder is not None
    return model.network.encoder
