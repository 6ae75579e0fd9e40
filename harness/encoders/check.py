"""Whether an encoder can exist, before anything is built or prepared for it. Weights are not fetched."""

from __future__ import annotations

from harness.core.errors import DataError, UsageError
from harness.core.suggest import unknown
from harness.encoders.encoder import Encoder
from harness.encoders.names import EncoderName, parse_name
from harness.encoders.registry import encoders, registered, weights_files
from harness.encoders.spelling import variants

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
    if (own := registered(name)) is not None:
        check_registered(name, own, tile_px)
    elif not name.model.startswith("hf-hub:"):
        check_timm(name)
    for path in weights_files(name):
        if not path.is_file():
            fix = "give the path of a file" if name.path is not None else "put the file there"
            raise DataError("there is no such weights file", place=f"{name.place}: {path}", fix=fix)


def check_registered(name: EncoderName, own: Encoder, tile_px: int) -> None:
    """Refuse a registered encoder where it is cut, lacks its files, or its tiles are of a wrong size."""
    if name.stage:
        raise UsageError(f"{name.model} cannot be cut", place=name.place, fix=f"write {name.model}")
    own.check(tile_px)


def _check_spelling(name: EncoderName) -> None:
    """Say what an encoder of the table is called here, where somebody writes it as a tool does.

    Raises:
        UsageError: every name that it may stand for is given.
    """
    rows = variants(name.model)
    if rows:
        several = len(rows) > 1
        raise UsageError(
            f"{name.model} stands for several encoders" if several else f"{name.model} is called {rows[0].name} here",
            place=name.place,
            fix="write " + " or ".join(f"{row.name} ({row.note or row.title}, {row.width} columns)" for row in rows),
        )


def check_timm(name: EncoderName) -> None:
    """Refuse a timm network, or published weights, that do not exist, and a cut of a network that is no ResNet."""
    import timm

    with_weights = timm.list_models(pretrained=True)
    architecture, _, tag = name.model.partition(".")
    if not timm.is_model(architecture):
        _check_spelling(name)
        known = {*with_weights, *timm.list_models(), *encoders().names}
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
