"""Features of slides by a frozen encoder."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

import harness
from harness.core import console
from harness.core.errors import DataError, MethodError
from harness.core.hashing import canonical_json, sha256_text
from harness.features.manifest import MANIFEST, DType, FeatureKey, Header, Manifest, TrainingSlides
from harness.features.store import FeatureStore
from harness.features.writer import FeatureWriter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.bags.source import BagSource
    from harness.encoders import TileEncoder

PRECISIONS = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}

_AHEAD = 2


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
    batch: int = 256,
    scale: int = 0,
    dtype: DType = "float16",
    precision: str = "fp32",
    fingerprints: Mapping[str, str] | None = None,
    provenance: Mapping[str, Any] | None = None,
    encoder_trained_on: TrainingSlides | None = None,
) -> FeatureStore:
    """Encode every tile of every bag and store the features; slides that are there already are left out.

    Tiles are read ahead in one background thread. The encoder is in evaluation mode (batch norm and dropout frozen)
    and its mode is restored afterwards; its weights are not changed.

    Args:
        bags: tile bags.
        encoder: a tile encoder; it is moved to ``device``.
        folder: the store's folder, taken up if it exists.
        device: where to encode.
        batch: tiles per pass.
        scale: position in ``bags.scales``.
        dtype: number type on disk.
        precision: number type of the encoder's arithmetic: ``fp32``, ``bf16`` or ``fp16``.
        fingerprints: slide id → identity of its file; a slide whose identity or tile positions have changed is made
            again.
        provenance: further facts for the manifest, JSON-able.
        encoder_trained_on: the slides that the encoder learnt from; None for published or drawn weights.

    Returns:
        The finished store; its ``seconds`` say what reading and encoding took.

    Raises:
        DataError: the folder holds other features; a slide without tiles or with features that are not finite.
        MethodError: the bags are not tiles.
    """
    if bags.kind != "tiles":
        raise MethodError("only tiles can be encoded", place="extract_features()", fix="give bags of tiles")
    device = torch.device(device)
    facts = json.loads(canonical_json(provenance or {}))
    header = Header(
        feature_key(bags, encoder, scale), encoder.dim, dtype, precision, harness.__version__, facts, encoder_trained_on
    )
    jobs = list(_jobs(bags, scale, fingerprints or {}))
    if (store := _finished(folder, header, jobs)) is not None:
        return store
    was_training = encoder.training
    encoder.to(device).eval()
    try:
        with FeatureWriter(folder, header) as writer:
            todo = [job for job in jobs if not writer.has(job.slide, job.fingerprint)]
            _encode_all(bags, encoder, writer, todo, device, batch)
            manifest = writer.finish()
    finally:
        encoder.train(was_training)
    return FeatureStore(folder, manifest)


@dataclass
class _Job:
    """One slide to be encoded, and what has come of it so far."""

    bag: int
    slide: str
    scale: int
    count: int
    coords: NDArray[np.int64] | None
    fingerprint: str
    parts: list[Tensor] = field(default_factory=list)
    read_seconds: float = 0.0
    encode_seconds: float = 0.0


def _finished(folder: Path, header: Header, jobs: Iterable[_Job]) -> FeatureStore | None:
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


def _jobs(bags: BagSource, scale: int, fingerprints: Mapping[str, str]) -> Iterator[_Job]:
    for bag, slide in enumerate(bags.ids):
        count, coords = bags.count(bag, scale), bags.coords(bag, scale)
        if count == 0:
            raise DataError("the slide has no tiles", place=f"slide {slide}", fix="leave the slide out of the bags")
        identity = tiles_fingerprint(count, coords, fingerprints.get(slide, ""))
        yield _Job(bag, slide, scale, count, coords, identity)


def tiles_fingerprint(count: int, coords: NDArray[np.int64] | None, identity: str = "") -> str:
    """What a slide's features were made from: how many tiles, where they lie, and the slide's own identity."""
    where = "" if coords is None else sha256_text(np.ascontiguousarray(coords, "<i8").tobytes().hex())
    return sha256_text(f"{identity}|{count}|{where}")


def _encode_all(
    bags: BagSource, encoder: TileEncoder, writer: FeatureWriter, todo: list[_Job], device: torch.device, batch: int
) -> None:
    low = PRECISIONS[writer.header.precision]
    with (
        torch.inference_mode(),
        torch.autocast(device.type, low, enabled=low is not None),
        console.progress("extracting features", sum(job.count for job in todo)) as bar,
    ):
        for job, tiles, last in _read_ahead(bags, todo, batch, pin=device.type == "cuda"):
            started = time.perf_counter()
            # On a GPU this only queues the work; the first wait is for the whole slide.
            job.parts.append(encoder.encode(tiles))
            if last:
                features = torch.cat(job.parts).float().cpu().numpy()
                job.parts.clear()
            job.encode_seconds += time.perf_counter() - started
            if last:
                seconds = {"read": job.read_seconds, "encode": job.encode_seconds}
                writer.append(job.slide, features, job.coords, fingerprint=job.fingerprint, seconds=seconds)
            bar.advance(len(tiles), status=job.slide)


def _read_ahead(bags: BagSource, todo: Iterable[_Job], batch: int, *, pin: bool) -> Iterator[tuple[_Job, Tensor, bool]]:
    """Blocks of tiles in order, read while the block before is encoded; True with the last one of a slide."""

    def read(job: _Job, rows: NDArray[np.int64]) -> Tensor:
        started = time.perf_counter()
        tiles = bags.read(job.bag, rows, job.scale)
        job.read_seconds += time.perf_counter() - started
        return tiles.pin_memory() if pin else tiles

    blocks = ((job, start) for job in todo for start in range(0, job.count, batch))
    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as pool:
        waiting: deque[tuple[_Job, int, Future[Tensor]]] = deque()
        try:
            for job, start in blocks:
                rows = np.arange(start, min(start + batch, job.count))
                waiting.append((job, int(rows[-1]), pool.submit(read, job, rows)))
                if len(waiting) > _AHEAD:
                    yield _next(waiting)
            while waiting:
                yield _next(waiting)
        finally:
            # On an error (a broken slide, an interrupt) nothing more is read.
            pool.shutdown(wait=True, cancel_futures=True)


def _next(waiting: deque[tuple[_Job, int, Future[Tensor]]]) -> tuple[_Job, Tensor, bool]:
    job, last_row, tiles = waiting.popleft()
    return job, tiles.result(), last_row + 1 == job.count
