"""What another process has to say, shown on this one's terminal."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from harness.core.console import Bar, note, progress, warn


class Screen:
    """Shows what another process relays; its bars nest in ours. A context that closes what the other left open."""

    def __init__(self) -> None:
        self._bars: list[tuple[ExitStack, Bar]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._bars:
            self._bars.pop()[0].close()

    def show(self, message: dict[str, Any]) -> None:
        """Show one message; what is none of ours is left out, since the other process is not to be trusted."""
        match message:
            case {"op": "note", "text": text}:
                note(str(text))
            case {"op": "warn", "text": text}:
                warn(str(text))
            case {"op": "open", "label": label, "total": total, "status": status}:
                stack = ExitStack()
                opened = stack.enter_context(progress(str(label), total, status=str(status)))
                self._bars.append((stack, opened))
            case {"op": "step", "bar": int(bar), "steps": steps, "status": status} if 0 <= bar < len(self._bars):
                self._bars[bar][1].advance(float(steps), status=None if status is None else str(status))
            case {"op": "close"} if self._bars:
                self._bars.pop()[0].close()
