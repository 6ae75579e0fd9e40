"""ICMIL as a method: its card, and the coupling loop behind it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from harness import Method, MethodCard, PublishedInput
from harness.api import TrainedModel
from methods.icmil.params import ICMILParams
from methods.icmil.presets import PRESETS, SMOKE

if TYPE_CHECKING:
    from torch import nn

    from harness import BagSource, Prediction, Run, Stage
    from methods.icmil.coupling import Coupling, Round

OPEN_POINTS = (
    "number of rounds T: README numbers are after one; default 1. With select_iteration=best rounds go on (up to "
    "iterations) while the validation metric improves, and the best round is kept",
    "length of the distillation: nominally up to 200 epochs of all tiles; here a budget of steps (10,000 by default)",
    "which student is kept: the code's criterion, agreement with the teacher on held-out tiles, rewards not moving; it "
    "is the default, distil_select=last takes the end of the budget. With distil_select=bag_model (ours; preset "
    "journal) every one of distil_checks students embeds the training and validation slides, a bag model is trained on "
    "them for snapshot_epochs (from scratch, or with warm_start from the last one), and its best score on validation "
    "slides decides: dear, and as noisy as the validation set is small. What a round was worth is measured by the "
    "score of the next bag model on validation slides, which every record has (facts: coupling)",
    "KL reduction: the code's mean over elements by default; kl_reduction=sample for a proper KL per tile",
    "start of later bag models: the code trains attention MIL from scratch and starts DTFD and max pooling from the "
    "model before; here all start from scratch with the same first weights and order of slides, so that before and "
    "after compare; warm_start=true for the other way",
    "more than two classes: formulas as they are",
    "which slides are removed (the code: test_114 and test_124 of CAMELYON16): left to the data set's card",
    "input normalisation: the code uses none (preset published, normalise=none); by default the encoder's own",
    "held-out tiles of the distillation: of the validation slides; the code shuffles tiles, so that both parts contain "
    "every slide. The comparison takes a fixed sample of them",
    "teachers other than max pooling, attention MIL and DTFD (AFS): not offered; the bag vector has to be a convex or "
    "linear pooling of the reducer's outputs, or an element-wise maximum",
    "prediction: the code shuffles DTFD's test bags unseeded; here the shuffle is fixed by the number of tiles",
    "threshold: the code prints scores at the threshold of the test ROC; here the protocol's rule, never test labels",
    "confidence weighting (journal version): where all scores of a batch are equal, every tile counts fully; DTFD's "
    "teacher logits are then 0.7 tier 2 + 0.3 tier 1, and its student's classifier starts from that same mixture",
    "pseudo-bag mix-up of the bag model (journal code): with chance 0.25 it takes one slide's parts alone and mixes "
    "the labels nevertheless, and the labels' shares are not those of the tiles; kept as it is. A bag of fewer tiles "
    "than parts, which the code fails on, may come whole. The code has it for attention MIL; bag_mixup takes any",
    "the journal code's learning-rate step (0.2 at epoch 100 of 200 of the distillation) comes after half of the steps "
    "here; the code defines it for DTFD and attention MIL alike",
    "feature sets: where training slides shaped the embedder, the kept round's set (train, validation and predicted "
    "slides, float16) stays in the unit's folder under features/; sets of other rounds go with the scratch space",
    "the teacher's features of unaltered tiles are read from the round's feature set instead of being computed at "
    "every step; with feature_dtype=float16 they are rounded",
    "clipping of DTFD's tier 2 is over the whole tier, of all else part by part",
    "the first embedder on data without pretrained weights: warm_epochs trains it end to end with attention MIL "
    "(a deviation of ours, used by the presets colon and mini; 0 by default)",
    "an incomplete last batch of a pass over all tiles is left out",
)


class ICMIL(Method):
    """``[bag model, distil, embed again, bag model] x T``; see :class:`methods.icmil.coupling.Coupling`."""

    card = MethodCard(
        name="icmil",
        version=1,
        title="ICMIL: iteratively coupled bag classifier and embedder",
        paper="Wang et al. 2023 (MICCAI), arXiv 2303.15749; journal version arXiv 2312.01099",
        inputs=("tiles",),
        published=(
            PublishedInput.of(
                PRESETS["published"].input,
                source="github.com/Dootmaan/ICMIL at c2fd2fa: model/feature_extraction.py (ResNet-50 cut behind its "
                "third stage, weights resnet50-11ad3fa6), dataset/RandomPatchDistillationDataset.py (256-pixel patches "
                "of level 1: 20x)",
            ),
        ),
        attention=True,
        permutation_invariant=False,
        open_points=OPEN_POINTS,
        presets=PRESETS,
        parity="no frozen outputs of the published code at hand; losses and teachers are tested against formulas",
        described_by=(
            "methods.icmil.coupling:Coupling",
            "methods.icmil.bag_models:PooledMIL",
            "methods.icmil.distil:Distillation",
            "methods.icmil.losses:coupling_losses",
        ),
        smoke=SMOKE,
    )
    Params = ICMILParams
    params: ICMILParams
    coupling: Coupling
    rounds: list[Round]
    network: nn.Module
    rebuilt: Round | None = None
    """The kept round of a training elsewhere."""

    def stages(self, train: BagSource, val: BagSource | None, run: Run) -> Iterator[Stage]:
        """Bag models and distillations in turns."""
        from methods.icmil.coupling import Coupling

        self.coupling = Coupling(self.params, self.task, train, val, run)
        self.rounds = self.coupling.rounds
        yield from self.coupling.stages()
        self.network = self.coupling.kept.bag_model.network

    def predict(self, bags: BagSource, run: Run) -> Prediction:
        """Probabilities from all tiles by the kept round; attention where the bag model has it."""
        if self.rebuilt is not None:
            return self.rebuilt.predict(bags, run)
        return self.coupling.predict(bags)

    def trained_model(self) -> TrainedModel:
        """Embedder and bag model of the kept round."""
        return TrainedModel({"network": self.network}, {"round": (self.rebuilt or self.coupling.kept).number})

    def rebuild(self, bags: BagSource, run: Run, facts: Mapping[str, Any]) -> None:
        """A round whose embedder and bag model are not trained yet."""
        from methods.icmil.building import Building
        from methods.icmil.coupling import Round

        embedder, model = Building(self.params, self.task, bags.scales[0].tile_px, run).untrained(bags)
        self.network = model.network
        self.rebuilt = Round(int(facts["round"]), embedder, (), model, {})
