"""What can be added from outside, and where the registry of each kind is."""

from __future__ import annotations

import importlib
from typing import Any

from harness.plugins.registry import Registry

KINDS = {
    "methods": "harness.api.registry:registry",
    "tasks": "harness.tasks.registry:task_registry",
    "sources": "harness.datasets.source_registry:sources",
    "metrics": "harness.tasks.metric_registry:metrics",
    "readers": "harness.slides.reader_registry:readers",
    "encoders": "harness.encoders.registry:encoders",
    "executors": "harness.jobs.executors.registry:executors",
}
"""Kind → the function that gives its registry; imported when it is asked for."""


def registries() -> dict[str, Registry[Any]]:
    """The registries of this process by kind, that of methods first."""
    return {kind: _registry(place) for kind, place in KINDS.items()}


def registry_of(kind: str) -> Registry[Any]:
    """The registry of one kind."""
    return _registry(KINDS[kind])


def _registry(place: str) -> Registry[Any]:
    module, _, function = place.partition(":")
    found: Registry[Any] = getattr(importlib.import_module(module), function)()
    return found
