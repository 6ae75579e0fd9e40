"""The grammar of encoder names; reading one loads nothing.

MODEL                   timm model with its published weights: ``resnet50.tv_in1k``, ``hf-hub:owner/model``
MODEL@layerK            a ResNet cut behind its K-th stage, K = 1..4: ``resnet18.tv_in1k@layer3``
random:MODEL[@layerK]   the same network with weights drawn from the seed
file:MODEL[@layerK]=PATH   the same network with weights from a local file: safetensors, a state dict, or a training
                        program's checkpoint (DINO's teacher, Lightning's state_dict, ...)
NAME                    a registered encoder: one of the table (``uni_v1``, ``virchow2@cls+mean``) with its published
                        weights, conv27 and conv64, small networks of our own that are drawn from the seed, or one of a
                        plugin (see harness.encoders.registry)

``hf_hub:`` is read as ``hf-hub:``, and a repository of the table stands for its encoder. PATH may be a folder.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.core.errors import UsageError
from harness.core.folders import expanded
from harness.core.suggest import nearest
from harness.encoders.published import file_in
from harness.encoders.registry import encoders
from harness.encoders.table import rows_of_repo

Origin = Literal["pretrained", "random", "file", "own"]

CONV27_PX, CONV64_LEAST_PX = 27, 32
"""Side of conv27's tiles, and the smallest side of conv64's."""

_STAGES = ("layer1", "layer2", "layer3", "layer4")
_PREFIXES = ("random", "file", "hf-hub", "hf_hub")


@dataclass(frozen=True)
class EncoderName:
    """An encoder name, taken apart.

    Attributes:
        text: the name as it was written.
        origin: where the weights come from; ``own``: from the registered encoder itself, which draws or reads them.
        model: name of the network: a timm name, ``hf-hub:owner/model``, or a registered name.
        stage: the last ResNet stage that is kept, 1 to 4; 0 for the whole network.
        path: weights file, or the folder that holds it, where ``origin`` is ``file``.
    """

    text: str
    origin: Origin
    model: str
    stage: int = 0
    path: Path | None = None

    @property
    def file(self) -> Path | None:
        """The weights file that ``path`` means.

        Raises:
            DataError: a folder in which it is not clear.
        """
        return None if self.path is None else file_in(self.path)

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
    model, stage = _split_stage(_of_repo(network, place), place)
    if not model:
        raise UsageError(
            "the encoder name is empty", place=place, fix="name a timm model, for example resnet18.tv_in1k"
        )
    if origin == "pretrained" and model in encoders().names:
        origin = "own"
    return EncoderName(text, origin, model, stage, path)


def plain(text: str) -> str:
    """The same encoder under the name that the table gives it: ``hf_hub:MahmoodLab/uni`` → ``uni_v1``.

    Raises:
        UsageError: the repository gives several kinds of features.
    """
    return re.sub(r"hf[-_]hub:[^@=]+", lambda found: _of_repo(found[0], f"encoder {text!r}"), text, count=1)


def _of_repo(network: str, place: str) -> str:
    """``hf-hub:MahmoodLab/UNI`` → ``uni_v1``; what the table does not know stays as it is."""
    scheme, colon, repo = network.partition(":")
    if not colon or scheme not in ("hf-hub", "hf_hub"):
        return network
    rows = rows_of_repo(repo)
    if len(rows) > 1:
        raise UsageError(
            f"{repo} gives several kinds of features",
            place=place,
            fix=f"write {' or '.join(f'{row.name} ({row.width} columns)' for row in rows)}",
        )
    return rows[0].name if rows else f"hf-hub:{repo}"


def _split_stage(network: str, place: str) -> tuple[str, int]:
    """``resnet18@layer3`` → (``resnet18``, 3); registered names are left whole."""
    if network in encoders().names:
        return network, 0
    model, at, cut = network.partition("@")
    if not at:
        return model, 0
    if not re.fullmatch(r"layer[1-4]", cut):
        known = [name for name in encoders().names if name.startswith(f"{model}@")]
        if known:
            raise UsageError(f"unknown variant {cut!r} of {model}", place=place, fix=f"write {' or '.join(known)}")
        raise UsageError(f"unknown cut {cut!r}", place=place, fix=f"cut a ResNet at one of: {', '.join(_STAGES)}")
    return model, int(cut[-1])
