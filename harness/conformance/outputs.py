"""Checks of outputs: shapes, probabilities and attention."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from harness.api.output import BagOutput
from harness.api.prediction import Prediction
from harness.bags.loader import coords_of, known_mpp
from harness.bags.packed import PackedBags, pack
from harness.conformance.error_text import error_text
from harness.conformance.outcome import BrokenPromise, Check, NotApplicable
from harness.conformance.synthetic_bags import SyntheticBags
from harness.conformance.tested_method import TEST, TRAIN, TestedMethod
from harness.tasks.classification import Classification
from harness.tasks.registry import tasks
from harness.training.mil import MILMethod
from harness.training.mil_fit import BagNetwork, build_network


def shapes(tested: TestedMethod) -> None:
    """Logits and probabilities have a row per bag and a column per class, with two classes and with three."""
    _untrained_shapes(tested)
    attempt = tested.first
    if attempt.error is not None:
        raise NotApplicable("training or prediction fails, see cpu_run and finite_loss")
    assert attempt.prediction is not None
    _check_shapes(attempt.prediction, tested.test_bags, 2)
    if tested.method.card.classes == 2:
        return
    three = tested.attempt(classes=3)
    if three.error is not None:
        raise BrokenPromise(f"with three classes: {error_text(three.error)}") from three.error
    assert three.prediction is not None
    _check_shapes(three.prediction, tested.bags(4, TEST, classes=3, held_out=True), 3)


def _untrained_shapes(tested: TestedMethod) -> None:
    """Of the network of a bag method, before anything is trained."""
    method = tested.method(tested.params, tested.task(tested.kind))
    if not isinstance(method, MILMethod):
        return
    bags = tested.bags(3, TRAIN)
    try:
        network = build_network(method, bags, tested.run_in(tested.new_folder())).eval()
        packed = packed_bags(bags)
        with torch.no_grad():
            output = network(packed)
    except Exception:  # not a question of shapes: training will fail on it, and say so
        return
    if not isinstance(output, BagOutput):
        raise BrokenPromise(f"forward() returns {type(output).__name__}, not BagOutput")
    if output.logits.shape != (3, 2):
        raise BrokenPromise(f"logits of 3 bags and 2 classes have shape {tuple(output.logits.shape)}")
    tiles = len(packed.x)
    if output.attention is not None and (output.attention.dim() > 2 or len(output.attention) != tiles):
        raise BrokenPromise(f"attention of {tiles} tiles has shape {tuple(output.attention.shape)}")


def packed_bags(bags: SyntheticBags) -> PackedBags:
    """All tiles of the finest scale of all bags, packed."""
    numbers = range(len(bags))
    places = [coords_of(bags, number) for number in numbers]
    return pack([bags.read(number) for number in numbers], ids=bags.ids, coords=places, mpp=known_mpp(bags))


def bag_network(method: object) -> BagNetwork | None:
    """The network of a bag method; None for other methods."""
    network = getattr(method, "network", None)
    return network if isinstance(network, BagNetwork) else None


def _check_shapes(prediction: Prediction, bags: SyntheticBags, classes: int) -> None:
    if not isinstance(prediction, Prediction):
        raise BrokenPromise(f"predict() returns {type(prediction).__name__}, not Prediction")
    if prediction.slides != bags.ids:
        raise BrokenPromise("predictions are not for the slides that were asked, in their order")
    if prediction.probabilities.shape != (len(bags), classes):
        raise BrokenPromise(
            f"probabilities of {len(bags)} bags and {classes} classes have {prediction.probabilities.shape}"
        )
    if prediction.attention is None:
        return
    if len(prediction.attention) != len(bags):
        raise BrokenPromise(f"attention is given for {len(prediction.attention)} of {len(bags)} bags")
    for number, weights in enumerate(prediction.attention):
        if weights.shape != (bags.count(number),):
            raise BrokenPromise(f"attention of {bags.count(number)} tiles has shape {weights.shape}")


def probabilities(tested: TestedMethod) -> None:
    """Class probabilities are finite, between 0 and 1, and sum to one."""
    assert tested.first.prediction is not None
    _check_probabilities(tested.first.prediction.probabilities)


def _check_probabilities(values: NDArray[np.float64]) -> None:
    if not np.isfinite(values).all():
        raise BrokenPromise("probabilities are not finite")
    if values.min() < 0 or values.max() > 1:
        raise BrokenPromise(f"probabilities reach from {values.min():.3g} to {values.max():.3g}")
    if (gap := float(np.abs(values.sum(1) - 1).max())) > 1e-5:
        raise BrokenPromise(f"probabilities miss a sum of one by up to {gap:.2g}")


def attention(tested: TestedMethod) -> None:
    """Attention is given if and only if the card says so; it is finite, not negative, and sums to one over a bag.

    A method of several magnifications may have part of it on tiles of the coarser ones, which predictions leave out.
    """
    assert tested.first.prediction is not None
    given, declared = tested.first.prediction.attention, tested.method.card.attention
    if (given is not None) != declared:
        raise BrokenPromise(
            f"the card says attention={declared}, predictions have {'some' if given is not None else 'none'}"
        )
    if given is None:
        raise NotApplicable("the card declares no attention")
    for slide, weights in zip(tested.first.prediction.slides, given, strict=True):
        if not np.isfinite(weights).all():
            raise BrokenPromise(f"attention of {slide} is not finite")
        if weights.min() < 0:
            raise BrokenPromise(f"attention of {slide} falls to {weights.min():.3g}")
        total, others = float(weights.sum(dtype=np.float64)), tested.method.card.scales > 1
        if total > 1.001 or (total < 0.999 and not others):
            raise BrokenPromise(f"attention of {slide} sums to {total:.4g}")


def further_inputs(tested: TestedMethod) -> None:
    """What else the card says the method reads can be trained on and predicted from too."""
    others = tested.method.card.inputs[1:]
    if not others:
        raise NotApplicable(f"the card names {tested.kind} only")
    for kind in others:
        attempt = tested.attempt(kind=kind)
        if attempt.error is not None:
            raise BrokenPromise(f"on {kind}: {error_text(attempt.error)}") from attempt.error
        assert attempt.prediction is not None
        _check_shapes(attempt.prediction, tested.bags(4, TEST, kind=kind, held_out=True), 2)


def other_tasks(tested: TestedMethod) -> None:
    """Every other task that the card names can be learnt: a column for each of its own, which sum to one."""
    card = tested.method.card
    others = [
        task
        for task in tasks()
        if not issubclass(task, Classification) and card.learns(task.name) and task.example(np.arange(2), "ab")
    ]
    if not others:
        raise NotApplicable("the card names classification only")
    for task in others:
        attempt = tested.attempt(other=task)
        if attempt.error is not None:
            raise BrokenPromise(f"on {task.name}: {error_text(attempt.error)}") from attempt.error
        assert attempt.prediction is not None
        columns = attempt.method.task.n_columns
        _check_shapes(attempt.prediction, tested.test_bags, columns)
        if columns > 1:
            _check_probabilities(attempt.prediction.probabilities)
        elif not np.isfinite(attempt.prediction.probabilities).all():
            raise BrokenPromise(f"on {task.name}: predictions are not finite")


FIRST = (Check("shapes", "A row per bag, a column per class, a weight per tile.", shapes, ("params",)),)
REST = (
    Check("probabilities", "Class probabilities sum to one.", probabilities, ("cpu_run",)),
    Check("attention", "Attention is given as declared and sums to one over each bag.", attention, ("cpu_run",)),
    Check("further_inputs", "Every input that the card names can be trained on.", further_inputs, ("cpu_run",)),
    Check("other_tasks", "Every other task that the card names can be learnt.", other_tasks, ("cpu_run",)),
)
