"""A method that keeps the contract, and one method for each check that breaks just that."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from harness import (
    Aggregator,
    BagOutput,
    MethodCard,
    MILMethod,
    MILParams,
    Prediction,
    Preset,
    pack,
    segment_softmax,
    segment_sum,
    segment_weighted_sum,
    tunable,
)


class Net(Aggregator):
    """Attention pooling with a frozen projection in front and dropout behind."""

    def __init__(self, dim, n_classes):
        super().__init__()
        self.frozen = nn.Linear(dim, 8).requires_grad_(False)
        self.score, self.drop, self.head = nn.Linear(8, 1), nn.Dropout(0.2), nn.Linear(8, n_classes)

    def embed(self, bags):
        return self.frozen(bags.x).tanh()

    def weigh(self, h, bags):
        return segment_softmax(self.score(h)[:, 0], bags.offsets)

    def forward(self, bags):
        h = self.embed(bags)
        weights = self.weigh(h, bags)
        return BagOutput(self.head(self.drop(segment_weighted_sum(weights, h, bags.offsets))), weights)


class Good(MILMethod):
    """Keeps every promise."""

    card = MethodCard(
        name="good",
        title="Good",
        paper="none",
        attention=True,
        presets={"fast": Preset(help="fast", params={"epochs": 1}, input={"kind": "features"})},
    )
    Params = MILParams
    net = Net

    def aggregator(self, dim):
        return self.net(dim, self.task.n_classes)


BROKEN: dict[str, type[MILMethod]] = {}


def breaks(check):
    """Enter a method as the one that breaks ``check``; its card is that of the good one unless it has its own."""

    def enter(cls):
        BROKEN[check] = cls
        return cls

    return enter


@breaks("card")
class Untitled(Good):
    card = replace(Good.card, title=" ")


@breaks("params")
class DefaultOutOfRange(Good):
    class Params(MILParams):
        lr: float = tunable(1.0, low=1e-5, high=1e-2, log=True, help="learning rate")


@breaks("presets")
class PresetForAnotherInput(Good):
    card = replace(Good.card, presets={"tiles": Preset(help="end to end", input={"kind": "tiles"})})


class NanNet(Net):
    def loss(self, output, labels):
        return super().loss(output, labels) + (output.logits - output.logits - 1).log().mean()


@breaks("finite_loss")
class NanLoss(Good):
    net = NanNet


@breaks("shapes")
class TwoClassesOnly(Good):
    def aggregator(self, dim):
        return Net(dim, 2)


@breaks("probabilities")
class Sigmoids(Good):
    def predict(self, bags, run):
        right = super().predict(bags, run)
        return replace(right, probabilities=right.probabilities * 0.9)


@breaks("attention")
class DeclaresAttention(Good):
    def predict(self, bags, run):
        return replace(super().predict(bags, run), attention=None)


@breaks("further_inputs")
class SixteenChannelsOnly(Good):
    card = replace(Good.card, inputs=("features", "tiles"))

    def aggregator(self, dim):
        assert dim == 16, "only sixteen"
        return super().aggregator(dim)


class CudaNet(Net):
    def embed(self, bags):
        return super().embed(bags).cuda()


@breaks("cpu_run")
class NeedsCuda(Good):
    net = CudaNet


class NoisyNet(Net):
    def embed(self, bags):
        h = super().embed(bags)
        return h + torch.from_numpy(np.random.normal(0, 0.1, h.shape)).float() if self.training else h


@breaks("deterministic")
class GlobalRandomness(Good):
    net = NoisyNet


class IdleNet(Net):
    def __init__(self, dim, n_classes):
        super().__init__(dim, n_classes)
        self.idle = nn.Linear(8, 8)

    def embed(self, bags):
        h = super().embed(bags)
        return h + self.idle(h).detach()


@breaks("parameters_move")
class DetachedLayer(Good):
    net = IdleNet


class ThawedNet(Net):
    def loss(self, output, labels):
        self.frozen.weight.mul_(1.001)
        return super().loss(output, labels)


@breaks("frozen_stay")
class MovesTheFrozen(Good):
    net = ThawedNet


class ForgetfulNet(Net):
    def __init__(self, dim, n_classes):
        super().__init__(dim, n_classes)
        self.centre = torch.zeros(8)  # learnt, but no buffer

    def embed(self, bags):
        h = super().embed(bags)
        if self.training:
            self.centre = 0.9 * self.centre + 0.1 * h.detach().mean(0)
        return (h - self.centre) * 3


@breaks("save_load")
class KeepsStateOutside(Good):
    net = ForgetfulNet


@breaks("kept_model")
class KeepsHalf(Good):
    """What it takes from the training bags is no part of the model that it keeps."""

    mixed = 0.0

    def stages(self, train, val, run):
        self.mixed = 0.1
        yield from super().stages(train, val, run)

    def predict(self, bags, run):
        found = super().predict(bags, run)
        even = 1 / found.probabilities.shape[1]
        return replace(found, probabilities=(1 - self.mixed) * found.probabilities + self.mixed * even)


class AlwaysTrainingNet(Net):
    def train(self, mode=True):
        return super().train(True)


@breaks("evaluation_mode")
class DropoutInPredict(Good):
    net = AlwaysTrainingNet


class CountingNet(Net):
    def __init__(self, dim, n_classes):
        super().__init__(dim, n_classes)
        self.register_buffer("seen", torch.zeros(()))

    def embed(self, bags):
        self.seen += len(bags)
        return super().embed(bags)


@breaks("evaluation_changes_nothing")
class CountsPredictions(Good):
    net = CountingNet


class OrderedNet(Net):
    def weigh(self, h, bags):
        place = torch.cat([torch.arange(n) for n in bags.offsets.diff().tolist()])
        return segment_softmax(self.score(h)[:, 0] - 0.1 * place, bags.offsets)


@breaks("permutation")
class FirstTilesFirst(Good):
    net = OrderedNet


class LeakyNet(Net):
    """Each bag's embeddings are shifted by the mean over the batch, as batch statistics would."""

    def embed(self, bags):
        h = super().embed(bags)
        return h - h.mean(0)


@breaks("packed_equals_single")
class LooksAtTheBatch(Good):
    net = LeakyNet


class WhiteningNet(Net):
    def embed(self, bags):
        h = super().embed(bags)
        parts = [bag / bag.std(0) for bag in h.split(bags.offsets.diff().tolist())]
        return torch.cat(parts)


class LastIntervalNet(Net):
    """The last interval is left out."""

    def forward(self, bags):
        output = super().forward(bags)
        return replace(output, logits=output.logits[:, :-1])


@breaks("other_tasks")
class LosesTheLastInterval(Good):
    card = replace(Good.card, tasks=("classification", "survival"))

    def aggregator(self, dim):
        net = LastIntervalNet if self.task.kind == "survival" else Net
        return net(dim, self.task.n_classes)


@breaks("one_tile")
class DividesByTheSpread(Good):
    net = WhiteningNet


@breaks("empty_bag")
class AnswersForNothing(Good):
    def predict(self, bags, run):
        rows, weights = [], []
        self.network.eval()
        for number in range(len(bags)):
            if not bags.count(number):
                rows.append(np.full(self.task.n_classes, 1 / self.task.n_classes))
                weights.append(np.zeros(0, np.float32))
                continue
            with torch.no_grad():
                output = self.network(pack([bags.read(number)]))
            rows.append(functional.softmax(output.logits[0].double(), 0).numpy())
            weights.append(output.attention.numpy())
        return Prediction(bags.ids, np.stack(rows), tuple(weights))


class SummedNet(Net):
    def forward(self, bags):
        h = self.embed(bags)
        return BagOutput(self.head(self.drop(segment_sum(h, bags.offsets))))


class WithoutAttention(Good):
    """Good too: it declares no attention and has none, and freezes nothing within reach of a test."""

    card = replace(Good.card, attention=False)

    def aggregator(self, dim):
        net = SummedNet(dim, self.task.n_classes)
        del net.score
        return net
