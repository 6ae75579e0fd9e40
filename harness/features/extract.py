"""Features of slides by a frozen encoder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

import harness
from harness.core.errors import DataError, MethodError
from harness.core.hashing import canonical_json, sha256_text
from harness.features.cost import CostLog
from harness.features.encode import Encoding, SlideJob
from harness.features.manifest import MANIFEST, DType, FeatureKey, Header, Manifest, TrainingSlides
from harness.features.store import FeatureStore
from harness.features.writer import FeatureWriter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.bags.source import BagSource
    from harness.encoders import TileEncoder


def feature_key(bags: BagSource, encoder: TileEncoder, scale: int = 0) -> FeatureKey:
    """What features of ``bags`` by ``encoder`` depend on; hand it to :meth:`FeatureStore.open`."""
    from harness.encoders import weights_sha256

    wanted = bags.scales[scale]
    return FeatureKey(encoder.name, weights_sha256(encoder), wanted.mpp, wanted.tile_px)


def extract_features(
    bags: BagSource,
    encoder: TileEncoder,
    folder: Path,
    *,
    device: torch.device | str = "cpu",
    devices: int = 1,
    batch: int = 256,
    scale: int = 0,
    dtype: DType = "float16",
    precision: str = "fp32",
    fingerprints: Mapping[str, str] | None = None,
    provenance: Mapping[str, Any] | None = None,
    encoder_trained_on: TrainingSlides | None = None,
) -> FeatureStore:
    """Encode every tile of every bag and store the features; slides that are there already are left out.

    Tiles are read ahead in a background thread. What it costs is kept beside the features. The encoder is in evaluation
    mode, which is restored afterwards; its weights are not changed. Returns the finished store.

    Args:
        bags: tile bags.
        encoder: a tile encoder; it is moved to ``device``.
        folder: the store's folder, taken up if it exists.
        device: where to encode: ``cpu``, ``cuda`` or ``cuda:N``.
        devices: how many GPUs encode, counted from that one; on a CPU, how many threads.
        batch: tiles per pass.
        scale: position in ``bags.scales``.
        dtype: number type on disk.
        precision: number type of the encoder's arithmetic: ``fp32``, ``bf16`` or ``fp16``.
        fingerprints: slide id → identity of its file; a slide that has changed, or whose tiles have, is made again.
        provenance: further facts for the manifest, JSON-able.
        encoder_trained_on: the slides that the encoder learnt from; None for published or drawn weights.

    Raises:
        DataError: the folder holds other features; a slide without tiles or with features that are not finite.
        MethodError: the bags are not tiles.
    """
    if bags.kind != "tiles":
        raise MethodError("only tiles can be encoded", place="extract_features()", fix="give bags of tiles")
    places = _places(torch.device(device), devices)
    facts = json.loads(canonical_json(provenance or {}))
    key = feature_key(bags, encoder, scale)
    header = Header(key, encoder.dim, dtype, precision, harness.__version__, facts, encoder_trained_on)
    jobs = list(_jobs(bags, scale, fingerprints or {}))
    if (store := _finished(folder, header, jobs)) is not None:
        return store
    was_training = encoder.training
    encoder.eval()
    cost = CostLog(folder, str(places[0]), devices)
    try:
        with FeatureWriter(folder, header) as writer, cost.measuring():
            todo = [job for job in jobs if not writer.has(job.slide, job.fingerprint)]
            Encoding(bags, writer, batch=batch, cost=cost).run(encoder, todo, places)
            manifest = writer.finish()
    finally:
        encoder.train(was_training)
    return FeatureStore(folder, manifest)


def _places(first: torch.device, count: int) -> list[torch.device]:
    """The devices, counted from the first."""
    if first.type == "cpu" or count == 1:
        return [first] * count
    return [torch.device(first.type, (first.index or 0) + number) for number in range(count)]


def _finished(folder: Path, header: Header, jobs: Iterable[SlideJob]) -> FeatureStore | None:
    """The store, where it has every slide already; then the folder may be read-only. None where there is work."""
    if not (folder / MANIFEST).exists():
        return None
    manifest = Manifest.read(folder)
    header.check(manifest.header, folder)
    have = {slide: entry.fingerprint for slide, entry in manifest.slides.items()}
    if any(have.get(job.slide) != job.fingerprint for job in jobs):
        return None
    try:
        return FeatureStore(folder, manifest)
    except DataError:
        return None  # cut short: the writer makes the lost slides again


def _jobs(bags: BagSource, scale: int, fingerprints: Mapping[str, str]) -> Iterator[SlideJob]:
    for bag, slide in enumerate(bags.ids):
        count, coords = bags.count(bag, scale), bags.coords(bag, scale)
        if count == 0:
            raise DataError("the slide has no tiles", place=f"slide {slide}", fix="leave the slide out of the bags")
        identity = tiles_fingerprint(count, coords, fingerprints.get(slide, ""))
        yield SlideJob(bag, slide, scale, count, coords, identity)


def tiles_fingerprint(count: int, coords: NDArray[np.int64] | None, identity: str = "") -> str:
    """What a slide's features were made from: how many tiles, where they lie, and the slide's own identity."""
    where = "" if coords is None else sha256_text(np.ascontiguousarray(coords, "<i8").tobytes().hex())
    return sha256_text(f"{identity}|{count}|{where}")
