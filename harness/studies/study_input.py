"""The input of a study: each setting from whoever names it first, checked against method and dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from harness.core.errors import UsageError, shown
from harness.core.suggest import unknown
from harness.datasets.card import InputSettings
from harness.datasets.reading_tiles import PLAIN_READING
from harness.encoders.check import check_encoder
from harness.encoders.names import plain
from harness.slides.grid import too_coarse
from harness.training.mil_params import MILParams

if TYPE_CHECKING:
    from harness.api.card import Preset
    from harness.api.method import Method
    from harness.api.params import Params
    from harness.datasets.dataset import Dataset
    from harness.studies.feature_set import FeatureSet

DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "features": {"encoder": "resnet50.tv_in1k@layer3", "mpp": (0.5,), "tile_px": 256},
    "tiles": {"encoder": "resnet18.tv_in1k@layer3", "mpp": (1.0,), "tile_px": 224},
}
"""Input of slides where neither user, preset, dataset nor method names one, by kind."""

FEATURE_SET = "feature set"


@dataclass(frozen=True)
class Layer:
    """Values that come from one place.

    Attributes:
        origin: the place, in words.
        values: name → value.
        asked: whether the user has set them one by one, on the command line or in a file.
    """

    origin: str
    values: Mapping[str, Any]
    asked: bool = False


def layers_of(
    input_set: Mapping[str, Any], asked: Mapping[str, str], preset: Preset, preset_origin: str
) -> tuple[Layer, ...]:
    """What the user sets of the input, by where it was set, and then what the preset sets."""
    places = dict.fromkeys(asked[f"input.{name}"] for name in input_set)
    layers = [
        Layer(place, {k: v for k, v in input_set.items() if asked[f"input.{k}"] == place}, asked=True)
        for place in places
    ]
    return (*layers, Layer(preset_origin, preset.input))


def split_settings(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Hyper-parameters, and input settings without their ``input.``."""
    inputs = {key.removeprefix("input."): value for key, value in values.items() if key.startswith("input.")}
    return {key: value for key, value in values.items() if not key.startswith("input.")}, inputs


def resolve_input(
    method: type[Method],
    params: Params,
    dataset: Dataset,
    layers: Sequence[Layer],
    features: FeatureSet | None,
) -> tuple[InputSettings, dict[str, str]]:
    """The input settings of a study, and where each comes from.

    Args:
        method, params: who reads.
        dataset: what is read.
        layers: input settings of command line, configuration file and preset, the first one wins.
        features: a feature set that is read; its own settings hold.

    Raises:
        UsageError: a name or value that does not exist, has no effect, or does not fit method or dataset; resolutions
            that are too few for the method.
    """
    for layer in layers:
        _check_names(layer)
    if features is not None:
        over = {name: layer.values[name] for layer in reversed(layers) for name in layer.values}
        layers = [Layer(FEATURE_SET, features.over(over)), *layers]
    kind, kind_origin = _kind(method, dataset, layers)
    card = next(one for one in reversed(dataset.card.inputs) if one.kind == kind)
    if features is None:
        for layer in layers:
            _refuse_unread(layer, method, dataset, card)
    layers = [*layers, *_offered(method, dataset, card)]
    found, origins = {"kind": kind}, {"kind": kind_origin}
    for name in ("encoder", "mpp", "tile_px", *PLAIN_READING):
        chosen = next((layer for layer in layers if name in layer.values), None)
        found[name] = getattr(card, name) if chosen is None else chosen.values[name]
        if chosen is not None or name not in PLAIN_READING:
            origins[name] = "dataset card" if chosen is None else chosen.origin
    if isinstance(found["encoder"], str):
        found["encoder"] = plain(found["encoder"])
    settings = _validated(found, origins, dataset)
    if "mpp" in dataset.card.source.reads and features is None:
        settings = _with_scales(
            settings, method, params, dataset, next(layer for layer in layers if "mpp" in layer.values)
        )
    elif not dataset.card.source.reads:
        return settings, origins
    elif features is None:
        _check_one_scale(settings, method, params, dataset)
    if features is None and settings.encoder not in _declared(method):
        px = settings.tile_px
        if settings.kind == "tiles" and isinstance(params, MILParams):
            px = params.encoder_px(px)
        check_encoder(settings.encoder, tile_px=px)
    return settings, origins


def _kind(method: type[Method], dataset: Dataset, layers: Sequence[Layer]) -> tuple[str, str]:
    offered = [settings.kind for settings in dataset.card.inputs]
    chosen = next((layer for layer in layers if "kind" in layer.values), None)
    if chosen is None:
        kind, origin = next((kind for kind in method.card.inputs if kind in offered), None), "method card"
    else:
        kind, origin = chosen.values["kind"], chosen.origin
    if kind not in method.card.inputs or kind not in offered:
        raise UsageError(
            f"method {method.card.name} reads {' or '.join(method.card.inputs)}, dataset {dataset.card.name} "
            f"offers {' or '.join(offered)}" + (f", asked for: {kind}" if kind else ""),
            place="input.kind",
            fix="choose another method, dataset or --input",
        )
    return str(kind), origin


def _offered(method: type[Method], dataset: Dataset, card: InputSettings) -> list[Layer]:
    """What the card names; then, for slides, the method's published input and what is left."""
    named = {name: getattr(card, name) for name in card.model_fields_set} | dict(dataset.card.source.fixed)
    source = dataset.card.source
    if not source.reads:
        return [Layer("dataset card", named)]
    published = next((one.as_settings() for one in method.card.published if one.kind == card.kind), {})
    return [
        Layer("dataset card", named),
        Layer(f"published input of {method.card.name}", published),
        Layer("default", DEFAULTS[card.kind]),
    ]


def _check_names(layer: Layer) -> None:
    for name in layer.values:
        if name not in InputSettings.model_fields:
            raise unknown("input setting", name, InputSettings.model_fields, place="--set input...", listing="the docs")


def _refuse_unread(layer: Layer, method: type[Method], dataset: Dataset, card: InputSettings) -> None:
    """Refuse settings that have no effect on this kind of data, and would differ from what is read."""
    source = dataset.card.source
    there = {"encoder": card.encoder, "mpp": card.mpp, "tile_px": card.tile_px, **PLAIN_READING} | dict(source.fixed)
    unread = [name for name in layer.values if name != "kind" and name not in source.reads]
    wrong = [name for name in unread if _plain(layer.values[name]) != _plain(there[name])]
    if wrong:
        many = len(wrong) > 1
        raise UsageError(
            f"{' and '.join(f'input.{name}' for name in wrong)} {'have' if many else 'has'} no effect on dataset "
            f"{dataset.name}: it comes as {source.comes_as}",
            place=layer.origin,
            fix=f"leave {'them' if many else 'it'} out"
            if layer.asked
            else f"choose another preset of {method.card.name}, or --preset none",
        )


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _validated(found: Mapping[str, Any], origins: Mapping[str, str], dataset: Dataset) -> InputSettings:
    mpp = found["mpp"]
    fields = {**found, "mpp": (mpp,) if isinstance(mpp, int | float) and not isinstance(mpp, bool) else mpp}
    fix = f"choose another value with --set input.NAME=VALUE; bench datasets show {dataset.name} has the dataset's own"
    try:
        settings = InputSettings.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        problem = f"{first['msg'][:1].lower()}{first['msg'][1:]}, not {shown(first['input'])}"
        raise UsageError(problem, place=f"input.{where} ({origins[str(first['loc'][0])]})", fix=fix) from None
    if origins["mpp"] != FEATURE_SET and (lacking := settings.lacking(dataset.card.source)):
        place = f"input.{lacking} ({origins[lacking]})"
        raise UsageError(f"tiles cannot be laid on slides without {lacking}", place=place, fix=fix)
    return settings


def _with_scales(
    settings: InputSettings, method: type[Method], params: Params, dataset: Dataset, chosen: Layer
) -> InputSettings:
    """``settings`` with as many resolutions as the method reads: those that nobody asked for are cut or continued."""
    count = method.scales_read(params) if settings.kind == "tiles" else 1
    mpp = settings.mpp
    if chosen.origin == "default":
        mpp = tuple(mpp[0] * 2**number for number in range(count))
    if len(mpp) > count and chosen.asked:
        raise UsageError(
            f"input.mpp names {len(mpp)} resolutions, and method {method.card.name} reads {count} with these settings",
            place=f"input.mpp ({chosen.origin})",
            fix=f"write --set input.mpp={_listed(mpp[:count])}"
            + (", or draw tiles of both with --set low_ratio=N" if _may_draw(settings, params) else ""),
        )
    if len(mpp) < count:
        raise _too_few(mpp, count, method, params, place=f"input.mpp ({chosen.origin})", dataset=dataset)
    finest = dataset.card.source.offers_mpp
    if finest is not None and too_coarse(mpp[0], finest):
        raise UsageError(
            f"tiles at {mpp[0]:g} microns per pixel are finer than the slides of {dataset.name}, which have {finest:g}",
            place=f"input.mpp ({chosen.origin})",
            fix=f"write --set input.mpp={_listed(tuple(finest * 2**number for number in range(count)))}",
        )
    return settings.model_copy(update={"mpp": mpp[:count]})


def _check_one_scale(settings: InputSettings, method: type[Method], params: Params, dataset: Dataset) -> None:
    """Refuse a method that reads several resolutions for patches, which have one."""
    count = method.scales_read(params) if settings.kind == "tiles" else 1
    if count > 1:
        raise _too_few((), count, method, params, place=f"--dataset {dataset.name}", dataset=dataset)


def _too_few(
    mpp: tuple[float, ...], count: int, method: type[Method], params: Params, *, place: str, dataset: Dataset
) -> UsageError:
    name = method.card.name
    if mpp:
        published = next((one.mpp for one in method.card.published if len(one.mpp) == count), None)
        wanted = published or tuple(mpp[0] * 2**number for number in range(count))
        has = f"this input has {len(mpp)}: {_listed(mpp)}"
        fix = f"write --set input.mpp={_listed(wanted)}" + (", as published" if published else "")
    else:
        has = f"dataset {dataset.name} has patches of a single one"
        fix = "choose a dataset of slides, such as camelyon16-mini"
    if isinstance(params, MILParams):
        fix += "; or --set low_ratio=0 for a single resolution"
    return UsageError(f"method {name} reads tiles of {count} resolutions, and {has}", place=place, fix=fix)


def _may_draw(settings: InputSettings, params: Params) -> bool:
    return settings.kind == "tiles" and isinstance(params, MILParams)


def _declared(method: type[Method]) -> set[str]:
    """Encoders that need no check: named by the method itself."""
    names = {one.encoder for one in method.card.published if one.encoder_available}
    presets = {str(preset.input.get("encoder", "")) for preset in method.card.presets.values()}
    return names | presets - {""} | {str(settings["encoder"]) for settings in DEFAULTS.values()}


def _listed(mpp: Sequence[float]) -> str:
    texts = [f"{one:g}" for one in mpp]
    return texts[0] if len(texts) == 1 else f"[{','.join(texts)}]"
