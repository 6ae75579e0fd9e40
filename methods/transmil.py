"""TransMIL: a transformer over the tiles of a slide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import MethodCard, MILMethod, MILParams, Preset, PublishedInput, UsageError, fixed, redeclared, tunable

if TYPE_CHECKING:
    from harness import Aggregator


class TransMIL(MILMethod):
    """Two layers of Nyström attention with a convolutional position encoding in between."""

    card = MethodCard(
        name="transmil",
        version=1,
        title="TransMIL",
        paper="Shao et al. 2021, arXiv 2106.00908",
        inputs=("features", "tiles"),
        published=(
            PublishedInput(
                source="github.com/szc19990412/TransMIL at 9d6aee5: README.md (CLAM's pipeline, --patch_size 256), "
                "models/TransMIL.py (features of width 1024). 20x: arXiv 2106.00908, section 4 (its text was not at "
                "hand)",
                kind="features",
                encoder="resnet50.tv_in1k@layer3",
                mpp=(0.5,),
                tile_px=256,
            ),
        ),
        tasks=("any",),
        attention=True,
        permutation_invariant=False,
        open_points=(
            "the optimiser is Lookahead over RAdam with decay on matrices and kernels only, as in the published code",
            "the published code keeps the epoch of least validation loss and stops by it; here the protocol's metric "
            "does both (--preset published for the loss). It also trains in half precision: --precision fp16",
            "the order of the tiles is not stated: here as they lie in the slide's index, row by row",
            "attention: how to read a weight per tile is not published; here the class token's row in the second layer",
        ),
        parity="frozen logits of the published code to 1e-5, at width 64 with 32 landmarks",
        presets={
            "published": Preset(
                help="the published code's own rule beside the defaults: the epoch of least validation loss is kept, "
                "training stops after 10 epochs without a lesser one",
                params={"select_metric": "loss", "patience": 10},
                repository="szc19990412/TransMIL",
                commit="9d6aee57c7c72375fb9132dc58cd8c9b0f0a949c",
                file="Camelyon/TransMIL.yaml",
            )
        },
        smoke=Preset(help="narrow", params={"width": 64, "heads": 2, "landmarks": 4}),
    )

    class Params(MILParams):
        """Defaults of the published code."""

        lr: float = tunable(2e-4, low=1e-5, high=1e-3, log=True, source="code", help="learning rate")
        weight_decay: float = tunable(1e-5, low=1e-6, high=1e-2, log=True, source="code", help="decay of the optimiser")
        l2_on: str = redeclared(MILParams, "l2_on", "weights", source="code")
        optimizer: str = redeclared(MILParams, "optimizer", "lookahead_radam", source="code")
        epochs: int = redeclared(MILParams, "epochs", 200, source="code")
        accumulate: int = redeclared(MILParams, "accumulate", 2, source="code")
        patience: int | None = redeclared(MILParams, "patience", 10, source="code")
        width: int = tunable(512, choices=(64, 128, 256, 512), ge=1, source="paper", help="width of the tokens")
        heads: int = fixed(8, ge=1, source="paper", help="attention heads; must divide the width")
        landmarks: int | None = fixed(
            None, ge=1, source="code", help="landmarks of the attention; none takes width / 2"
        )
        iterations: int = fixed(6, ge=1, source="paper", help="steps of the pseudo-inverse")
        dropout: float = tunable(
            0.1, low=0.0, high=0.5, ge=0, lt=1, source="code", help="dropout behind each attention"
        )

        def check(self, place: str) -> None:
            """Heads have to divide the width."""
            super().check(place)
            if self.width % self.heads:
                raise UsageError(
                    f"{self.heads} heads do not divide a width of {self.width}",
                    place=place,
                    fix="choose a width that is a multiple of heads",
                )

    params: Params

    def aggregator(self, dim: int) -> Aggregator:
        """The TransMIL network."""
        from methods.aggregators import transmil

        p = self.params
        return transmil.TransMIL(
            dim,
            self.task.n_classes,
            width=p.width,
            heads=p.heads,
            landmarks=p.landmarks,
            iterations=p.iterations,
            dropout=p.dropout,
        )
