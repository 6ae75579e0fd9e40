"""DTFD-MIL: double-tier feature distillation."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from harness import MethodCard, MILMethod, MILParams, Preset, PublishedInput, fixed, redeclared, tunable
from harness.api import Conditions

if TYPE_CHECKING:
    from torch import nn

    from harness import Aggregator


class DTFD(MILMethod):
    """Pseudo-bags in a first tier hand on features to a second one; each tier has an optimiser of its own."""

    card = MethodCard(
        name="dtfd",
        version=1,
        title="DTFD-MIL",
        paper="Zhang et al. 2022, arXiv 2203.12081",
        inputs=("features", "tiles"),
        published=(
            PublishedInput(
                source="github.com/hrzhang1123/DTFD-MIL at 10964f4: Patch_Generation/"
                "gen_patch_noLabel_stride_MultiProcessing_multiScales.py (256-pixel patches, level 1, which it calls "
                "20x), Model/resnet.py and main_Extract_PerSlide.py (ResNet-50 cut behind its third stage, weights "
                "resnet50-19c8e357)",
                kind="features",
                encoder="resnet50.tv_in1k@layer3",
                mpp=(0.5,),
                tile_px=256,
            ),
        ),
        attention=True,
        permutation_invariant=False,
        open_points=(
            "instances are ranked by the probability of the last class, as in the published code, which knows two "
            "classes; beyond two nothing is published and the last class is kept",
            "prediction: the published code shuffles at random and can average over shuffles; here one shuffle "
            "that is fixed by the number of tiles",
            "a bag with fewer tiles than pseudo_bags makes one pseudo-bag per tile; the published code goes on with "
            "empty ones, which hand on vectors of zeros (AFS) and add their loss to tier 1's",
            "the published code chooses the epoch by validation AUC among the last fifth (161 and later of 200); here "
            "the protocol's metric chooses among all (--preset published for the published rule)",
        ),
        parity=(
            "frozen outputs of the published code to 1e-5: logits of both tiers and distilled features for AFS, MaxS "
            "and MaxMinS, with a given permutation"
        ),
        presets={
            "published": Preset(
                help="the published code's own rule beside the defaults: the best validation AUC of epochs 161 to 199",
                params={"select_metric": "auc", "select_from": 161},
                repository="hrzhang1123/DTFD-MIL",
                commit="10964f4dcc27c65ce110a0e9a3b9240bff58da8a",
                file="Main_DTFD_MIL.py",
            )
        },
    )

    class Params(MILParams):
        """Defaults of the published code."""

        lr: float = tunable(1e-4, low=1e-5, high=1e-3, log=True, source="code", help="learning rate")
        weight_decay: float = tunable(1e-4, low=1e-6, high=1e-2, log=True, source="code", help="decay of the optimiser")
        epochs: int = redeclared(MILParams, "epochs", 200, source="code")
        lr_drop_epochs: tuple[int, ...] = redeclared(MILParams, "lr_drop_epochs", (100,), source="code")
        lr_drop_factor: float = redeclared(MILParams, "lr_drop_factor", 0.2, source="code")
        clip_grad_norm: float | None = redeclared(
            MILParams,
            "clip_grad_norm",
            5.0,
            source="code",
            help="largest gradient norm of tier 2, and of tier 1's embedding, attention and classifier, each alone",
        )
        rule: str = tunable("AFS", choices=("AFS", "MaxS", "MaxMinS"), source="code", help="what a pseudo-bag hands on")
        pseudo_bags: int = tunable(4, low=2, high=10, ge=1, source="code", help="pseudo-bags per bag")
        instances: int = fixed(1, ge=1, source="code", help="tiles that a pseudo-bag hands on per end (MaxS, MaxMinS)")
        width: int = tunable(512, low=64, high=1024, log=True, ge=1, source="code", help="width of the embedding")
        hidden: int = fixed(128, ge=1, source="code", help="width of the attention spaces")
        dropout: float = tunable(0.0, low=0.0, high=0.5, ge=0, lt=1, source="code", help="in front of both classifiers")

        only_with: ClassVar[Conditions] = {**MILParams.only_with, "instances": {"rule": ("MaxS", "MaxMinS")}}

    params: Params

    def aggregator(self, dim: int) -> Aggregator:
        """The DTFD network."""
        from methods.aggregators import dtfd

        p = self.params
        return dtfd.DTFD(
            dim,
            self.task.n_classes,
            rule=p.rule,
            pseudo_bags=p.pseudo_bags,
            instances=p.instances,
            width=p.width,
            hidden=p.hidden,
            dropout=p.dropout,
        )

    def optimizer_groups(self, network: nn.Module) -> list[list[nn.Parameter]]:
        """Tier 1 in the three parts whose gradients are clipped on their own, and tier 2.

        For the optimisers in use, three with the same settings are one over all of tier 1: each parameter is updated
        from its own gradients alone. A tile encoder in front belongs to the embedding.
        """
        groups: dict[str, list[nn.Parameter]] = {
            "embedding": [],
            "tier1.score.": [],
            "tier1.classify.": [],
            "tier2.": [],
        }
        for name, parameter in network.named_parameters():
            part = next((part for part in groups if f".{part}" in f".{name}"), "embedding")
            groups[part].append(parameter)
        return list(groups.values())
