"""``bench features extract``: the features of a dataset by an encoder, made before any study that uses them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from harness.cli.completion import offer
from harness.cli.options import Cache, DataRoot, Plugins, Workers, data_root_of, finite
from harness.core import console
from harness.core.options import one_of

if TYPE_CHECKING:
    from harness.features.manifest import DType
    from harness.features.store import FeatureStore

PRECISIONS = ("fp32", "bf16", "fp16")
DTYPES = ("float16", "float32")


def extract(
    dataset: Annotated[
        str, typer.Argument(help="Dataset name, or a folder with a card.", autocompletion=offer("datasets"))
    ],
    encoder: Annotated[str, typer.Option(help="Tile encoder; bench encoders list.", autocompletion=offer("encoders"))],
    mpp: Annotated[
        float | None, typer.Option(callback=finite, help="Microns per pixel (default: as bench run).")
    ] = None,
    tile_px: Annotated[int | None, typer.Option("--tile-px", min=1, help="Side of a tile in pixels.")] = None,
    protocol: Annotated[str | None, typer.Option(help="The protocol whose slides are encoded.")] = None,
    precision: Annotated[str, typer.Option(help="Arithmetic of the encoder: fp32, bf16, fp16.")] = "fp32",
    dtype: Annotated[str, typer.Option(help="Number type on disk: float16, float32.")] = "float16",
    batch: Annotated[int, typer.Option(min=1, max=65536, help="Tiles per pass.")] = 256,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    devices: Annotated[int, typer.Option(min=1, max=64, help="GPUs that encode, from --device on.")] = 1,
    data_root: DataRoot = None,
    cache: Cache = None,
    workers: Workers = None,
    plugin: Plugins = None,
) -> None:
    """Make the features of all slides of a dataset; what is there already is not made again.

    Interrupted or killed, the same command continues.
    """
    from harness.features.extraction import Extraction
    from harness.studies.extract import ExtractConfig
    from harness.studies.extract import extract as make

    how = Extraction(
        precision=one_of(PRECISIONS, "precision")(precision, "--precision"),
        dtype=cast("DType", one_of(DTYPES, "number type")(dtype, "--dtype")),
        batch=batch,
        devices=devices,
    )
    store = make(
        ExtractConfig(
            dataset=dataset,
            encoder=encoder,
            mpp=mpp,
            tile_px=tile_px,
            protocol=protocol,
            device=device,
            extraction=how,
            data_root=data_root_of(Path(dataset).name, data_root),
            cache=cache,
            workers=workers,
        )
    )
    _show(store)
    console.say("What to look at next", style="bold")
    words = ["bench", "run", "--method", "abmil", "--dataset", dataset, "--features", str(store.folder)]
    console.say(f"  train on them       {shlex.join(words)}")


def _show(store: FeatureStore) -> None:
    entries = store.manifest.slides.values()
    header = store.manifest.header
    tiles = sum(entry.tiles for entry in entries)
    lines = {
        "set": store.folder.name,
        "folder": str(store.folder),
        "features": f"{tiles:,} tiles of {len(entries):,} slides, {header.dim} columns, {header.dtype}",
        "encoder": f"{header.key.encoder}, {header.precision}",
        "cost": cost_text(store.folder),
    }
    for word, value in lines.items():
        console.say(f"  {word:<9} {value}")


def cost_text(folder: Path) -> str:
    """What the set in a folder cost to make, in words; empty where it is not known."""
    from harness.features.cost import cost_of
    from harness.results.study_table import duration_text, hours_text
    from harness.results.summary import NO_GPU

    cost = cost_of(folder)
    if cost is None:
        return ""
    gpu = cost.get("gpu", NO_GPU)
    hours = f"{hours_text(cost.get('cpu_hours'))} CPU-hours"
    if gpu != NO_GPU:
        hours = f"{hours_text(cost.get('gpu_hours'))} GPU-hours ({cost.get('gpu_count')} x {gpu}), {hours}"
    return f"{duration_text(cost.get('wall_s'))}, {hours}"
