"""``bench heatmap``: where the models of a study look on a slide, as a picture and for QuPath."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.model_options import (
    DatasetName,
    Device,
    SlideFolder,
    SlideMpp,
    StudyName,
    opened,
    own_dataset,
    the_data,
    the_device,
    the_models,
)
from harness.cli.options import Cache, DataRoot, Out, Plugins, Workers, folder_option
from harness.core import console
from harness.core.folders import writable_folder


def heatmap(
    study: StudyName,
    slide: Annotated[list[str], typer.Option("--slide", help="Slide id. Repeatable.")],
    dataset: DatasetName = None,
    slides: SlideFolder = None,
    mpp: SlideMpp = None,
    into: Annotated[Path | None, folder_option("--into", "Folder for the files (default: heatmaps).")] = None,
    device: Device = "auto",
    data_root: DataRoot = None,
    out: Out = None,
    cache: Cache = None,
    workers: Workers = None,
    plugin: Plugins = None,
) -> None:
    """Draw the attention of a study's models over a slide (PNG), and write it for QuPath (GeoJSON).

    The slide is one of the study's own dataset, unless --dataset or --slides name others. The models that have not
    learnt from it are asked, and their attention is averaged.
    """
    from harness.core.atomic import replacing, write_text
    from harness.models.heatmap import heatmaps, known_slides
    from harness.results.names import safe_name

    folder = writable_folder(into or Path("heatmaps"), "--into")
    models = the_models(study, out, "heatmap")
    own = own_dataset(models) if dataset is None and slides is None else dataset
    data = the_data(models, own, slides, mpp)
    wanted = known_slides(data.slides, slide, f"bench datasets show {data.name}")
    chosen = the_device(device)
    inputs = opened(models, data, data_root=data_root, cache=cache, workers=workers, device=chosen, slides=wanted)
    for found in heatmaps(models, inputs, wanted, chosen):
        if found.seen:
            console.warn(f"every model has learnt from slide {found.slide}: this is where they look on what they know")
        place = folder / safe_name(found.slide)
        title = f"{found.slide}, {console.count(found.models, 'model')} of {models.study}"
        with replacing(place.with_name(f"{place.name}.png")) as temporary:
            temporary.write_bytes(found.png(title))
        write_text(place.with_name(f"{place.name}.geojson"), found.geojson())
        console.say(f"{place}.png, {place}.geojson: {console.count(len(found.weights), 'tile')}")
