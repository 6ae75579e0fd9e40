"""What a class must fulfil to be used as a method."""

from __future__ import annotations

import inspect
import re

from harness.api.card import MethodCard
from harness.api.effect import FACTS
from harness.api.method import Method
from harness.api.params import Params
from harness.core.errors import BenchError, MethodError

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*(:[a-z0-9][a-z0-9_-]*)?")
_INPUT_KINDS = {"features", "tiles"}
_INPUT_SETTINGS = {"kind", "encoder", "mpp", "tile_px", "align", "resampler"}


def check_method(found: object, name: str, origin: str) -> type[Method]:
    """Return ``found`` if it is a method that keeps the contract.

    Args:
        found: what an entry point or a plugin gave.
        name: the name that it is registered under.
        origin: where it comes from, for the error.

    Raises:
        MethodError: it is no class, abstract, or its card, Params or presets are not what the contract asks for.
    """
    if not (isinstance(found, type) and issubclass(found, Method)):
        raise MethodError(
            f"{found!r} is not a method",
            place=origin,
            fix="point the entry point at a class that derives from harness.MILMethod or harness.Method",
        )
    place = f"{origin}, class {found.__name__}"
    for check in (_check_abstract, _check_card, _check_params, _check_conditions, _check_presets):
        check(found, place)
    if found.card.name != name:
        raise MethodError(
            f"the card says {found.card.name!r} but the method is registered as {name!r}",
            place=place,
            fix="give the card and the entry point the same name",
        )
    return found


def _check_abstract(cls: type[Method], place: str) -> None:
    if inspect.isabstract(cls):
        missing = ", ".join(sorted(cls.__abstractmethods__))
        raise MethodError(f"the method lacks {missing}", place=place, fix=f"define {missing}")


def _check_card(cls: type[Method], place: str) -> None:
    card = getattr(cls, "card", None)
    if not isinstance(card, MethodCard):
        raise MethodError("the method has no card", place=place, fix="set `card = harness.MethodCard(name=..., ...)`")
    if not _NAME.fullmatch(card.name):
        raise MethodError(
            f"{card.name!r} is not a good method name", place=place, fix="use lower-case letters, digits, _ and -"
        )
    if not card.inputs or not set(card.inputs) <= _INPUT_KINDS:
        raise MethodError(
            f"the card's inputs are {card.inputs!r}", place=place, fix='list "features", "tiles" or both, in a tuple'
        )
    _check_published(card, place)


def _check_published(card: MethodCard, place: str) -> None:
    for one in card.published:
        if not one.source.strip() or one.kind not in card.inputs:
            raise MethodError(
                "a published input has no source, or a kind that the method does not read",
                place=place,
                fix="say in `source` where the values are stated; kinds are those of the card's inputs",
            )


def _check_params(cls: type[Method], place: str) -> None:
    params = getattr(cls, "Params", None)
    if not (isinstance(params, type) and issubclass(params, Params)):
        raise MethodError(
            "the method has no Params", place=place, fix="define `class Params(harness.MILParams)` or (harness.Params)"
        )
    try:
        params().check(place)
        known = params.describe()
        params.build({name: default for name, (_, _, default) in known.items()}, place="its default")
    except (BenchError, TypeError, NameError) as error:
        raise MethodError(
            f"the defaults of its hyper-parameters do not hold: {error}",
            place=f"{place}.Params",
            fix="give every field a default of its annotated type",
        ) from error


def _check_conditions(cls: type[Method], place: str) -> None:
    """``only_with`` names hyper-parameters and facts that exist."""
    known = {*cls.Params.describe(), *FACTS}
    named = {name for name, wanted in cls.Params.only_with.items() for name in (name, *wanted)}
    if strange := sorted(named - known):
        raise MethodError(
            f"only_with names {strange[0]!r}, which is no hyper-parameter",
            place=f"{place}.Params",
            fix=f"name hyper-parameters of the class, or {', '.join(FACTS)}",
        )


def _check_presets(cls: type[Method], place: str) -> None:
    smoke = {} if cls.card.smoke is None else {"smoke": cls.card.smoke}
    for name, preset in {**cls.card.presets, **smoke}.items():
        where = f"{place}, preset {name!r}"
        try:
            cls.Params.build(preset.params, place=where)
        except BenchError as error:
            raise MethodError(error.problem, place=error.place, fix=error.fix) from error
        named = (preset.repository, preset.commit, preset.file)
        if any(named) and not (all(named) and re.fullmatch("[0-9a-f]{40}", preset.commit)):
            raise MethodError(
                "the preset's source is incomplete",
                place=where,
                fix="give repository, commit (40 hexadecimal digits) and file, or none of them",
            )
        if unknown_settings := sorted(set(preset.input) - _INPUT_SETTINGS):
            raise MethodError(
                f"unknown input setting {unknown_settings[0]!r}",
                place=where,
                fix=f"known: {', '.join(sorted(_INPUT_SETTINGS))}",
            )
