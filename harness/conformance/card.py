"""Checks of what a method declares: card, hyper-parameters and presets."""

from __future__ import annotations

import math

from harness.api.check import check_method
from harness.api.params import Field
from harness.conformance.outcome import BrokenPromise, Check
from harness.conformance.tested_method import TestedMethod
from harness.core.errors import BenchError, UsageError
from harness.core.hashing import sha256_json

_NEEDS = {"reports", "masks"}


def card(tested: TestedMethod) -> None:
    """The card is complete, and the class is what the contract asks for."""
    declared = tested.method.card
    try:
        check_method(tested.method, declared.name, tested.method.__module__)
    except BenchError as error:
        if not error.place.endswith(".Params") and ", preset " not in error.place:  # the checks below have these
            raise BrokenPromise(error.problem) from error
    for attribute in ("title", "paper"):
        if not getattr(declared, attribute).strip():
            raise BrokenPromise(f"the card's {attribute} is empty")
    if not set(declared.needs) <= _NEEDS:
        raise BrokenPromise(f"the card needs {declared.needs!r}; known are {', '.join(sorted(_NEEDS))}")
    if declared.scales < 1:
        raise BrokenPromise(f"the card wants {declared.scales} scales")


def params(tested: TestedMethod) -> None:
    """Defaults and ranges hold; values may come as text; what is unknown or of the wrong type is refused."""
    kind = tested.method.Params
    for name, (_, known, default) in kind.describe().items():
        _check_range(name, known, default)
        text = "none" if default is None else list(default) if isinstance(default, tuple) else str(default)
        if (read := getattr(kind.build({name: text}, place=name), name)) != default:
            raise BrokenPromise(f"{name}: {text!r} is read as {read!r}")
    sha256_json(kind().as_dict())
    _refused(tested, {"no_such_hyper_parameter": 1}, "a hyper-parameter that does not exist")
    for name, (_, known, default) in kind.describe().items():
        if isinstance(default, int | float) or known.choices is not None:
            _refused(tested, {name: "no such value"}, f"{name}='no such value'")


def _check_range(name: str, known: Field, default: object) -> None:
    if known.choices is not None and default not in known.choices:
        raise BrokenPromise(f"{name}: the default {default!r} is not among the choices")
    if known.low is None or known.high is None:
        return
    if not known.low < known.high:
        raise BrokenPromise(f"{name}: the range goes from {known.low} to {known.high}")
    if known.log and known.low <= 0:
        raise BrokenPromise(f"{name}: a logarithmic range cannot start at {known.low}")
    inside = isinstance(default, int | float) and math.isfinite(default) and known.low <= default <= known.high
    if default is not None and not inside:
        raise BrokenPromise(f"{name}: the default {default!r} is outside {known.low} to {known.high}")


def _refused(tested: TestedMethod, values: dict[str, object], what: str) -> None:
    try:
        tested.method.Params.build(values, place="the contract suite")
    except UsageError:
        return
    raise BrokenPromise(f"{what} is accepted")


def presets(tested: TestedMethod) -> None:
    """Every preset builds its hyper-parameters and its method, or is refused with a UsageError that says why."""
    for name, preset in tested.method.card.presets.items():
        try:
            values = tested.method.Params.build(preset.params, place=f"preset {name}")
        except BenchError as error:
            raise BrokenPromise(f"preset {name}: {error.problem}") from error
        kind = preset.input.get("kind", tested.kind)
        if kind not in tested.method.card.inputs:
            raise BrokenPromise(f"preset {name}: the card does not read {kind}")
        try:
            tested.method(values, tested.task(kind))
        except UsageError:
            continue  # for other tasks than this one, such as survival


CHECKS = (
    Check("card", "The card is complete and the class is what the contract asks for.", card),
    Check("params", "Defaults and search ranges hold, and wrong hyper-parameters are refused.", params),
    Check("presets", "Every preset builds, and asks for an input that the method reads.", presets, ("card",)),
)
