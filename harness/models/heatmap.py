"""Attention per tile of slides that are asked for, by the kept models of a study."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.core import console
from harness.core.errors import DataError, UsageError
from harness.core.suggest import unknown
from harness.models.kept_model import KeptModel
from harness.models.predict import parts_seen
from harness.results.geojson import heatmap_geojson
from harness.results.heatmap_figure import heatmap_figure
from harness.training.device import make_repeatable

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from harness.models.find import Found, Models
    from harness.sources.inputs import Inputs, SlidePicture


@dataclass(frozen=True)
class Heatmap:
    """Where models looked on one slide.

    Attributes:
        slide: its id.
        weights: mean attention of the models per tile, which sums to one, (n,).
        coords: top-left corners of the tiles in level-0 pixels, (n, 2) as x, y.
        side: side of a tile in level-0 pixels.
        mpp: microns per pixel of level 0; None where unknown.
        picture: the slide; None where there are features only.
        models: how many models.
        seen: whether they have learnt from the slide, since no other did not.
    """

    slide: str
    weights: NDArray[np.float64]
    coords: NDArray[np.int64]
    side: float
    mpp: float | None
    picture: SlidePicture | None
    models: int
    seen: bool

    def png(self, title: str) -> bytes:
        """The picture for people."""
        drawn = {} if self.picture is None else vars(self.picture)
        return heatmap_figure(
            self.coords,
            self.side,
            self.weights,
            title=title,
            thumbnail=drawn.get("thumbnail"),
            downsample=drawn.get("downsample", 0.0),
            mpp=self.mpp,
        )

    def geojson(self) -> str:
        """The file for QuPath."""
        tissue = [] if self.picture is None else self.picture.tissue
        return heatmap_geojson(self.slide, self.coords, self.side, self.weights, tissue)


def known_slides(inputs_slides: Sequence[str], wanted: Sequence[str], place: str) -> tuple[str, ...]:
    """The slides that are wanted, each once.

    Raises:
        UsageError: one is not in the dataset; the nearest are named.
    """
    for slide in wanted:
        if slide not in inputs_slides:
            raise unknown("slide", slide, inputs_slides, place="--slide", listing=place)
    return tuple(dict.fromkeys(wanted))


def heatmaps(models: Models, inputs: Inputs, slides: Sequence[str], device: torch.device) -> Iterator[Heatmap]:
    """Heatmaps of slides, by the models that have not learnt from them, or by all where every one has.

    Args:
        models: the models.
        inputs: the opened data, with these slides.
        slides: their ids.
        device: where the models predict.

    Raises:
        UsageError: the method gives no attention.
        DataError: nobody knows where the tiles of a slide are.
    """
    make_repeatable()
    bags = inputs.access.bags(slides)
    places = {slide: bags.coords(bag) for bag, slide in enumerate(slides)}
    if missing := [slide for slide, coords in places.items() if coords is None]:
        raise DataError(
            f"nobody knows where the tiles of slide {missing[0]} are",
            place=f"dataset {inputs.dataset.name}",
            fix="take features with coordinates, or slides",
        )
    chosen = {slide: _choose(models, inputs.content[slide]) for slide in slides}
    weights = _weights(models, inputs, chosen, device)
    for slide in slides:
        coords = places[slide]
        assert coords is not None
        found, seen = chosen[slide]
        picture = None if inputs.slide_of is None else inputs.slide_of(slide)
        side = grid_step(coords) if picture is None else float(picture.side)
        mpp = _mpp(found[0], side) if picture is None else picture.mpp
        mean = np.mean(weights[slide], axis=0)
        yield Heatmap(slide, mean, coords, side, mpp, picture, len(found), seen)


def _choose(models: Models, content: str) -> tuple[tuple[Found, ...], bool]:
    fresh = tuple(one for one in models.found if not parts_seen(one, content))
    return (fresh, False) if fresh else (models.found, True)


def _weights(
    models: Models, inputs: Inputs, chosen: dict[str, tuple[tuple[Found, ...], bool]], device: torch.device
) -> dict[str, list[NDArray[np.float64]]]:
    """Attention of each slide by each of its models; every model is loaded once."""
    found: dict[str, list[NDArray[np.float64]]] = {slide: [] for slide in chosen}
    with console.progress(f"{models.study}: attention", len(models.found)) as bar:
        for one in models.found:
            slides = [slide for slide, (its, _) in chosen.items() if one in its]
            if slides:
                loaded = KeptModel.load(one.folder, device=device)
                attention = loaded.predict(loaded.bags(inputs.access, slides)).attention
                if attention is None:
                    raise UsageError(
                        f"method {one.description.method} gives no attention",
                        place=one.origin.study,
                        fix="choose a study of a method that does; bench methods list says which",
                    )
                for slide, weights in zip(slides, attention, strict=True):
                    found[slide].append(np.asarray(weights, np.float64))
            bar.advance()
    return found


def grid_step(coords: NDArray[np.int64]) -> float:
    """The distance between neighbouring tiles, which is taken for their side where nobody states it.

    It is the commonest difference between one corner and the next in a row or a column.

    Args:
        coords: top-left corners, (n, 2).
    """
    steps: list[int] = []
    for along, across in ((0, 1), (1, 0)):
        order = np.lexsort((coords[:, along], coords[:, across]))
        rows = coords[order]
        same = np.diff(rows[:, across]) == 0
        steps += np.diff(rows[:, along])[same].tolist()
    positive = [step for step in steps if step > 0]
    if not positive:  # a single tile, or none in line with another
        return 256.0
    values, counts = np.unique(positive, return_counts=True)
    return float(values[counts.argmax()])


def _mpp(model: Found, side: float) -> float | None:
    """Microns per pixel of level 0, where resolution and size of the tiles are known."""
    resolutions, tile_px = model.origin.input.get("mpp") or (), model.origin.input.get("tile_px") or 0
    return float(resolutions[0]) * tile_px / side if resolutions and tile_px else None
