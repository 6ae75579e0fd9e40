"""A row of the table of encoders."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Triple = tuple[float, float, float]
Seen = Literal["yes", "likely", "no", "unlikely", "unknown"]
"""Whether a cohort was among the pre-training slides. ``likely``, ``unlikely``: not stated where we could read it."""
Gate = Literal["none", "terms", "approval", "unknown"]
"""Terms to be accepted on the page of the weights, by anybody or by people of an institution."""

IMAGENET: tuple[Triple, Triple] = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALF: tuple[Triple, Triple] = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Transform:
    """How tiles become input.

    Attributes:
        norm: mean and standard deviation per channel R, G, B on the scale 0..1.
        side: side of the input in pixels.
        resize: side that tiles are resized to before the centre is cut out; 0 resizes the whole tile to ``side``.
        interpolation: ``bilinear`` or ``bicubic``.
    """

    norm: tuple[Triple, Triple] = IMAGENET
    side: int = 224
    resize: int = 0
    interpolation: str = "bicubic"


@dataclass(frozen=True)
class Weights:
    """Where published weights are.

    Attributes:
        repo: repository of the Hugging Face hub; empty where they lie elsewhere.
        files: names of the file there; the first that exists is taken.
        kind: ``model`` or ``dataset``, as the hub calls its repositories.
        url: page or file elsewhere, for people.
        package: package of the index that holds the file; its module has the same name with underscores.
    """

    repo: str = ""
    files: tuple[str, ...] = ("model.safetensors", "pytorch_model.bin")
    kind: Literal["model", "dataset"] = "model"
    url: str = ""
    package: str = ""


@dataclass(frozen=True)
class Network:
    """A network of timm.

    Attributes:
        architecture: timm's name.
        arguments: what is given beside it; layers by a word, see :mod:`harness.encoders.build_row`.
        names: how the weights file names its entries, a key of :data:`harness.encoders.renames.RENAMES`.
        head: what stands behind it, a key of :data:`harness.encoders.heads.HEADS`.
        configured: whether only the ``config.json`` beside the weights says all arguments. Where there is none, or
            weights are drawn, those here hold.
    """

    architecture: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    names: str = "timm"
    head: str = ""
    configured: bool = False


@dataclass(frozen=True)
class Package:
    """A network that a package builds which is not on the package index.

    Attributes:
        module: what is imported.
        install: how it is installed.
        builder: name of the function in :mod:`harness.encoders.packaged` that builds it.
    """

    module: str
    install: str
    builder: str


@dataclass(frozen=True)
class TimmName:
    """A network that is found under timm's own name, as any other of timm's. ``name`` is what ``--encoder`` takes."""

    name: str


@dataclass(frozen=True)
class Elsewhere:
    """Not built here: ``reason`` says why. Features of it are read."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """An encoder whose features are told from all others by its name.

    Attributes:
        name: id; behind the ``@`` stands what one name leaves open: pooling, weights, or the stage.
        title: as its authors call it.
        builder: what builds it.
        pooling: what of its output is the feature vector, in words; ``cls``, ``cls+mean`` and ``pool`` for timm's.
        width: columns of its features.
        transform: how tiles become input.
        weights: where they are.
        licence: of the weights.
        gate: what stands before them.
        tcga: whether it has seen TCGA.
        saw: further cohorts among its pre-training slides.
        mpp: resolutions that tools recommend, in microns per pixel; empty where any or unknown.
        tile_px: side of tiles that tools recommend; 0 where unknown.
        spellings: what tools call it, in lower case and without separators.
        note: what tells it from others of nearly the same name.
    """

    name: str
    title: str
    builder: Network | Package | TimmName | Elsewhere
    pooling: str
    width: int
    transform: Transform = Transform()
    weights: Weights = Weights()
    licence: str = UNKNOWN
    gate: Gate = "unknown"
    tcga: Seen = "unknown"
    saw: tuple[str, ...] = ()
    mpp: tuple[float, ...] = (0.5,)
    tile_px: int = 224
    spellings: tuple[str, ...] = ()
    note: str = ""

    @property
    def stem(self) -> str:
        """The name without what is behind the ``@``: the same for all variants of an encoder."""
        return self.name.partition("@")[0]

    @property
    def identifier(self) -> str:
        """The name as a Python identifier."""
        return re.sub(r"\W", "_", self.name)

    @property
    def registered(self) -> bool:
        """Whether the name is the encoder's own, and not one of timm's."""
        return not isinstance(self.builder, TimmName)

    def overlap(self, cohort: str) -> Seen:
        """Whether the encoder was pre-trained on slides of a public cohort, such as ``tcga``."""
        if cohort.casefold() == "tcga":
            return self.tcga
        return "yes" if cohort.casefold() in self.saw else "unknown"
