"""Signals that ask a process to end: SIGTERM and SIGHUP interrupt a command as Ctrl-C does."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


@dataclass
class Stop:
    """Whether the process was asked to end.

    Attributes:
        number: the signal; 0 for none. Ctrl-C is not among them.
    """

    number: int = 0

    @property
    def code(self) -> int:
        """The customary exit code: 128 and the signal's number, 130 for Ctrl-C."""
        return 128 + (self.number or signal.SIGINT)


@contextmanager
def stopped_by_signals() -> Iterator[Stop]:
    """Raise ``KeyboardInterrupt`` in the block when the process is asked to end, so that it cleans up and says so.

    Only the first signal does: schedulers repeat it, and would interrupt the cleaning up. A signal that whoever started
    the process has it ignore (``nohup``) stays ignored.
    """
    stop = Stop()

    def interrupt(number: int, frame: FrameType | None) -> None:
        if not stop.number:
            stop.number = number
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    wanted = [number for number in _SIGNALS if signal.getsignal(number) not in (signal.SIG_IGN, None)]
    before = {number: signal.signal(number, interrupt) for number in wanted}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
