"""Features by an embedder that a method trained: each set knows which slides shaped it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.bags.feature_source import FeatureBags
from harness.features import FeatureStore
from harness.features.extract import extract_features
from harness.features.manifest import MANIFEST, DType

if TYPE_CHECKING:
    from harness.bags.source import BagSource
    from harness.encoders import TileEncoder
    from harness.training.run import Run

TRAINED_ON = "trained_on"
"""Where a manifest lists the slides that shaped the embedder."""


def embed_bags(
    bags: BagSource,
    encoder: TileEncoder,
    folder: Path,
    run: Run,
    *,
    trained_on: Sequence[str],
    batch: int = 256,
    dtype: DType = "float32",
) -> FeatureBags:
    """Encode the finest tiles of ``bags`` with a frozen encoder in evaluation mode, and keep the features.

    The set in ``folder`` is taken up if it exists: bags that are there are not encoded again, so that train,
    validation and test bags can be added one after another. Its manifest records the run's fold and ``trained_on``.

    Args:
        bags: tile bags.
        encoder: the embedder.
        folder: where the set is kept; one per embedder.
        run: gives device, precision and the fold that the leak audit compares with.
        trained_on: slides that shaped the embedder; empty for published or drawn weights.
        batch: tiles per pass.
        dtype: number type on disk.

    Returns:
        The same bags, with the same labels, as features (n, D) float32.

    Raises:
        LeakError: the embedder, or the set in ``folder``, was shaped by slides that this fold does not train on.
        DataError: the folder holds features by another embedder.
    """
    run.audit(trained_on, stage=f"the embedder of {folder.name}")
    if (folder / MANIFEST).exists():
        open_embedded(folder, run)
    store = extract_features(
        bags,
        encoder,
        folder,
        device=run.device,
        batch=batch,
        dtype=dtype,
        precision=run.precision,
        provenance={"fold": "" if run.fold is None else run.fold.name, TRAINED_ON: sorted(trained_on)},
    )
    return FeatureBags(bags.ids, bags.labels, store.bag, store.dim, coords_of=store.coords, scale=bags.scales[0])


def open_embedded(folder: Path, run: Run) -> FeatureStore:
    """Open a set that :func:`embed_bags` made, if this run's fold may use it.

    Raises:
        LeakError: other slides than the fold's training slides shaped its embedder.
        DataError: no finished set.
    """
    store = FeatureStore.open(folder)
    run.audit(store.manifest.header.provenance.get(TRAINED_ON, ()), stage=f"the embedder of {folder.name}")
    return store
