"""The memory bank: the latest feature of every tile of every training slide, memory-mapped, with its age.

Files in the bank's folder, for each generation g (a refresh of all entries begins a new one)::

    features-g.f16      (N, d) float16, L2-normalised; the tiles of slide b are rows offsets[b] to offsets[b + 1]
    updated-g.i32       (N,) int32, the step in which an entry was written
    undo-g/000017.npz   what stood where write number 17 wrote

**Interruptions.** A checkpoint of the stage holds ``(generation, number of writes)`` only. Before a write touches the
bank, what it replaces is on disk; continuing from a checkpoint takes back every later write, last one first, or goes
back to the generation before a refresh. Hence the bank that a continued run sees is the one that an uninterrupted run
would have, bit for bit, whenever the process was killed. What no checkpoint can ask for any more is deleted.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from harness import MethodError
from harness.api import read_npz

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHECKPOINTS = 3
"""How many checkpoints back the bank can go: the latest, the one before, and one that is being written."""


class MemoryBank:
    """Stored tile features of some slides, all of them training slides.

    Args:
        folder: where the bank lies; made when it is first filled.
        counts: tiles per slide.
        dim: width d.
    """

    def __init__(self, folder: Path, counts: Sequence[int], dim: int) -> None:
        self.folder = folder
        self.dim = dim
        self.offsets = np.concatenate([[0], np.cumsum(np.asarray(counts, np.int64))])
        self.generation = -1
        self.writes = 0
        self._marks: list[tuple[int, int]] = []
        self._features: NDArray[np.float16] | None = None
        self._updated: NDArray[np.int32] | None = None

    def __len__(self) -> int:
        return int(self.offsets[-1])

    @property
    def features(self) -> NDArray[np.float16]:
        """All entries, (N, d)."""
        if self._features is None:
            raise MethodError(
                "the memory bank is empty", place=str(self.folder), fix="fill it with refresh() before it is read"
            )
        return self._features

    @property
    def updated(self) -> NDArray[np.int32]:
        """The step in which each entry was written, (N,)."""
        assert self._updated is not None
        return self._updated

    def begin_refresh(self, step: int) -> None:
        """Begin a generation whose entries are all written again, with :meth:`fill`, as of ``step``."""
        number = self.generation + 1
        self._remove(number)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._open(number, "w+")
        self.updated[:] = step
        self.generation, self.writes = number, 0

    def fill(self, slide: int, features: NDArray[np.float32]) -> None:
        """All entries of a slide, (n, d) L2-normalised, within a refresh."""
        self.features[self.offsets[slide] : self.offsets[slide + 1]] = features

    def read(self, slide: int, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Stored features (n, d), float32, normalised again: float16 keeps a length of 1 to three digits only."""
        stored = self.features[self.offsets[slide] + rows].astype(np.float32)
        norms = np.linalg.norm(stored, axis=1, keepdims=True)
        normalised: NDArray[np.float32] = stored / np.maximum(norms, np.float32(1e-6))
        return normalised

    def ages(self, slide: int, rows: NDArray[np.int64], step: int) -> NDArray[np.int64]:
        """How many steps ago entries were written, (n,)."""
        ages: NDArray[np.int64] = step - self.updated[self.offsets[slide] + rows].astype(np.int64)
        return ages

    def write(
        self, slides: Sequence[int], rows: Sequence[NDArray[np.int64]], features: NDArray[np.float32], step: int
    ) -> None:
        """Overwrite entries; what they were is kept until no checkpoint can ask for it.

        Args:
            slides: slides of the batch.
            rows: per slide its tiles, each at most once.
            features: (T, d) L2-normalised, slide by slide.
            step: the step that made them.
        """
        where = np.concatenate([self.offsets[slide] + part for slide, part in zip(slides, rows, strict=True)])
        self._keep(where)
        self.features[where] = features
        self.updated[where] = step
        self.writes += 1

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint: where the bank stands. What was written so far is on disk when this returns."""
        for values in (self._features, self._updated):
            if isinstance(values, np.memmap):
                values.flush()
        self._marks = [*self._marks, (self.generation, self.writes)][-CHECKPOINTS:]
        if len(self._marks) == CHECKPOINTS:
            self._forget(*self._marks[0])
        return {"generation": self.generation, "writes": self.writes}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go back to where a checkpoint says that the bank stood.

        Raises:
            MethodError: files of the bank are gone.
        """
        generation, writes = int(state["generation"]), int(state["writes"])
        if generation >= 0:
            try:
                self._open(generation, "r+")
                self._undo(generation, writes)
            except (OSError, ValueError, KeyError) as error:
                raise MethodError(
                    f"the memory bank cannot return to its checkpoint: {error}",
                    place=str(self.folder),
                    fix="delete the work folder beside it and run again; the unit then starts from the beginning",
                ) from error
        self.generation, self.writes = generation, writes
        self._marks = [(generation, writes)]

    def remove(self) -> None:
        """Delete the bank's files."""
        self._features = self._updated = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def _open(self, generation: int, mode: Literal["r+", "w+"]) -> None:
        features, updated, _ = self._paths(generation)
        self._features = np.memmap(features, np.float16, mode, shape=(len(self), self.dim))
        self._updated = np.memmap(updated, np.int32, mode, shape=(len(self),))

    def _paths(self, generation: int) -> tuple[Path, Path, Path]:
        names = (f"features-{generation}.f16", f"updated-{generation}.i32", f"undo-{generation}")
        features, updated, undo = (self.folder / name for name in names)
        return features, updated, undo

    def _record(self, generation: int, number: int) -> Path:
        return self._paths(generation)[2] / f"{number:09d}.npz"

    def _keep(self, where: NDArray[np.int64]) -> None:
        """Put on disk what stands at ``where``."""
        path = self._record(self.generation, self.writes)
        path.parent.mkdir(exist_ok=True)
        temporary = path.with_suffix(".tmp")
        with temporary.open("wb") as file:
            np.savez(file, where=where, features=self.features[where], updated=self.updated[where])
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)

    def _undo(self, generation: int, writes: int) -> None:
        """Take back the writes from number ``writes`` on; interrupted itself, it is simply done again."""
        undo = self._paths(generation)[2]
        for path in sorted(undo.glob("*.npz"), reverse=True):
            if int(path.stem) >= writes:
                record = read_npz(path)
                self.features[record["where"]] = record["features"]
                self.updated[record["where"]] = record["updated"]
                path.unlink()

    def _forget(self, generation: int, writes: int) -> None:
        """Delete what is older than a checkpoint."""
        for old in range(generation - 1, -1, -1):
            if not self._paths(old)[0].exists():
                break
            self._remove(old)
        number = writes - 1
        while number >= 0 and (path := self._record(generation, number)).exists():
            path.unlink()
            number -= 1

    def _remove(self, generation: int) -> None:
        features, updated, undo = self._paths(generation)
        features.unlink(missing_ok=True)
        updated.unlink(missing_ok=True)
        shutil.rmtree(undo, ignore_errors=True)
