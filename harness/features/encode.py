"""Encoding the tiles of many slides on one device or several, while the next tiles are read."""

from __future__ import annotations

import copy
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from harness.core import console
from harness.core.errors import DataError
from harness.encoders.spelling import width_problem

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.bags.source import BagSource
    from harness.encoders import TileEncoder
    from harness.features.cost import CostLog
    from harness.features.writer import FeatureWriter

PRECISIONS = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}

_AHEAD = 2
_LOOK_S = 0.5


@dataclass
class SlideJob:
    """One slide to be encoded, and what has come of it so far.

    Attributes:
        bag, slide, scale: where its tiles are.
        count, coords: how many there are, and where they lie.
        fingerprint: what the features are made from.
    """

    bag: int
    slide: str
    scale: int
    count: int
    coords: NDArray[np.int64] | None
    fingerprint: str
    parts: list[Tensor] = field(default_factory=list)
    read_seconds: float = 0.0
    encode_seconds: float = 0.0


class Encoding:
    """Encodes slides and hands them to the writer of a store.

    Args:
        bags: tile bags.
        writer: of the store.
        batch: tiles per pass.
        cost: is told now and then.
    """

    def __init__(self, bags: BagSource, writer: FeatureWriter, *, batch: int, cost: CostLog) -> None:
        self.bags = bags
        self.writer = writer
        self.batch = batch
        self.cost = cost
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def run(self, encoder: TileEncoder, todo: Sequence[SlideJob], devices: Sequence[torch.device]) -> None:
        """Encode all slides of ``todo``; each device takes the next one when it has room.

        Args:
            encoder: in evaluation mode; it is moved to the first device, and copied to the others.
            todo: the slides.
            devices: where to encode.
        """
        waiting = deque(todo)
        with console.progress("extracting features", sum(job.count for job in todo)) as bar:
            if len(devices) == 1:
                self._share(encoder.to(devices[0]), devices[0], waiting, bar)
                return
            copies = [encoder, *(copy.deepcopy(encoder) for _ in devices[1:])]
            with ThreadPoolExecutor(len(devices), thread_name_prefix="encode") as pool:
                shares = [
                    pool.submit(self._share, one.to(device), device, waiting, bar)
                    for one, device in zip(copies, devices, strict=True)
                ]
                try:
                    self._look_after(shares)
                finally:
                    self._stop.set()

    def _look_after(self, shares: Sequence[Future[None]]) -> None:
        """Wait for all; what one of them raises ends the others."""
        running: set[Future[None]] = set(shares)
        while running:
            done, running = wait(running, timeout=_LOOK_S, return_when=FIRST_EXCEPTION)
            for one in done:
                one.result()
            self.cost.note()

    def _share(self, encoder: TileEncoder, device: torch.device, waiting: deque[SlideJob], bar: Any) -> None:
        """What one device does, in a thread of its own where there are several."""
        low = PRECISIONS[self.writer.header.precision]
        alone = threading.current_thread() is threading.main_thread()
        with torch.inference_mode(), torch.autocast(device.type, low, enabled=low is not None):
            for job, tiles, last in self._read_ahead(_taken(waiting), pin=device.type == "cuda"):
                started = time.perf_counter()
                # On a GPU this only queues the work; the first wait is for the whole slide.
                job.parts.append(encoder.encode(tiles))
                _check_width(encoder, job.parts[-1])
                features = torch.cat(job.parts).float().cpu().numpy() if last else None
                job.encode_seconds += time.perf_counter() - started
                with self._lock:
                    if features is not None:
                        self._write(job, features)
                    bar.advance(len(tiles), status=job.slide)
                if alone:
                    self.cost.note()
                if self._stop.is_set():
                    return

    def _write(self, job: SlideJob, features: NDArray[np.floating[Any]]) -> None:
        job.parts.clear()
        seconds = {"read": job.read_seconds, "encode": job.encode_seconds}
        self.writer.append(job.slide, features, job.coords, fingerprint=job.fingerprint, seconds=seconds)

    def _read_ahead(self, todo: Iterable[SlideJob], *, pin: bool) -> Iterator[tuple[SlideJob, Tensor, bool]]:
        """Blocks of tiles in order, read while the block before is encoded; True with the last one of a slide."""

        def read(job: SlideJob, rows: NDArray[np.int64]) -> Tensor:
            started = time.perf_counter()
            tiles = self.bags.read(job.bag, rows, job.scale)
            job.read_seconds += time.perf_counter() - started
            return tiles.pin_memory() if pin else tiles

        blocks = ((job, start) for job in todo for start in range(0, job.count, self.batch))
        with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as pool:
            waiting: deque[tuple[SlideJob, int, Future[Tensor]]] = deque()
            try:
                for job, start in blocks:
                    rows = np.arange(start, min(start + self.batch, job.count))
                    waiting.append((job, int(rows[-1]), pool.submit(read, job, rows)))
                    if len(waiting) > _AHEAD:
                        yield _next(waiting)
                while waiting:
                    yield _next(waiting)
            finally:
                # On an error (a broken slide, an interrupt) nothing more is read.
                pool.shutdown(wait=True, cancel_futures=True)


def _check_width(encoder: TileEncoder, features: Tensor) -> None:
    """Refuse an encoder that gives other features than it says, such as those of another pooling."""
    width = features.shape[-1]
    if width != encoder.dim:
        raise DataError(
            width_problem(encoder.name, width) or f"the encoder gives {width} columns, and says {encoder.dim}",
            place=f"encoder {encoder.name!r}",
            fix="name the variant that it is (bench encoders list), or correct the encoder's dim",
        )


def _taken(waiting: deque[SlideJob]) -> Iterator[SlideJob]:
    """Slides that nobody else has taken."""
    while True:
        try:
            yield waiting.popleft()
        except IndexError:
            return


def _next(waiting: deque[tuple[SlideJob, int, Future[Tensor]]]) -> tuple[SlideJob, Tensor, bool]:
    job, last_row, tiles = waiting.popleft()
    return job, tiles.result(), last_row + 1 == job.count
