"""What the shell offers behind an option: methods, datasets, presets, protocols, studies ..."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any


def offer(kind: str) -> Callable[..., list[str]] | None:
    """A function of Typer's for one kind of name; None for the empty kind. What fails offers nothing."""
    if not kind:
        return None

    def complete(ctx: Any, incomplete: str) -> list[str]:
        try:
            return sorted({name for name in _KINDS[kind](ctx.params) if name.startswith(incomplete)})
        except Exception:  # a broken dataset or plugin is for the command itself to name
            return []

    return complete


def _methods(_: Any) -> Iterable[str]:
    from harness.api.registry import registry

    return registry().names


def _datasets(_: Any) -> Iterable[str]:
    from harness.datasets.catalog import list_datasets

    return (one.name for one in list_datasets())


def _presets(given: Any) -> Iterable[str]:
    from harness.api.registry import find_method

    return ("none", *find_method(given["method"]).card.presets)


def _protocols(given: Any) -> Iterable[str]:
    from harness.datasets.catalog import find_dataset

    return find_dataset(given["dataset"]).card.protocols


def _executors(_: Any) -> Iterable[str]:
    from harness.jobs.executors.registry import executors

    return executors().names


def _encoders(_: Any) -> Iterable[str]:
    from harness.encoders.registry import encoders

    return encoders().names


def _studies(given: Any) -> Iterable[str]:
    return (folder.name for folder in (Path(given.get("out") or "runs") / "studies").iterdir())


_KINDS: dict[str, Callable[[Any], Iterable[str]]] = {
    "methods": _methods,
    "datasets": _datasets,
    "presets": _presets,
    "protocols": _protocols,
    "executors": _executors,
    "encoders": _encoders,
    "studies": _studies,
}
