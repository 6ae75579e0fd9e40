"""Which code computed what the index keeps: another version computes it again."""

from __future__ import annotations

import functools
import hashlib
import inspect
import sys
from pathlib import Path

from harness.core.hashing import sha256_text

_PACKAGE = Path(__file__).resolve().parents[2]
_FOLDERS = ("core", "evaluation", "tasks", "verification", "results", "results/index")


@functools.cache
def code_digest() -> str:
    """SHA-256 over the source of all that reads, checks and scores evidence."""
    digest = hashlib.sha256(sys.version.encode())
    for folder in _FOLDERS:
        for path in sorted((_PACKAGE / folder).glob("*.py")):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def plugins_digest() -> str:
    """SHA-256 over the source of the tasks and metrics that plugins have added to this process; empty without any."""
    from harness.tasks.metric_registry import metrics
    from harness.tasks.registry import tasks

    added = [*metrics().added(), *(one for one in tasks() if not one.__module__.startswith("harness."))]
    return sha256_text("\n".join(sorted(map(_source, added)))) if added else ""


def scored_names() -> list[str]:
    """Names of the scores that this process adds to those of the tasks: of plugins, and those asked for."""
    from harness.tasks.metric_registry import metrics_of
    from harness.tasks.registry import tasks

    return [f"{task.name}.{metric.name}" for task in tasks() for metric in metrics_of(task)]


def _source(plugin: type) -> str:
    try:
        text = inspect.getsource(sys.modules[plugin.__module__])
    except (OSError, TypeError, KeyError):
        text = str(id(plugin))  # it has no source: nothing that it computed is used again
    return f"{plugin.__module__}.{plugin.__qualname__} {sha256_text(text)}"
