"""Checks of training: it runs on a CPU, its loss is finite, and it moves what it should and nothing else."""

from __future__ import annotations

import math

import torch

from harness.conformance.compare import same_prediction
from harness.conformance.error_text import error_text
from harness.conformance.observe import StageNote, global_randomness, modules_of, state_of
from harness.conformance.outcome import BrokenPromise, Check, NotApplicable
from harness.conformance.tested_method import TRAIN, Attempt, TestedMethod
from harness.models.files import write_model
from harness.models.kept_model import KeptModel


def finite_loss(tested: TestedMethod) -> None:
    """No step of any stage has a loss that is infinite or not a number."""
    attempt = tested.first
    for note in attempt.notes:
        for step, loss in enumerate(note.losses):
            if not math.isfinite(loss):
                raise BrokenPromise(f"the loss is {loss} at step {step} of stage {note.name}")
    if attempt.error is not None:
        raise NotApplicable("training fails for another reason, see cpu_run")
    _stages(attempt)


def cpu_run(tested: TestedMethod) -> None:
    """Training and prediction of bags without labels run from start to end, and all weights are on the CPU."""
    attempt = tested.first
    if attempt.error is not None:
        raise BrokenPromise(error_text(attempt.error)) from attempt.error
    for path, network in modules_of(attempt.method).items():
        for name, value in [*network.named_parameters(), *network.named_buffers()]:
            if value.device.type != "cpu":
                raise BrokenPromise(f"{path}.{name} is on {value.device}")


def parameters_move(tested: TestedMethod) -> None:
    """Every parameter that wants a gradient is in an optimiser, and has moved when its stage ends."""
    notes = _stages(tested.first)
    ever_held = {id(note.parameters[name]) for note in notes for name in note.held}
    for note in notes:
        if still := sorted(note.held - note.moved):
            raise BrokenPromise(f"{_some(still)} did not move in stage {note.name}: no gradient reaches it")
        if loose := sorted(name for name in note.free if id(note.parameters[name]) not in ever_held):
            raise BrokenPromise(f"{_some(loose)} wants a gradient but is in no optimiser of stage {note.name}")


def frozen_stay(tested: TestedMethod) -> None:
    """No parameter that wants no gradient changes in a stage."""
    notes = _stages(tested.first)
    for note in notes:
        if changed := sorted(note.frozen & note.moved):
            raise BrokenPromise(f"{_some(changed)} is frozen but changed in stage {note.name}")
    if not any(note.frozen for note in notes):
        raise NotApplicable("nothing is frozen")


def deterministic(tested: TestedMethod) -> None:
    """Training again with the same seed, but other global random states, gives the same weights and predictions."""
    one, other = tested.first, tested.attempt(world=2)
    if other.error is not None:
        raise BrokenPromise(f"the second training fails: {error_text(other.error)}") from other.error
    for first, second in zip(one.notes, other.notes, strict=True):
        if first.losses != second.losses:
            step = next(k for k, pair in enumerate(zip(first.losses, second.losses, strict=True)) if pair[0] != pair[1])
            raise BrokenPromise(f"losses of the same seed differ from step {step} of stage {first.name} on")
    again = state_of(other.method)
    for name, value in state_of(one.method).items():
        if name not in again or not torch.equal(value, again[name]):
            raise BrokenPromise(f"{name} differs between two trainings with the same seed")
    assert one.prediction is not None
    assert other.prediction is not None
    if difference := same_prediction(one.prediction, other.prediction, tolerance=0):
        raise BrokenPromise(f"two trainings with the same seed: {difference}")


def save_load(tested: TestedMethod) -> None:
    """A new instance that is given the stored weights predicts what the trained one did.

    The weights go through ``torch.save`` and are read with ``weights_only``, as when a run is continued.
    """
    trained = tested.first
    _stages(trained)
    loaded = tested.attempt(folder=trained.run.workdir, world=3)
    if loaded.error is not None:
        raise BrokenPromise(f"stored weights cannot be loaded: {error_text(loaded.error)}") from loaded.error
    if retrained := [note.name for note in loaded.notes if note.losses]:
        raise BrokenPromise(f"stage {retrained[0]} trains again instead of being read from its checkpoint")
    assert trained.prediction is not None
    assert loaded.prediction is not None
    if difference := same_prediction(trained.prediction, loaded.prediction, tolerance=1e-6):
        raise BrokenPromise(f"after loading, {difference}: something learnt is not in the state dict")


def kept_model(tested: TestedMethod) -> None:
    """What is kept of a trained method, as the files of a unit, predicts the same bit for bit in a new instance."""
    trained = tested.first
    assert trained.prediction is not None
    folder = tested.new_folder()
    try:
        if not write_model(folder, trained.method, tested.bags(2, TRAIN), trained.run, None):
            raise NotApplicable("the method keeps no model: trained_model() gives None")
        with global_randomness(1):
            loaded = KeptModel.load(folder, kind=tested.method)
            answer = loaded.method.predict(tested.test_bags, loaded.run)
    except Exception as error:
        if isinstance(error, NotApplicable):
            raise
        raise BrokenPromise(f"the model cannot be kept: {error_text(error)}") from error
    if difference := same_prediction(trained.prediction, answer, tolerance=0):
        raise BrokenPromise(f"the model that is kept is not the one that predicted: {difference}")


def _stages(attempt: Attempt) -> list[StageNote]:
    if not attempt.notes:
        raise NotApplicable("the method does not train by stages")
    return attempt.notes


def _some(names: list[str]) -> str:
    return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")


FIRST = (Check("finite_loss", "The loss of every step of every stage is finite.", finite_loss, ("params",)),)
REST = (
    Check("cpu_run", "Training and prediction run from start to end on a CPU.", cpu_run, ("finite_loss", "shapes")),
    Check("deterministic", "The same seed gives the same weights and predictions.", deterministic, ("cpu_run",)),
    Check("parameters_move", "Every trainable parameter moves.", parameters_move, ("cpu_run",)),
    Check("frozen_stay", "Every frozen parameter stays.", frozen_stay, ("cpu_run",)),
    Check("save_load", "Stored weights in a new instance give the same predictions.", save_load, ("cpu_run",)),
    Check("kept_model", "A model that is kept and loaded predicts the same.", kept_model, ("cpu_run", "save_load")),
)
