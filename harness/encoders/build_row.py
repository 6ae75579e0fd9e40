"""The encoder of a row of the table, drawn or from a weights file."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from harness.core.errors import DataError
from harness.core.reading import read_json
from harness.encoders.base import TileEncoder
from harness.encoders.conv_stem import ConvStem
from harness.encoders.heads import HEADS
from harness.encoders.pooled import Pooled
from harness.encoders.published import CONFIG, CONFIG_LIMIT
from harness.encoders.renames import RENAMES
from harness.encoders.weights import load_file

if TYPE_CHECKING:
    from harness.encoders.table.row import Network, Row


def drawn(row: Row, network: Network, **changed: Any) -> TileEncoder:
    """The encoder with drawn weights.

    Args:
        row: which one.
        network: its builder.
        changed: arguments of the network that are different from the published ones, such as ``depth``.
    """
    return _encoder(row, create_network(network, changed))


def loaded(row: Row, network: Network, file: Path, **changed: Any) -> TileEncoder:
    """The encoder with the weights in ``file``.

    Raises:
        DataError: not a weights file, or the weights of another network.
    """
    if network.configured:
        changed = {**_configuration(file), **changed}
    body = create_network(network, changed)
    load_file(body, file, name=row.name, dropped=_HEADS, rename=RENAMES[network.names])
    return _encoder(row, body)


_HEADS = ("head.", "fc.", "classifier.", "pooler.", "text.", "logit_scale")
"""What files hold beside the image network: classifiers, and the half that reads text."""


def create_network(network: Network, changed: Mapping[str, Any]) -> Any:
    """The network with drawn weights."""
    import timm

    arguments: dict[str, Any] = {"num_classes": 0, **network.arguments, **changed}
    architecture = str(arguments.pop("architecture", network.architecture))
    layers = _layers()
    arguments = {name: layers[value] if name.endswith("_layer") else value for name, value in arguments.items()}
    return HEADS[network.head](timm.create_model(architecture, pretrained=False, **arguments))


def _layers() -> dict[str, Any]:
    """What the table names by word."""
    from timm.layers.mlp import SwiGLUPacked

    return {
        "conv_stem": ConvStem,
        "layer_norm_1e-6": functools.partial(nn.LayerNorm, eps=1e-6),
        "layer_norm_1e-12": functools.partial(nn.LayerNorm, eps=1e-12),
        "silu": nn.SiLU,
        "swiglu_packed": SwiGLUPacked,
    }


def _encoder(row: Row, network: Any) -> TileEncoder:
    transform = row.transform
    tokens = row.pooling in ("cls", "cls+mean")
    body: nn.Module = Pooled(network, mean=row.pooling == "cls+mean") if tokens else network
    mean, std = transform.norm
    return TileEncoder(
        body,
        name=row.name,
        dim=row.width,
        mean=mean,
        std=std,
        input_px=transform.side,
        resize_px=transform.resize or None,
        interpolation=transform.interpolation,
    )


_TAKEN = (
    *("img_size", "patch_size", "embed_dim", "depth", "num_heads", "mlp_ratio", "qkv_bias", "init_values"),
    *("class_token", "no_embed_class", "reg_tokens", "pre_norm", "dynamic_img_size"),
)
"""Arguments that a configuration may set: numbers and switches, nothing that names code."""


def _configuration(file: Path) -> dict[str, Any]:
    """What the ``config.json`` beside a file says of the network, as timm writes it; nothing where there is none."""
    path = file.parent / CONFIG
    if not path.is_file():
        return {}
    try:
        content = read_json(path, limit=CONFIG_LIMIT)
        arguments = {key: value for key, value in content.get("model_args", {}).items() if key in _TAKEN}
        found = {"architecture": content["architecture"]} if "architecture" in content else {}
    except (OSError, ValueError, AttributeError) as error:
        raise DataError("the configuration cannot be read", place=str(path), fix="fetch it again") from error
    return {**found, **arguments}
