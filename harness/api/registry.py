"""The registry of methods: entry points, plugin files and dotted paths, loaded when they are first asked for."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from harness.api.card import MethodCard
from harness.api.check import check_method
from harness.api.code_version import method_version as method_version
from harness.api.method import Method
from harness.plugins import registry as plugins
from harness.plugins.kinds import registries

GROUP = "harness.methods"


@dataclass(frozen=True)
class MethodEntry:
    """One line of ``bench methods list``.

    Attributes:
        name: the word typed behind ``--method``.
        origin: who provides it: a distribution and its entry point, a file, or a module.
        card: the method's card; None where it could not be loaded.
        broken: why it could not be loaded; empty where it could.
    """

    name: str
    origin: str
    card: MethodCard | None
    broken: str = ""


class Registry(plugins.Registry[Method]):
    """Methods by name."""

    def __init__(self, entry_points: Sequence[metadata.EntryPoint] | None = None) -> None:
        super().__init__(_KIND, entry_points)

    def entries(self) -> list[MethodEntry]:
        """All methods by name, the broken ones with their reason. Loads every one of them.

        Raises:
            UsageError: nothing is registered, because the project is not installed.
        """
        return [self._entry(name) for name in self.names]

    def _entry(self, name: str) -> MethodEntry:
        found = self.listed_one(name)
        return MethodEntry(name, found.origin, None if found.broken else self.find(name).card, found.broken)


@functools.cache
def registry() -> Registry:
    """The registry of this process."""
    return Registry()


def find_method(name: str) -> type[Method]:
    """The class of the method ``name``; see :meth:`Registry.find`."""
    return registry().find(name)


def list_methods() -> list[MethodEntry]:
    """All methods, broken ones with their reason; see :meth:`Registry.entries`."""
    return registry().entries()


def use_plugin(spec: str) -> list[str]:
    """Add what a plugin defines to this process's registries; see :meth:`harness.plugins.registry.Registry.use_plugin`.

    Returns:
        The names of its methods.
    """
    first, *others = registries().values()
    return first.use_plugin(spec, *others)


def used_plugins() -> tuple[str, ...]:
    """The plugins of this process, in the order given."""
    return registry().plugins


def _name_of(cls: type[Method]) -> str:
    card: Any = getattr(cls, "card", None)
    return card.name if isinstance(card, MethodCard) else cls.__name__.lower()


_KIND: plugins.Kind[Method] = plugins.Kind(
    word="method",
    group=GROUP,
    base=Method,
    mark="card",
    name_of=_name_of,
    check=check_method,
    place="--method",
    listing="bench methods list",
    rename="rename one of them (its card's name, and its entry point)",
)
