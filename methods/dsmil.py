"""DSMIL: dual-stream MIL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import MethodCard, MILMethod, MILParams, fixed, redeclared, tunable

if TYPE_CHECKING:
    from harness import Aggregator


class DSMIL(MILMethod):
    """A max-pooling stream picks a critical tile, an attention stream weighs tiles by likeness to it."""

    card = MethodCard(
        name="dsmil",
        title="Dual-stream MIL",
        paper="Li et al. 2021, arXiv 2011.08939",
        inputs=("features", "tiles"),
        attention=True,
        open_points=(
            "the decision: published training code averages the sigmoids of both streams; here their logits, and class "
            "probabilities are the softmax of the mean",
            "the loss: one-against-rest binary cross-entropy as published, although classes exclude each other "
            "(--set loss=ce for softmax cross-entropy)",
            "CAMELYON16 is published with a single output for the positive class (--set single_logit=true)",
            "the defaults are the published training code (train_tcga.py with 200 epochs); its choice of the epoch by "
            "test scores and its decision threshold from the test slides are not taken over",
            "the published code starts from stored weights (init.pth); here from torch's initialisation",
        ),
        parity="frozen outputs of the published code to 1e-5: logits of both streams, attention, slide vectors",
    )

    class Params(MILParams):
        """Defaults of the published code."""

        lr: float = tunable(2e-4, low=1e-5, high=1e-3, log=True, source="code", help="learning rate")
        weight_decay: float = tunable(5e-3, low=1e-6, high=1e-2, log=True, source="code", help="decay of the optimiser")
        epochs: int = redeclared(MILParams, "epochs", 200, source="code")
        betas: tuple[float, ...] = redeclared(MILParams, "betas", (0.5, 0.9), source="code")
        schedule: str = redeclared(MILParams, "schedule", "cosine", source="code", help="per epoch, down to min_lr")
        min_lr: float = redeclared(MILParams, "min_lr", 5e-6, source="code")
        query_dim: int = fixed(128, ge=1, source="code", help="width of the queries")
        nonlinear: bool = fixed(True, source="code", help="queries by two layers instead of one linear map")
        passing_v: bool = fixed(False, source="code", help="values by a layer instead of the features themselves")
        dropout: float = fixed(
            0.0, ge=0, lt=1, source="code", help="on features in front of the values; with passing_v only"
        )
        loss: str = fixed("bce", choices=("bce", "ce"), source="code", help="one-against-rest, or softmax")
        single_logit: bool = fixed(False, source="code", help="two classes: model the positive one only")
        decision: str = fixed(
            "mean", choices=("mean", "bag"), source="paper", help="mean of both streams' logits, or the bag stream's"
        )
        init: str = fixed(
            "orthogonal", choices=("torch", "orthogonal"), source="code", help="first weights; orthogonal: zero biases"
        )

    params: Params

    def aggregator(self, dim: int) -> Aggregator:
        """The DSMIL network."""
        from methods.aggregators import dsmil

        p = self.params
        return dsmil.DSMIL(
            dim,
            self.task.n_classes,
            query_dim=p.query_dim,
            nonlinear=p.nonlinear,
            passing_v=p.passing_v,
            dropout=p.dropout,
            loss=p.loss,
            single_logit=p.single_logit,
            decision=p.decision,
            init=p.init,
        )
