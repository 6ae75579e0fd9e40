"""CLAM with a single attention branch."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from harness import MethodCard, MILMethod, MILParams, fixed, tunable

if TYPE_CHECKING:
    from harness import Aggregator


class CLAMSB(MILMethod):
    """Attention pooling with instance-level clustering."""

    card = MethodCard(
        name="clam_sb",
        title="CLAM, single branch",
        paper="Lu et al. 2021, arXiv 2004.09666",
        inputs=("features", "tiles"),
        attention=True,
        open_points=(
            "bags with fewer tiles than k_sample: the published code fails; here all tiles are used",
            "bags with fewer than 2 k_sample tiles: a tile may be positive and negative at once, as published",
            "instance loss: smooth SVM in the paper, cross-entropy unless asked in the code; here cross-entropy "
            "(--set instance_loss=svm)",
            "early stopping watches the validation loss in the published code; here the protocol's metric",
        ),
        parity=(
            "frozen outputs of the published code to 1e-5: logits, attention scores and instance loss (cross-entropy); "
            "the smooth SVM loss is tested against its formula"
        ),
    )

    class Params(MILParams):
        """Defaults of the published code."""

        lr: float = tunable(1e-4, low=1e-5, high=1e-3, log=True, source="code", help="learning rate")
        weight_decay: float = tunable(1e-5, low=1e-6, high=1e-2, log=True, source="code", help="decay of the optimiser")
        epochs: int = fixed(200, source="code", help="epochs at most")
        patience: int | None = fixed(20, source="code", help="stop after this many epochs without a better score")
        min_epochs: int = fixed(50, source="code", help="never stop before this many epochs")
        width: int = fixed(512, source="paper", help="width of the embedding")
        hidden: int = tunable(
            256, low=64, high=512, log=True, source="paper", help="width of the attention space: small, big"
        )
        gated: bool = fixed(True, source="paper", help="gated attention")
        dropout: float = tunable(0.25, low=0.0, high=0.75, source="code", help="dropout on embeddings and attention")
        k_sample: int = tunable(8, low=1, high=64, log=True, source="paper", help="tiles per kind in the clustering")
        bag_weight: float = tunable(0.7, low=0.5, high=1.0, source="paper", help="weight of the bag loss")
        instance_loss: str = fixed("ce", choices=("ce", "svm"), source="code", help="svm: smooth top-1 SVM")
        subtyping: bool = fixed(False, source="paper", help="classes exclude each other (subtypes)")

    params: Params
    multi_branch: ClassVar[bool] = False

    def aggregator(self, dim: int) -> Aggregator:
        """The CLAM network."""
        from methods.aggregators.clam import CLAM

        p = self.params
        return CLAM(
            dim,
            self.task.n_classes,
            multi_branch=self.multi_branch,
            width=p.width,
            hidden=p.hidden,
            gated=p.gated,
            dropout=p.dropout,
            k_sample=p.k_sample,
            subtyping=p.subtyping,
            instance_loss=p.instance_loss,
            bag_weight=p.bag_weight,
        )
