"""Names in published weights files → names of timm's networks.

The same network is called differently by the programs that trained it. Each function here takes the entries of a file
and gives them under timm's names; entries that it does not know keep theirs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

Entries = Mapping[str, Tensor]
Rename = Callable[[Entries], dict[str, Tensor]]


def from_timm(entries: Entries) -> dict[str, Tensor]:
    """As they are."""
    return dict(entries)


def from_dinov2(entries: Entries) -> dict[str, Tensor]:
    """DINOv2's own code (facebookresearch/dinov2): registers, SwiGLU, and positions that include the class token's."""
    return _without_class_position({_dinov2(name): value for name, value in entries.items()})


def _dinov2(name: str) -> str:
    name = name.replace("register_tokens", "reg_token")
    return re.sub(r"mlp\.w12\.", "mlp.fc1.", re.sub(r"mlp\.w3\.", "mlp.fc2.", name))


def _without_class_position(entries: dict[str, Tensor]) -> dict[str, Tensor]:
    """With registers, timm adds the position of the class token to the token itself."""
    positions = entries.get("pos_embed")
    if "reg_token" not in entries or positions is None or math.isqrt(positions.shape[1]) ** 2 == positions.shape[1]:
        return entries
    return entries | {"cls_token": entries["cls_token"] + positions[:, :1], "pos_embed": positions[:, 1:]}


_DINOV3 = (
    (r"^storage_tokens$", "reg_token"),
    (r"\.mlp\.w1\.", ".mlp.fc1_g."),
    (r"\.mlp\.w2\.", ".mlp.fc1_x."),
    (r"\.mlp\.w3\.", ".mlp.fc2."),
    (r"\.ls([12])\.gamma$", r".gamma_\1"),
)


def from_genbio(entries: Entries) -> dict[str, Tensor]:
    """DINOv3's own names with SwiGLU; the periods of its rotary positions, which are computed, are left out."""
    if "storage_tokens" not in entries:
        return dict(entries)
    found = _renamed(entries, _DINOV3)
    return {f"trunk.{name}": value for name, value in found.items() if not name.startswith("rope_embed.")}


_TRANSFORMERS = (
    (r"^embeddings\.cls_token$", "cls_token"),
    (r"^embeddings\.mask_token$", "mask_token"),
    (r"^embeddings\.register_tokens$", "reg_token"),
    (r"^embeddings\.position_embeddings$", "pos_embed"),
    (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"^(encoder\.)?layers?\.", "blocks."),
    (r"\.attention\.(attention\.)?(query|key|value)\.", r".attn.\2."),
    (r"\.attention\.(q|k|v)_proj\.", r".attn.\1_proj."),
    (r"\.attention\.(output\.dense|o_proj)\.", ".attn.proj."),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
    (r"\.intermediate\.dense\.", ".mlp.fc1."),
    (r"(?<!attention)\.output\.dense\.", ".mlp.fc2."),
    (r"\.mlp\.weights_in\.", ".mlp.fc1."),
    (r"\.mlp\.(weights_out|down_proj)\.", ".mlp.fc2."),
    (r"\.layer_scale([12])\.lambda1$", r".ls\1.gamma"),
    (r"^layernorm\.", "norm."),
)
_JOINED = (
    (("attn.query", "attn.key", "attn.value"), "attn.qkv"),
    (("attn.q_proj", "attn.k_proj", "attn.v_proj"), "attn.qkv"),
    (("mlp.gate_proj", "mlp.up_proj"), "mlp.fc1"),
)


def from_transformers(entries: Entries) -> dict[str, Tensor]:
    """ViTModel, Dinov2Model and Dinov2WithRegistersModel of transformers, before and since its version 5."""
    return _without_class_position(_joined(_renamed(entries, _TRANSFORMERS), _JOINED))


_CLIP = (
    (r"^vision_model\.embeddings\.class_embedding$", "cls_token"),
    (r"^vision_model\.embeddings\.position_embedding\.weight$", "pos_embed"),
    (r"^vision_model\.embeddings\.patch_embedding\.", "patch_embed.proj."),
    (r"^vision_model\.pre_layrnorm\.", "norm_pre."),
    (r"^vision_model\.encoder\.layers\.", "blocks."),
    (r"^vision_model\.post_layernorm\.", "norm."),
    (r"^visual_projection\.", "head."),
    (r"\.self_attn\.out_proj\.", ".attn.proj."),
    (r"\.self_attn\.(q|k|v)_proj\.", r".attn.\1_proj."),
    (r"\.layer_norm([12])\.", r".norm\1."),
)


def from_clip(entries: Entries) -> dict[str, Tensor]:
    """The image half of CLIPModel of transformers, with its projection; the half that reads text is left out."""
    found = _joined(_renamed(entries, _CLIP), _JOINED)
    text = ("text_model.", "text_projection.", "logit_scale")
    found = {name: value for name, value in found.items() if not name.startswith(text) and "position_ids" not in name}
    if "head.weight" in found and "cls_token" in found:
        found["head.bias"] = found["head.weight"].new_zeros(len(found["head.weight"]))
        found["cls_token"] = found["cls_token"].reshape(1, 1, -1)
        found["pos_embed"] = found["pos_embed"].reshape(1, *found["pos_embed"].shape[-2:])
    return found


_CONCH_GRID = (28, 28)


def from_conch_v15(entries: Entries) -> dict[str, Tensor]:
    """CONCH v1.5 as it is; its positions are resampled to tiles of 448 pixels, as TRIDENT does."""
    from timm.layers.pos_embed import resample_abs_pos_embed

    found = dict(entries)
    if (positions := found.get("trunk.pos_embed")) is not None:
        found["trunk.pos_embed"] = resample_abs_pos_embed(
            positions, list(_CONCH_GRID), num_prefix_tokens=1, interpolation="bilinear", antialias=False
        )
    return found


def from_swin(entries: Entries) -> dict[str, Tensor]:
    """Swin of timm before 0.9, in which a stage ends with the merging of patches that now begins the next one."""
    if not any(name.startswith("layers.0.downsample.") for name in entries):
        return dict(entries)
    return {
        re.sub(r"^layers\.(\d)\.downsample\.", lambda found: f"layers.{int(found[1]) + 1}.downsample.", name): value
        for name, value in entries.items()
    }


_LITE_STAGES = (1, 2, 2, 3, 3, 4, 1)
_LITE_LAYERS = {"_depthwise_conv": "conv_dw", "_bn0": "bn1", "_bn1": "bn2", "_bn2": "bn3"}


def from_efficientnet_lite(entries: Entries) -> dict[str, Tensor]:
    """EfficientNet-Lite0 of the package efficientnet_lite_pytorch, whose blocks are numbered through all stages."""
    places = [f"blocks.{stage}.{block}." for stage, count in enumerate(_LITE_STAGES) for block in range(count)]
    return {_lite(name, places): value for name, value in entries.items()}


def _lite(name: str, places: list[str]) -> str:
    if not (block := re.match(r"_blocks\.(\d+)\.(\w+)\.", name)):
        for old, new in (("_conv_", "conv_"), ("_bn0.", "bn1."), ("_bn1.", "bn2."), ("_fc.", "classifier.")):
            name = new + name.removeprefix(old) if name.startswith(old) else name
        return name
    number, layer, rest = int(block[1]), block[2], name[block.end() :]
    if number == 0:  # the only block that does not widen first
        new = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}.get(layer, layer)
    else:
        new = {**_LITE_LAYERS, "_expand_conv": "conv_pw", "_project_conv": "conv_pwl"}.get(layer, layer)
    return f"{places[number]}{new}.{rest}" if number < len(places) else name


def _renamed(entries: Entries, rules: tuple[tuple[str, str], ...]) -> dict[str, Tensor]:
    found = {}
    for name, value in entries.items():
        for pattern, new in rules:
            name = re.sub(pattern, new, name)
        found[name] = value
    return found


def _joined(entries: dict[str, Tensor], groups: tuple[tuple[tuple[str, ...], str], ...]) -> dict[str, Tensor]:
    """Entries with weights that timm keeps in one matrix put one behind the other."""
    found = dict(entries)
    for parts, whole in groups:
        for name in [name for name in entries if f".{parts[0]}." in name]:
            names = [name.replace(parts[0], part) for part in parts]
            if all(one in found for one in names):
                found[name.replace(parts[0], whole)] = torch.cat([found.pop(one) for one in names])
    return found


RENAMES: Mapping[str, Rename] = {
    "timm": from_timm,
    "dinov2": from_dinov2,
    "genbio": from_genbio,
    "transformers": from_transformers,
    "clip": from_clip,
    "conch_v15": from_conch_v15,
    "swin": from_swin,
    "efficientnet_lite": from_efficientnet_lite,
}
"""By the word in :class:`harness.encoders.table.row.Network`."""
