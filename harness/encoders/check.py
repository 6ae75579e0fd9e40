"""Whether an encoder can exist, before anything is built or prepared for it. Weights are not fetched."""

from __future__ import annotations

from harness.core.errors import DataError, UsageError
from harness.core.suggest import unknown
from harness.encoders.names import CONV27_PX, CONV64_LEAST_PX, SMALL, EncoderName, parse_name

_RESNETS = {f"timm.models.{name}" for name in ("resnet", "res2net", "resnest", "sknet")}
"""Modules whose networks are of timm's class ResNet."""


def check_encoder(text: str, *, tile_px: int) -> None:
    """Refuse an encoder name that nothing can be built from.

    Args:
        text: see :mod:`harness.encoders.names`.
        tile_px: side in pixels of the tiles that it will be given.

    Raises:
        UsageError: no such network, weights or cut (the nearest name is given), or tiles that it cannot take.
        DataError: the weights file is missing.
    """
    name = parse_name(text)
    if name.model in SMALL:
        check_small(name, tile_px)
    elif not name.model.startswith("hf-hub:"):
        check_timm(name)
    if name.path is not None and not name.path.is_file():
        raise DataError(
            "there is no such weights file", place=f"{name.place}: {name.path}", fix="give the path of a file"
        )


def check_small(name: EncoderName, tile_px: int) -> None:
    """Refuse one of our own networks where it is cut, or its tiles are of a wrong size."""
    if name.stage:
        raise UsageError(f"{name.model} cannot be cut", place=name.place, fix=f"write {name.model}")
    if name.model == "conv27" and tile_px != CONV27_PX:
        raise UsageError(
            f"conv27 takes tiles of 27 x 27 pixels, these have {tile_px} x {tile_px}",
            place=name.place,
            fix="use conv64, or a timm name such as resnet18.tv_in1k, for other sizes",
        )
    if name.model == "conv64" and tile_px < CONV64_LEAST_PX:
        raise UsageError(
            f"conv64 takes tiles from {CONV64_LEAST_PX} pixels on, these have {tile_px}",
            place=name.place,
            fix="use conv27 for 27 x 27 patches, or larger tiles (input.tile_px)",
        )


def check_timm(name: EncoderName) -> None:
    """Refuse a timm network, or published weights, that do not exist, and a cut of a network that is no ResNet."""
    import timm

    with_weights = timm.list_models(pretrained=True)
    architecture, _, tag = name.model.partition(".")
    if not timm.is_model(architecture):
        known = {*with_weights, *timm.list_models(), *SMALL}
        listing = "timm.list_models(pretrained=True) in Python"
        raise unknown("encoder", name.model, known, place=name.place, listing=listing)
    tags = [known for known in with_weights if known.startswith(architecture + ".")]
    if tag and name.model not in tags:
        listing = f"timm.list_models({architecture + '*'!r}, pretrained=True) in Python"
        raise unknown("encoder weights", name.model, tags, place=name.place, listing=listing)
    if not tags and name.origin == "pretrained":
        raise UsageError(
            f"timm has no published weights for {name.model}",
            place=name.place,
            fix=f"put a local file with file:{name.model}=PATH, or use random:{name.model}",
        )
    if name.stage and timm.model_entrypoint(architecture).__module__ not in _RESNETS:
        raise UsageError(
            f"{name.model} cannot be cut at layer{name.stage}: only ResNets can",
            place=name.place,
            fix=f"drop @layer{name.stage}, or take a ResNet such as resnet18.tv_in1k@layer{name.stage}",
        )
