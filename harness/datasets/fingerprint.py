"""Identity of content: of one bag, whatever the order of its tiles, and of a whole dataset."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.core.errors import DataError
from harness.core.hashing import sha256_json
from harness.datasets.dataset import Dataset
from harness.datasets.table import listed

if TYPE_CHECKING:
    from numpy.typing import NDArray


def bag_fingerprint(bag: NDArray[Any]) -> str:
    """SHA-256 of a bag's tiles or features, shape (n, ...).

    Two bags with the same rows in another order have the same fingerprint: to a model that is blind to the order they
    are the same bag.
    """
    rows = np.ascontiguousarray(bag)
    # Little-endian bytes, so that the value is the same on every machine.
    rows = rows.astype(rows.dtype.newbyteorder("<"), copy=False)
    digest = hashlib.sha256(f"{rows.dtype.str} {rows.shape}".encode())
    for row in sorted(hashlib.sha256(row.tobytes()).digest() for row in rows):
        digest.update(row)
    return digest.hexdigest()


def dataset_fingerprint(dataset: Dataset, content: Mapping[str, str], slides: Collection[str] | None = None) -> str:
    """SHA-256 over classes, labels (or follow-up), patients and content, in whatever order the label table lists them.

    What a card of slides says about their resolution, tissue and damaged tiles decides which tiles are read, so it
    counts too, as far as it differs from the defaults.

    Args:
        dataset: the dataset.
        content: slide id → fingerprint of its content.
        slides: the slides that count (those of a protocol); None for all.

    Raises:
        DataError: a slide that counts has no content.
    """
    wanted = set(dataset.slides if slides is None else slides)
    missing = [slide for slide in dataset.slides if slide in wanted and slide not in content]
    if missing:
        raise DataError(
            f"{len(missing)} slides have no fingerprint: {listed(missing)}",
            place=f"dataset {dataset.name}",
            fix=f"check the data with: bench datasets verify {dataset.name}",
        )
    entries = [entry for entry in dataset.entries if entry.slide in wanted]
    task = dataset.task
    rows = sorted([e.slide, e.patient, *task.identified(e.truth), content[e.slide]] for e in entries)
    return sha256_json({**task.identity(), "slides": rows, **dataset.card.source.identity(dataset.card)})
