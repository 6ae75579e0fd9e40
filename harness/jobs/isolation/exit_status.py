"""How a process ended, in words."""

from __future__ import annotations

import signal


def exit_status(code: int) -> str:
    """``exit code 7``, or the signal that ended it (``code`` below 0)."""
    if code >= 0:
        return f"exit code {code}"
    name = signal.Signals(-code).name
    return f"signal {name}{_MEANING.get(name, '')}"


_MEANING = {
    "SIGKILL": ", which is what the system sends when memory runs out",
    "SIGBUS": ", which is what the system sends when a file was cut short while it was read, or a disk is full",
}
