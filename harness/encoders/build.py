"""Encoders by name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, cast

import torch
from torch import nn

from harness.core.errors import MethodError
from harness.encoders.base import TileEncoder, Triple
from harness.encoders.check import check_registered
from harness.encoders.encoder import Encoder
from harness.encoders.hub import create
from harness.encoders.initial import seeded_weights
from harness.encoders.names import EncoderName, parse_name
from harness.encoders.registry import encoders, registered
from harness.encoders.resnet import truncate
from harness.encoders.weights import load_file

_LOADING = ContextVar("loading", default=True)


@contextmanager
def without_weights() -> Iterator[None]:
    """Published weights and those of files are not read in this block: others will be put in their place."""
    token = _LOADING.set(False)
    try:
        yield
    finally:
        _LOADING.reset(token)


def build_encoder(name: str, *, tile_px: int, seed: int) -> TileEncoder:
    """Build a tile encoder, on the CPU, in training mode, all weights trainable.

    Args:
        name: see :mod:`harness.encoders.names`.
        tile_px: side in pixels of the tiles that it will be given.
        seed: drawn weights are a function of the network's name and this number; torch's global generator is left
            as it was.

    Raises:
        UsageError: unknown name, or tiles that the encoder cannot take.
        DataError: weights that cannot be fetched, read, or do not belong to the network.
    """
    parsed = parse_name(name)
    if not _LOADING.get():
        parsed = replace(parsed, origin="random", path=None)
    with seeded_weights(parsed.model, seed):
        own = registered(parsed)
        encoder = _timm(parsed) if own is None else _registered(parsed, own, tile_px)
    return encoder.to(memory_format=torch.channels_last)


def fetch_weights(name: str) -> None:
    """See that the published weights of an encoder of the table are on this machine; others are left to be built.

    Raises:
        DataError: they can neither be fetched nor found.
    """
    parsed = parse_name(name)
    if parsed.origin == "own" and (own := registered(parsed)) is not None:
        own.published()


def _registered(name: EncoderName, own: Encoder, tile_px: int) -> TileEncoder:
    """A network that is registered under its name, with weights from a file where one is named."""
    check_registered(name, own, tile_px)
    file = name.file if name.origin == "file" else own.published() if name.origin == "own" else None
    built: object = own.build(tile_px) if file is None else own.load(file, tile_px)
    if not isinstance(built, TileEncoder):
        raise MethodError(
            f"build() of the tile encoder gives {type(built).__name__}",
            place=encoders().origin(name.model),
            fix="return a harness.TileEncoder",
        )
    built.name = name.text
    return built


def _timm(name: EncoderName) -> TileEncoder:
    """A timm network, cut where the name asks for it."""
    from timm.data.config import resolve_data_config

    whole: Any = create(name)
    config = resolve_data_config({}, model=whole)  # type: ignore[no-untyped-call]
    body: nn.Module = whole
    dim = int(getattr(whole, "head_hidden_size", None) or whole.num_features)
    dropped = _head_prefixes(whole)
    if name.stage:
        body, dim = truncate(whole, name)
        dropped += [f"layer{number}." for number in range(name.stage + 1, 5)]
    if name.file is not None:
        load_file(body, name.file, name=name.model, dropped=dropped)
    return TileEncoder(
        body,
        name=name.text,
        dim=dim,
        mean=cast("Triple", tuple(config["mean"])),
        std=cast("Triple", tuple(config["std"])),
        input_px=_fixed_side(whole, config),
        interpolation=str(config["interpolation"]),
    )


def _head_prefixes(whole: Any) -> list[str]:
    """Prefixes of the classifier's weights, which features do not need."""
    heads = whole.pretrained_cfg.get("classifier") or ()
    return [f"{head}." for head in ([heads] if isinstance(heads, str) else heads)]


def _fixed_side(whole: Any, config: dict[str, Any]) -> int | None:
    """The only input side that the network takes (position embeddings), or None."""
    embedding_size = getattr(getattr(whole, "patch_embed", None), "img_size", None)
    if whole.pretrained_cfg.get("fixed_input_size") or embedding_size is not None:
        return int(config["input_size"][-1])
    return None
