"""The grammar of encoder names; reading one loads nothing.

MODEL                   timm model with its published weights: ``resnet50.tv_in1k``, ``hf-hub:owner/model``
MODEL@layerK            a ResNet cut behind its K-th stage, K = 1..4: ``resnet18.tv_in1k@layer3``
random:MODEL[@layerK]   the same network with weights drawn from the seed
file:MODEL[@layerK]=PATH   the same network with weights from a local file: safetensors, a state dict, or a training
                        program's checkpoint (DINO's teacher, Lightning's state_dict, ...)
NAME                    a registered encoder: conv27 and conv64, small networks of our own that are drawn from the seed,
                        or one of a plugin (see harness.encoders.registry)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.core.errors import UsageError
from harness.core.folders import expanded
from harness.core.suggest import nearest
from harness.encoders.registry import encoders

Origin = Literal["pretrained", "random", "file", "own"]

CONV27_PX, CONV64_LEAST_PX = 27, 32
"""Side of conv27's tiles, and the smallest side of conv64's."""

_STAGES = ("layer1", "layer2", "layer3", "layer4")
_PREFIXES = ("random", "file", "hf-hub")


@dataclass(frozen=True)
class EncoderName:
    """An encoder name, taken apart.

    Attributes:
        text: the name as it was written.
        origin: where the weights come from; ``own``: from the registered encoder itself, which draws or reads them.
        model: name of the network: a timm name, ``hf-hub:owner/model``, or a registered name.
        stage: the last ResNet stage that is kept, 1 to 4; 0 for the whole network.
        path: weights file, where ``origin`` is ``file``.
    """

    text: str
    origin: Origin
    model: str
    stage: int = 0
    path: Path | None = None

    @property
    def place(self) -> str:
        """Where the name stands, for errors."""
        return f"encoder {self.text!r}"


def parse_name(text: str) -> EncoderName:
    """Take an encoder name apart. Whether the network exists is not checked here.

    Raises:
        UsageError: the name does not follow the grammar.
    """
    place = f"encoder {text!r}"
    prefix, colon, rest = text.partition(":")
    if colon and prefix not in _PREFIXES:
        hits = nearest(prefix, _PREFIXES)
        hint = f"did you mean '{hits[0]}:{rest}'?" if hits else f"known prefixes: {', '.join(_PREFIXES)}"
        raise UsageError(f"unknown encoder prefix {prefix + ':'!r}", place=place, fix=hint)
    origin: Origin = "pretrained"
    path = None
    network = text
    if prefix == "random" and colon:
        origin, network = "random", rest
    elif prefix == "file" and colon:
        network, equals, file = rest.partition("=")
        if not (equals and file):
            raise UsageError("a file encoder names no file", place=place, fix=f"write file:{network or 'NAME'}=PATH")
        origin, path = "file", expanded(file)
    model, stage = _split_stage(network, place)
    if not model:
        raise UsageError(
            "the encoder name is empty", place=place, fix="name a timm model, for example resnet18.tv_in1k"
        )
    if origin == "pretrained" and model in encoders().names:
        origin = "own"
    return EncoderName(text, origin, model, stage, path)


def _split_stage(network: str, place: str) -> tuple[str, int]:
    """``resnet18@layer3`` → (``resnet18``, 3)."""
    model, at, cut = network.partition("@")
    if not at:
        return model, 0
    if not re.fullmatch(r"layer[1-4]", cut):
        raise UsageError(f"unknown cut {cut!r}", place=place, fix=f"cut a ResNet at one of: {', '.join(_STAGES)}")
    return model, int(cut[-1])
