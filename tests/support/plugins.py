"""The methods of a plugin, without a registry."""

from __future__ import annotations

from harness.api.method import Method
from harness.plugins.load import derived, load_classes


def load_plugin(spec: str) -> tuple[type[Method], ...]:
    """The methods that a plugin defines itself."""
    return tuple(derived(load_classes(spec), Method, "card"))
