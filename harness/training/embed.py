"""Features by an embedder that a method trained: each set knows which slides it was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from harness.bags.feature_source import FeatureBags
from harness.bags.source import BagSource
from harness.features.extract import extract_features, tiles_fingerprint
from harness.features.manifest import MANIFEST, DType, Manifest, TrainingSlides
from harness.features.precomputed import FOLDER, PrecomputedFeatures
from harness.features.store import FeatureStore
from harness.training.mil_fit import PREDICT_BLOCK

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.encoders import TileEncoder
    from harness.training.run import Run


def embed_bags(
    bags: BagSource,
    encoder: TileEncoder,
    folder: Path,
    run: Run,
    *,
    trained_on: Sequence[str],
    chosen_on: Sequence[str] = (),
    batch: int = 256,
    dtype: DType = "float32",
) -> FeatureBags:
    """Encode the finest tiles of ``bags`` with a frozen encoder in evaluation mode, and keep the features.

    The set in ``folder`` is taken up if it exists: bags that are there are not encoded again, so that train,
    validation and test bags can be added one after another. Its manifest records the slides that it was trained on.

    Args:
        bags: tile bags.
        encoder: the embedder.
        folder: where the set is kept; one per embedder.
        run: gives device, precision and the fold that the leak audit compares with.
        trained_on: slides that the embedder was trained on; empty for published or drawn weights.
        chosen_on: validation slides that chose between states of it.
        batch: tiles per pass.
        dtype: number type on disk.

    Returns:
        The same bags, with the same labels, as features (n, D) float32.

    Raises:
        LeakError: the embedder, or the set in ``folder``, was trained on slides that this fold does not train on.
        DataError: the folder holds features by another embedder.
    """
    folder, encoder_trained_on = _of_precision(folder, run), None
    if trained_on:
        fold = "" if run.fold is None else run.fold.name
        encoder_trained_on = TrainingSlides(tuple(sorted(trained_on)), tuple(sorted(chosen_on)), fold)
        _audit(encoder_trained_on, folder, run)
    if (folder / MANIFEST).exists():
        open_embedded(folder, run)
    store = extract_features(
        bags,
        encoder,
        folder,
        device=run.device,
        batch=run.memory.at_most(batch),
        dtype=dtype,
        precision=run.precision,
        encoder_trained_on=encoder_trained_on,
    )
    return FeatureBags(bags.ids, bags.labels, store.bag, store.dim, coords_of=store.coords, scale=bags.scales[0])


def open_embedded(folder: Path, run: Run) -> FeatureStore:
    """Open a set that :func:`embed_bags` made, if this run's fold may use it.

    Raises:
        LeakError: its embedder was trained on other slides than the fold's training slides.
        DataError: no finished set.
    """
    manifest = Manifest.read(folder)
    if manifest.header.encoder_trained_on is not None:
        _audit(manifest.header.encoder_trained_on, folder, run)
    return FeatureStore(folder, manifest)


def save_embedded(folder: Path, run: Run) -> PrecomputedFeatures:
    """Keep the set in ``folder``, under the same name, in float16, when the unit's scratch space goes.

    Raises:
        LeakError: as :func:`open_embedded`.
    """
    folder = _of_precision(folder, run)
    return PrecomputedFeatures.copy_of(open_embedded(folder, run), run.keep(FOLDER) / folder.name)


class EncodedBags(BagSource):
    """Tile bags as features of a frozen encoder, encoded when they are read; only a kept set stores any.

    Args:
        bags: tile bags; their finest scale is encoded.
        encoder: the embedder.
        run: gives the device.
        kept: takes the features of whole bags that it does not have.
    """

    kind = "features"

    def __init__(
        self,
        bags: BagSource,
        encoder: TileEncoder,
        run: Run,
        *,
        kept: PrecomputedFeatures | None = None,
    ) -> None:
        self.ids, self.labels, self.scales, self.dim = bags.ids, bags.labels, bags.scales[:1], encoder.dim
        self._bags, self._encoder, self._run, self._kept = bags, encoder, run, kept

    def count(self, bag: int, scale: int = 0) -> int:
        """Number of tiles of a bag."""
        return self._bags.count(bag)

    def coords(self, bag: int, scale: int = 0) -> NDArray[np.int64] | None:
        """Top-left corners of a bag's tiles."""
        return self._bags.coords(bag)

    @torch.no_grad()
    def read(self, bag: int, rows: NDArray[np.int64] | None = None, scale: int = 0) -> torch.Tensor:
        """Features (n, D) float32 on the CPU."""
        features = self._encoded(bag, np.arange(self.count(bag)) if rows is None else rows)
        if rows is None and self._kept is not None:
            coords = self.coords(bag)
            self._kept.add(self.ids[bag], features.numpy(), coords, tiles_fingerprint(len(features), coords))
        return features

    def _encoded(self, bag: int, rows: NDArray[np.int64]) -> torch.Tensor:
        encoder, device = self._encoder, self._run.device
        was_training = encoder.training
        encoder.eval()
        try:
            block = self._run.memory.at_most(PREDICT_BLOCK)
            blocks = [rows[k : k + block] for k in range(0, len(rows), block)]
            with self._run.autocast():
                parts = [encoder.encode(self._bags.read(bag, block).to(device)).float() for block in blocks]
        finally:
            encoder.train(was_training)
        return torch.cat(parts).cpu()


def _of_precision(folder: Path, run: Run) -> Path:
    """Where a set is kept: one that a memory fallback makes in lower precision is another set."""
    return folder.with_name(f"{folder.name}_bf16") if run.memory.fallback.kind == "bf16" else folder


def _audit(encoder_trained_on: TrainingSlides, folder: Path, run: Run) -> None:
    if run.fold is not None:
        encoder_trained_on.audit(run.fold, stage=f"the embedder of {folder.name}")
