"""Checks of prediction: in evaluation mode, without side effects, and free of the company and order of tiles."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from harness.api.output import BagOutput
from harness.api.prediction import Prediction
from harness.conformance.compare import same_prediction
from harness.conformance.observe import global_randomness, modules_of, restore, state_of
from harness.conformance.outcome import BrokenPromise, Check, NotApplicable
from harness.conformance.outputs import bag_network, packed_bags
from harness.conformance.synthetic_bags import SyntheticBag
from harness.conformance.tested_method import TestedMethod

TOLERANCE = 1e-4
"""Of logits, probabilities and attention in float32, where sums may run in another order."""


def evaluation_mode(tested: TestedMethod) -> None:
    """No dropout and no batch statistics in predict(): neither in modules nor through functions."""
    attempt = tested.first
    with _training_modules(attempt.method) as found:
        once = tested.predict(attempt, tested.test_bags, world=1)
    if found:
        raise BrokenPromise(f"{found[0]} is in training mode in predict()")
    again = tested.predict(attempt, tested.test_bags, world=2)
    if difference := same_prediction(once, again, tolerance=0):
        raise BrokenPromise(f"predict() is random: asked twice, {difference}")


@contextmanager
def _training_modules(method: object) -> Iterator[list[str]]:
    """The names of dropout and batch norm layers that run in training mode inside the block."""
    found: list[str] = []
    handles = []
    for path, network in modules_of(method).items():
        for name, layer in network.named_modules():
            if isinstance(layer, _DropoutNd | _BatchNorm):
                label = f"{path}.{name} ({type(layer).__name__})"

                def note(layer: nn.Module, _: object, label: str = label) -> None:
                    if layer.training and not (isinstance(layer, _DropoutNd) and layer.p == 0):
                        found.append(label)

                handles.append(layer.register_forward_pre_hook(note))
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def evaluation_changes_nothing(tested: TestedMethod) -> None:
    """predict() leaves all weights and buffers, and what may be trained, as they were."""
    attempt = tested.first
    before, trainable = state_of(attempt.method), _trainable(attempt.method)
    try:
        with global_randomness(1):
            attempt.method.predict(tested.test_bags, attempt.run)
        for name, value in state_of(attempt.method).items():
            if name in before and not torch.equal(value, before[name]):
                raise BrokenPromise(f"predict() changes {name}")
    finally:
        restore(attempt.method, before)
    now = _trainable(attempt.method)
    if changed := sorted(name for name in trainable if now.get(name) != trainable[name]):
        raise BrokenPromise(f"predict() leaves {changed[0]} {'trainable' if now.get(changed[0]) else 'frozen'}")


def _trainable(method: object) -> dict[str, bool]:
    return {
        f"{path}.{name}": parameter.requires_grad
        for path, network in modules_of(method).items()
        for name, parameter in network.named_parameters()
    }


def permutation(tested: TestedMethod) -> None:
    """With its tiles in another order, a bag has the same logits, and its attention follows the tiles."""
    if not tested.method.card.permutation_invariant:
        raise NotApplicable("the card says that the order of tiles matters")
    bags = tested.test_bags
    orders = [_orders(bag, number) for number, bag in enumerate(bags.bags)]
    shuffled = bags.with_bags([bag.taken(rows) for bag, rows in zip(bags.bags, orders, strict=True)])
    plain = tested.predict(tested.first, bags)
    other = tested.predict(tested.first, shuffled)
    if plain.attention is not None:
        moved = tuple(weights[rows[0]] for weights, rows in zip(plain.attention, orders, strict=True))
        plain = Prediction(plain.slides, plain.probabilities, moved)
    if difference := same_prediction(plain, other, tolerance=TOLERANCE):
        raise BrokenPromise(f"with the tiles in another order, {difference}")
    network = bag_network(tested.first.method)
    if network is not None:
        with torch.no_grad(), global_randomness(1):
            network.eval()
            logits = _logits(network(packed_bags(bags))), _logits(network(packed_bags(shuffled)))
        _agree(*logits, "with the tiles in another order")


def _orders(bag: SyntheticBag, seed: int) -> list[np.ndarray]:
    """A new order of the tiles of every scale."""
    rng = np.random.default_rng(seed)
    return [rng.permutation(len(values)) for values in bag.tiles]


def packed_equals_single(tested: TestedMethod) -> None:
    """A bag's logits and attention are the same on its own and among others."""
    attempt, bags = tested.first, tested.test_bags
    together = tested.predict(attempt, bags)
    alone = [tested.predict(attempt, bags.with_bags([bag])) for bag in bags.bags]
    joined = Prediction(
        tuple(one.slides[0] for one in alone),
        np.concatenate([one.probabilities for one in alone]),
        None if alone[0].attention is None else tuple((one.attention or ())[0] for one in alone),
    )
    if difference := same_prediction(together, joined, tolerance=TOLERANCE):
        raise BrokenPromise(f"asked for alone instead of with others, {difference}")
    network = bag_network(attempt.method)
    if network is None:
        return
    with torch.no_grad(), global_randomness(1):
        network.eval()
        batch: BagOutput = network(packed_bags(bags))
        singles: list[BagOutput] = [network(packed_bags(bags.with_bags([bag]))) for bag in bags.bags]
    _agree(batch.logits, torch.cat([one.logits for one in singles]), "packed with others")
    if batch.attention is not None:
        parts = [one.attention for one in singles if one.attention is not None]
        if len(parts) != len(singles):
            raise BrokenPromise("attention is given for packed bags only")
        _agree(batch.attention, torch.cat(parts), "packed with others", what="attention")


def _logits(output: BagOutput) -> Tensor:
    return output.logits


def _agree(one: Tensor, other: Tensor, when: str, *, what: str = "logits") -> None:
    if one.shape != other.shape:
        raise BrokenPromise(f"{when}, {what} have another shape")
    if not torch.allclose(one, other, rtol=TOLERANCE, atol=TOLERANCE):
        raise BrokenPromise(f"{when}, {what} differ by up to {float((one - other).abs().max()):.2g}")


_AFTER = ("cpu_run", "evaluation_mode")
CHECKS = (
    Check("evaluation_mode", "Dropout and batch norm are off in predict().", evaluation_mode, ("cpu_run",)),
    Check("evaluation_changes_nothing", "Predicting leaves the model unchanged.", evaluation_changes_nothing, _AFTER),
    Check("permutation", "The order of tiles moves attention only.", permutation, _AFTER),
    Check("packed_equals_single", "A bag alone and among others gives the same.", packed_equals_single, _AFTER),
)
