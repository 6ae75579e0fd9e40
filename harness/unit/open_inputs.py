"""Opening a dataset: from its card to bags, drawing, preparing and encoding what is missing."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from harness.bags.access import FeatureAccess, TileAccess
from harness.bags.mapped import MappedArray
from harness.bags.tile_source import PatchReader, TileBags
from harness.data.content import ContentHashes
from harness.data.given import read_given
from harness.data.patch_looks import compare_patches
from harness.data.patches import instance_labels_of, label_files, open_patches
from harness.explain.attention import patch_montage
from harness.protocol.card import FeaturesSource, PatchesSource
from harness.protocol.near_duplicates import compare_bags
from harness.unit.device import make_repeatable
from harness.unit.inputs import Inputs
from harness.unit.open_features import check_store, open_features, sources_of
from harness.unit.open_slides import open_slides
from harness.unit.sources import Sources, statuses

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.protocol.dataset import Dataset
    from harness.unit.opening import Opening


def open_inputs(dataset: Dataset, opening: Opening) -> Inputs:
    """Open the bags of a dataset.

    Raises:
        DataError: files are missing or unreadable, in three lines.
    """
    source = dataset.card.source
    if isinstance(source, FeaturesSource):
        given = read_given(dataset)
        return Inputs(
            dataset=dataset,
            content=given.fingerprints,
            access=FeatureAccess(given.features, given.rows),
            secrets=(dataset.folder,),
            compare=partial(compare_bags, given.slides, given.bag),
            unchecked=(
                f"how {source.file} was made: it names no encoder and no training slides, and features of an encoder "
                "that was trained on test slides cannot be told from those of a frozen one",
            ),
        )
    if isinstance(source, PatchesSource):
        tiles = _open_patches(dataset, opening)
    else:
        tiles = open_slides(dataset, source, opening)
    if opening.features is not None:
        return open_features(tiles, opening.features)
    tiles = _with_provenance(tiles, opening.settings.encoder)
    return tiles if opening.settings.kind == "tiles" else _encode(dataset, tiles, opening)


def _with_provenance(tiles: Inputs, encoder: str) -> Inputs:
    """What the leak audit has to know of an encoder whose weights come from a file."""
    from harness.encoders.names import parse_name
    from harness.features.shaped import is_silent, shaped_by_of

    shaped = shaped_by_of(encoder)
    path = parse_name(encoder).path if encoder else None
    if path is not None:
        weights = ContentHashes().read(path, [path])
        tiles = replace(
            tiles,
            identity={**tiles.identity, "weights": weights.hash},
            sources=tiles.sources.and_shared("the encoder's file", [path]),
        )
    silent = (f"whether encoder {encoder} has learnt from these slides: its file does not say",)
    return replace(
        tiles,
        shaped={} if shaped is None else {f"encoder {encoder}": shaped},
        unchecked=(*tiles.unchecked, *(silent if is_silent(encoder) else ())),
    )


def _open_patches(dataset: Dataset, opening: Opening) -> Inputs:
    patches, hashes = open_patches(dataset, opening.data_root, opening.cache), ContentHashes()
    reader = PatchReader(MappedArray.of(patches.tiles), patches.rows)

    def picture(slide: str, weights: NDArray[np.float32]) -> NDArray[np.uint8]:
        return patch_montage(reader.read(slide, 0, np.arange(len(weights))), weights)

    packed = {path.name: hashes.read(path, [path]) for path in patches.packed}
    return Inputs(
        dataset=dataset,
        content=patches.fingerprints,
        sources=Sources(
            shared={
                "the packed patches": {
                    path: status for one in packed.values() for path, status in statuses(one).items()
                }
            },
            basis={"fingerprint": "SHA-256 of the pixels of every patch"},
        ),
        identity={"annotations": packed[patches.packed[1].name].hash},
        access=TileAccess(reader),
        truth_of=instance_labels_of(patches),
        picture_of=picture,
        secrets=(dataset.folder, *label_files(dataset, opening.data_root, patches)),
        compare=partial(compare_patches, patches),
        unchecked=("patches that were encoded anew or turned are not recognised as copies",),
    )


def _encode(dataset: Dataset, tiles: Inputs, opening: Opening) -> Inputs:
    """Features of all slides by a frozen encoder, extracted once and kept."""
    from harness.encoders import build_encoder
    from harness.features.extract import extract_features
    from harness.hashing import sha256_json

    make_repeatable()  # the one thing that is computed in this process
    bags = tiles.access.bags(opening.slides)
    assert isinstance(bags, TileBags)
    encoder = build_encoder(opening.settings.encoder, tile_px=bags.scales[0].tile_px, seed=0)
    identity = opening.settings.model_dump(mode="json") | {"content": sorted(tiles.content.items()), **tiles.identity}
    folder = opening.cache / dataset.name / "features" / sha256_json(identity)[:16]
    shaped = next(iter(tiles.shaped.values()), None)
    store = extract_features(bags, encoder, folder, device=opening.device, shaped_by=shaped)
    tiles.sources.check(tiles.content)
    check_store(store, bags)
    sources = sources_of(store, tiles.sources)
    return replace(tiles, access=FeatureAccess.of_store(store), sources=sources, picture_of=None, lesions=None)
