"""Opening a dataset: from its card to bags, drawing, preparing and encoding what is missing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from harness.bags.access import FeatureAccess
from harness.bags.tile_source import TileBags
from harness.datasets.content import ContentHashes
from harness.features.extraction import set_name
from harness.sources.inputs import Inputs
from harness.sources.open_features import check_store, open_features, reading
from harness.training.device import make_repeatable

if TYPE_CHECKING:
    from harness.datasets.dataset import Dataset
    from harness.encoders import TileEncoder
    from harness.sources.opening import Opening


def open_inputs(dataset: Dataset, opening: Opening) -> Inputs:
    """Open the bags of a dataset.

    Raises:
        DataError: files are missing or unreadable, in three lines.
    """
    encoder = _encoder(dataset, opening)  # slides are prepared for hours, and weights may be missing
    tiles = dataset.card.source.open(dataset, opening)
    if isinstance(tiles.access, FeatureAccess):
        return replace(tiles, shared_cost={"features": None}) if opening.settings.encoder else tiles
    if opening.features is not None:
        return open_features(tiles, opening.features)
    tiles = _with_provenance(tiles, opening.settings.encoder)
    return tiles if encoder is None else _encode(dataset, tiles, opening, encoder)


def _encoder(dataset: Dataset, opening: Opening) -> TileEncoder | None:
    """The encoder whose features are made; None where none are. One that is to be trained has its weights fetched.

    Raises:
        DataError: its weights cannot be had.
    """
    from harness.encoders.build import build_encoder, fetch_weights

    settings = opening.settings
    if not settings.encoder or opening.features is not None or "encoder" not in dataset.card.source.reads:
        return None
    if settings.kind == "tiles":
        fetch_weights(settings.encoder)
        return None
    return build_encoder(settings.encoder, tile_px=settings.tile_px, seed=0)


def _with_provenance(tiles: Inputs, encoder: str) -> Inputs:
    """What identifies an encoder, and what the leak audit has to know of one whose weights come from a file."""
    from harness.encoders.names import parse_name
    from harness.encoders.registry import encoder_identity, weights_files
    from harness.features.training_slides import is_silent, training_slides_of

    if not encoder:
        return tiles
    name = parse_name(encoder)
    seen, files = training_slides_of(encoder), weights_files(name)
    identity = {**tiles.identity, **encoder_identity(name)}
    if files:
        identity["weights"] = ContentHashes().read(files[0], files).hash
        tiles = replace(tiles, sources=tiles.sources.and_shared("the encoder's file", files))
    tiles = replace(tiles, identity=identity)
    silent = (f"whether encoder {encoder} has learnt from these slides: its file does not say",)
    return replace(
        tiles,
        trained_elsewhere={} if seen is None else {f"encoder {encoder}": seen},
        unchecked=(*tiles.unchecked, *(silent if is_silent(encoder) else ())),
    )


def _encode(dataset: Dataset, tiles: Inputs, opening: Opening, encoder: TileEncoder) -> Inputs:
    """Features of all slides by a frozen encoder, extracted once and kept."""
    from harness.core.hashing import sha256_json
    from harness.features.extract import extract_features

    make_repeatable()  # the one thing that is computed in this process
    bags = tiles.access.bags(opening.slides)
    assert isinstance(bags, TileBags)
    settings, how = opening.settings, opening.extraction
    identity = settings.model_dump(mode="json") | {"content": sorted(tiles.content.items()), **tiles.identity}
    scale = bags.scales[0]
    name = set_name(settings.encoder, scale.mpp, scale.tile_px, sha256_json(identity | how.identity))
    store = extract_features(
        bags,
        encoder,
        opening.cache / dataset.name / "features" / name,
        device=opening.device,
        devices=how.devices,
        batch=how.batch,
        dtype=how.dtype,
        precision=how.precision,
        encoder_trained_on=next(iter(tiles.trained_elsewhere.values()), None),
    )
    tiles.sources.check(tiles.content)
    check_store(store, bags)
    return reading(tiles, store)
