"""Checkpoints: written whole or not at all, read without executing code, and refused in another fold than their own."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from harness.core import console
from harness.core.atomic import replacing
from harness.core.errors import MethodError
from harness.protocols.audit import audit_stage

if TYPE_CHECKING:
    from harness.datasets.splits import Fold

_TRAINED_ON = "trained_on"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


class Checkpoints:
    """The latest checkpoint of one stage and the one before it.

    Args:
        folder: where they are kept.
        stage: name of the stage.
        interval: least seconds between two of them; a slow disk stretches it, so that writing takes at most a
            twentieth of the time.
        fold: the fold that is trained in; its training slides are noted in every checkpoint. A codebook, a memory
            bank, a segmenter or an embedder that a stage trained is in its checkpoint, so none crosses folds unnoticed.
            None outside a protocol.

    Raises:
        MethodError: the name of the stage cannot be part of a file name.
    """

    def __init__(self, folder: Path, stage: str, *, interval: float = 10.0, fold: Fold | None = None) -> None:
        if not _NAME.fullmatch(stage):
            raise MethodError(
                f"{stage[:40]!r} cannot be the name of a stage, which becomes a file name",
                place="Stage.name",
                fix="use letters, digits, _, - and dots, starting with a letter or digit",
            )
        self._stage = stage
        self._fold = fold
        self._latest = folder / f"{stage}.pt"
        self._previous = folder / f"{stage}.previous.pt"
        self.final_path = folder / f"{stage}.final.pt"
        self._interval = interval
        self._due = time.monotonic() + interval

    @property
    def due(self) -> bool:
        """Whether it is time to write the next one."""
        return time.monotonic() >= self._due

    def write(self, state: dict[str, Any]) -> None:
        """Keep ``state`` (tensors, numbers, text, lists and dictionaries of them) as the latest."""
        started = time.monotonic()
        if self._latest.exists():
            self._latest.replace(self._previous)
        _save(self._latest, self._signed(state))
        ended = time.monotonic()
        self._due = ended + max(self._interval, 20 * (ended - started))

    def read(self) -> dict[str, Any] | None:
        """The latest readable checkpoint; None when there is none.

        Raises:
            LeakError: it was trained in another fold.
        """
        for path in (self._latest, self._previous):
            if (state := load(path)) is not None:
                return self._audited(state)
        return None

    @contextmanager
    def fitting(self) -> Iterator[None]:
        """For the block that takes over a checkpoint: one that can be read, and is of something else, is refused.

        Raises:
            MethodError: it lacks parts, or its tensors have other shapes.
        """
        try:
            yield
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            raise MethodError(
                f"the checkpoint is not one of this training: {reason}",
                place=str(self._latest),
                fix=f"remove {self._latest.parent}; the same command trains this unit from the start",
            ) from error

    def finish(self, state: dict[str, Any]) -> None:
        """Keep the stage's outcome and drop what is no longer needed to continue it."""
        _save(self.final_path, self._signed(state))
        self._latest.unlink(missing_ok=True)
        self._previous.unlink(missing_ok=True)

    def outcome(self) -> dict[str, Any] | None:
        """What :meth:`finish` kept; None while the stage is unfinished.

        Raises:
            LeakError: it was trained in another fold.
        """
        state = load(self.final_path)
        return None if state is None else self._audited(state)

    def _signed(self, state: dict[str, Any]) -> dict[str, Any]:
        return state if self._fold is None else state | {_TRAINED_ON: list(self._fold.train)}

    def _audited(self, state: dict[str, Any]) -> dict[str, Any]:
        seen = state.pop(_TRAINED_ON, ())
        if self._fold is not None:
            audit_stage(self._fold, seen, stage=f"the checkpoint of stage {self._stage}")
        return state


def load(path: Path) -> dict[str, Any] | None:
    """A checkpoint, or None where there is none or it is damaged (which is said, not fatal)."""
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        console.warn(f"damaged checkpoint {path} is left aside ({type(error).__name__})")
        return None
    return state if isinstance(state, dict) else {}


def _save(path: Path, state: dict[str, Any]) -> None:
    with replacing(path) as temporary, temporary.open("wb") as file:
        try:
            torch.save(state, file)
        except RuntimeError as error:
            # torch says that not all was written, and not why: a full disk would look like a fault of the method.
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise
