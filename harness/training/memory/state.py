"""What a run knows about its memory: how much there is, the fallback in use, and what the record says about it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from harness.accounting.available import available_bytes
from harness.core.atomic import write_json
from harness.core.errors import MethodError
from harness.training.memory.fallback import EncoderUse, Fallback
from harness.training.memory.watch import MemoryWatch, bytes_in_use

FILE = "memory.json"
_ADVICE = "use fewer tiles per step"


@dataclass
class Memory:
    """The memory of one unit.

    Attributes:
        limit: bytes that the unit may take; None for what is free on the device.
        largest: gives the largest training slide and its number of tiles, for errors and the record.
        advice: settings that make a step smaller, for errors.
        fallback: the one in use. It holds for all stages that follow, and an interrupted unit continues with it.
        use: how encoders are used.
        peak: most bytes that a measured step took; None while none was measured.
        room: bytes that the unit may take; None before :meth:`begin`.
        stage: the stage of that step.
        least: the least that a step took that did not fit.
        ran_out: how often memory ran out amid a training.
    """

    limit: int | None = None
    largest: Callable[[], tuple[str, int]] | None = None
    advice: str = _ADVICE
    fallback: Fallback = field(default_factory=Fallback)
    use: EncoderUse = field(default_factory=EncoderUse)
    peak: int | None = None
    room: int | None = None
    stage: str | None = None
    least: int | None = None
    ran_out: int = 0
    _base: int = 0
    _watch: MemoryWatch | None = None

    def begin(self, device: torch.device) -> int:
        """Note what is in use before the unit has loaded anything, the first time; returns what the unit may take."""
        if self.room is None:
            self.room = self.limit if self.limit is not None else available_bytes(str(device))
            self._base = bytes_in_use(device)
        return self.room

    def load(self, workdir: Path) -> None:
        """Continue with the fallback of an interrupted attempt; a damaged file counts as none."""
        try:
            found = json.loads((workdir / FILE).read_text(encoding="utf-8"))
            fallback = Fallback(found["kind"], int(found["chunk"]))
            _ = fallback.position
        except (OSError, ValueError, KeyError, TypeError):
            return
        self.fallback = fallback

    def save(self, workdir: Path) -> None:
        """Let a later attempt continue with this fallback."""
        write_json(workdir / FILE, asdict(self.fallback))

    def following(self, *, bf16: bool) -> Fallback | None:
        """The next fallback that can help; None if there is no other."""
        now = self.fallback.position
        return next((one for one in self.use.fallbacks(bf16=bf16) if one.position > now), None)

    def at_most(self, tiles: int) -> int:
        """So many tiles per pass, or fewer where the fallback says so."""
        return min(tiles, self.fallback.chunk or tiles)

    @contextmanager
    def in_effect(self) -> Iterator[None]:
        """Inside the block, and what it calls, :func:`harness.encode_in_chunks` applies the fallback."""
        token = _CURRENT.set(self)
        try:
            yield
        finally:
            _CURRENT.reset(token)

    @contextmanager
    def watched(self, device: torch.device) -> Iterator[MemoryWatch]:
        """The block is stopped at the next module that is called once it has taken more than there is room for.

        Blocks nest: an inner one begins to count again, and so does the outer one after it.

        Raises:
            OverLimitError: from the call of a module.
        """
        room = self.begin(device)
        if self._watch is not None:
            self._watch.reset()
            try:
                yield self._watch
            finally:
                self._watch.reset()
            return
        with MemoryWatch(device, self._base, room) as self._watch:
            try:
                yield self._watch
            finally:
                self._watch = None

    @contextmanager
    def enforced(self, device: torch.device) -> Iterator[None]:
        """The fallback is in effect inside the block; where there is a limit, what exceeds it is stopped.

        Raises:
            OverLimitError: more has been in use than the limit allows.
        """
        with self.in_effect():
            if self.limit is None:
                yield
                return
            with self.watched(device) as watch:
                yield
                watch.check()

    def note(self, peak: int, stage: str) -> None:
        """Take in the peak of a step that fits."""
        if self.peak is None or peak > self.peak:
            self.peak, self.stage = peak, stage

    def error(self, *, place: str, reason: str = "") -> MethodError:
        """What to raise where no fallback is left."""
        peak, room = self.least, self.room
        what = f": a training step takes {amount(peak)}, and there are {amount(room)}" if peak and room else ""
        slide = ""
        if self.largest is not None:
            name, tiles = self.largest()
            slide = f"; the largest slide is {name} with {tiles} tiles"
        tried = f"; the last fallback tried: {self.fallback.description}" if self.fallback.kind != "none" else ""
        return MethodError(
            f"the memory does not hold this unit{what}{slide}",
            place=f"{place}{tried}{f' ({reason})' if reason else ''}",
            fix=f"{self.advice}; leave the slide out; or give the unit more memory (--memory-limit, if there is more)",
        )

    def account(self) -> dict[str, Any]:
        """For the record: what was measured and changed, in megabytes of 10^6 bytes."""
        slide, tiles = self.largest() if self.largest is not None else (None, None)
        changes = {"bf16": "arithmetic", "none": ""}.get(self.fallback.kind, "dropout" if self.use.draws else "")
        return {
            "fallback": self.fallback.kind,
            "description": self.fallback.description,
            "changes": changes,
            "measured_mb": None if self.peak is None else round(self.peak / 1e6, 3),
            "available_mb": None if self.room is None else round(self.room / 1e6, 3),
            "stage": self.stage,
            "largest_slide": slide,
            "largest_tiles": tiles,
            "ran_out": self.ran_out,
        }


_CURRENT: ContextVar[Memory | None] = ContextVar("memory", default=None)


def current() -> Memory | None:
    """The memory whose fallback is in effect."""
    return _CURRENT.get()


def amount(size: int) -> str:
    """Bytes in words."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
