"""Opening a dataset of image patches, packed into the cache on first use."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from harness.bags.access import TileAccess
from harness.bags.mapped import MappedArray
from harness.bags.tile_source import PatchReader
from harness.datasets.content import ContentHashes
from harness.datasets.patches import instance_labels_of, label_files, open_patches
from harness.protocols.patch_thumbnails import compare_patches
from harness.results.attention import patch_montage
from harness.sources.content_check import Sources, statuses
from harness.sources.inputs import Inputs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.datasets.dataset import Dataset
    from harness.sources.opening import Opening


def open_patch_bags(dataset: Dataset, opening: Opening) -> Inputs:
    """Patches as tiles.

    Raises:
        DataError: tables or images are missing, damaged or not those of the label table.
    """
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
        hidden=(dataset.folder, *label_files(dataset, opening.data_root, patches)),
        compare=partial(compare_patches, patches),
        unchecked=("patches that were encoded again or turned are not recognised as copies",),
    )
