"""Classes by name: from entry points, plugin files and dotted paths, loaded when they are first asked for."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any, Generic, TypeVar

from harness.core.errors import BenchError, MethodError, UsageError
from harness.core.suggest import unknown
from harness.plugins import installed
from harness.plugins.load import absolute, derived, import_failures, load_classes, plugin_origin

T = TypeVar("T")


@dataclass(frozen=True)
class Kind(Generic[T]):
    """What a registry holds.

    Attributes:
        word: what one is called in errors: ``method``.
        group: the entry-point group.
        base: what its classes derive from.
        mark: the attribute that a class of its own has: ``card``.
        name_of: class → the name that it registers itself under.
        check: (what was loaded, name, origin) → the class, or a MethodError.
        place: where names are typed, for errors.
        listing: the command that lists all names.
        rename: how a clash of names is resolved.
        built_in: name → ``module:Class`` of built-in ones, for an environment whose entry points do not name them.
        optional: whether there may be none.
    """

    word: str
    group: str
    base: type[Any]
    mark: str
    name_of: Callable[[type[T]], str]
    check: Callable[[object, str, str], type[T]]
    place: str
    listing: str
    rename: str
    built_in: Mapping[str, str] = field(default_factory=dict)
    optional: bool = False


@dataclass(frozen=True)
class Provider:
    """Where a class comes from, and how to get at it."""

    name: str
    origin: str
    load: Callable[[], object]


@dataclass(frozen=True)
class Listed:
    """One line of ``bench plugins list``.

    Attributes:
        name: the registered name.
        origin: who provides it: a distribution and its entry point, a file, or a module.
        broken: why it cannot be loaded; empty where it can.
    """

    name: str
    origin: str
    broken: str = ""


class Registry(Generic[T]):
    """Classes of one kind by name.

    Every class comes in the same way, the built-in ones too: through the entry-point group of an installed
    distribution, or as a plugin given to :meth:`use_plugin`. Nothing is imported before it is asked for, and what fails
    to import is reported by its own entry only.

    Args:
        kind: what it holds.
        entry_points: those of the group; None for all installed ones.
    """

    def __init__(self, kind: Kind[T], entry_points: Sequence[metadata.EntryPoint] | None = None) -> None:
        self.kind = kind
        self._providers: dict[str, list[Provider]] = {}
        self._plugins: dict[str, list[str]] = {}
        self._specs: list[str] = []
        points = list(installed.entry_points(kind.group) if entry_points is None else entry_points)
        known = {point.name for point in points}
        own = [metadata.EntryPoint(*one, kind.group) for one in kind.built_in.items() if one[0] not in known]
        for point in (*points, *own):
            origin = _entry_origin(point)
            self._add(Provider(point.name, origin, functools.partial(_load_entry, point, origin)))

    def use_plugin(self, spec: str, *others: Registry[Any]) -> list[str]:
        """Add the classes of a plugin; using the same plugin again changes nothing.

        Args:
            spec: path of a ``.py`` file, ``package.module`` or ``package.module:Class``.
            others: registries of other kinds, which take what is theirs from the same plugin.

        Returns:
            The names of its classes of this kind. A plugin that fails to import, or that defines nothing for any of the
            registries, stands under its file's or module's name and raises when that name is asked for.

        Raises:
            UsageError: there is no such file, module or class, or a name is taken (both origins are named).
        """
        origin = plugin_origin(spec)
        if origin in self._plugins:
            return self._plugins[origin]
        try:
            classes = load_classes(spec)
        except MethodError as error:
            return self._take(spec, origin, [self._broken(spec, origin, error)])
        own = self._own(classes, origin)
        theirs = [(other, providers) for other in others if (providers := other._own(classes, origin))]
        if not own and not theirs:
            own = [self._broken(spec, origin, self._nothing_in(origin, others))]
        for other, providers in theirs:
            other._take(spec, origin, providers)
        return self._take(spec, origin, own)

    def _own(self, classes: Sequence[type], origin: str) -> list[Provider]:
        own = derived(classes, self.kind.base, self.kind.mark)
        return [Provider(self.kind.name_of(cls), origin, functools.partial(_same, cls)) for cls in own]

    def _take(self, spec: str, origin: str, providers: Sequence[Provider]) -> list[str]:
        new = [provider for provider in providers if not self._is_known(provider)]
        for provider in new:
            if taken := self._providers.get(provider.name):
                raise self._clash(provider.name, [*taken, provider])
        for provider in new:
            self._add(provider)
        self._plugins[origin] = [provider.name for provider in providers]
        self._specs.append(absolute(spec))
        return self._plugins[origin]

    @property
    def plugins(self) -> tuple[str, ...]:
        """The plugins in use, in the order given, so that another process can use them too."""
        return tuple(self._specs)

    @property
    def names(self) -> tuple[str, ...]:
        """All names, sorted; some may belong to classes that cannot be loaded.

        Raises:
            UsageError: nothing is registered, because the project is not installed.
        """
        if not self._providers and not self.kind.optional:
            raise self._nothing_registered()
        return tuple(sorted(self._providers))

    def origin(self, name: str) -> str:
        """Who provides ``name``, in words."""
        return " and ".join(provider.origin for provider in self._providers[name])

    def find(self, name: str) -> type[T]:
        """A class, loaded and checked.

        Args:
            name: a registered name, or ``package.module:Class``.

        Raises:
            UsageError: no such name (the nearest ones are given), or two origins claim it.
            MethodError: the class fails to import or breaks its contract.
        """
        if ":" in name and name not in self._providers:
            (name,) = self.use_plugin(name)
        if name not in self.names:
            raise unknown(self.kind.word, name, self.names, place=self.kind.place, listing=self.kind.listing)
        providers = self._providers[name]
        if len(providers) > 1:
            raise self._clash(name, providers)
        return self.kind.check(providers[0].load(), name, providers[0].origin)

    def added(self) -> list[type[T]]:
        """The classes that are not built in and can be loaded, by name."""
        found = []
        for name in self.names:
            if name in self.kind.built_in:
                continue
            try:
                found.append(self.find(name))
            except BenchError:  # a broken one harms no other
                continue
        return found

    def listed(self) -> list[Listed]:
        """All names, the broken ones with their reason. Loads every class."""
        return [self.listed_one(name) for name in self.names]

    def listed_one(self, name: str) -> Listed:
        """One of them."""
        origin = self.origin(name)
        try:
            self.find(name)
        except BenchError as error:
            where = error.place.removeprefix(origin).lstrip(", ")
            return Listed(name, origin, error.problem + (f" ({where})" if where else ""))
        return Listed(name, origin)

    def _is_known(self, provider: Provider) -> bool:
        """Whether the same class is registered already: named in two ways, it is no clash."""
        return any(_same_class(other, provider) for other in self._providers.get(provider.name, []))

    def _broken(self, spec: str, origin: str, error: MethodError) -> Provider:
        file = spec.replace("\\", "/").rpartition("/")[2]
        stem = file.removesuffix(".py")
        return Provider(file if stem in self._providers else stem, origin, functools.partial(_raise, error))

    def _add(self, provider: Provider) -> None:
        self._providers.setdefault(provider.name, []).append(provider)

    def _nothing_in(self, origin: str, others: Sequence[Registry[Any]]) -> MethodError:
        words = [registry.kind.word for registry in (self, *others)]
        bases = " or ".join(f"harness.{registry.kind.base.__name__}" for registry in (self, *others))
        return MethodError(
            f"the plugin defines no {' or '.join(words)}",
            place=origin,
            fix=f"define a class that derives from {bases}, with {self.kind.mark}",
        )

    def _clash(self, name: str, providers: Sequence[Provider]) -> UsageError:
        return UsageError(
            f"two {self.kind.word}s are called {name!r}",
            place=" and ".join(provider.origin for provider in providers),
            fix=f"{self.kind.rename}, or uninstall one",
        )

    def _nothing_registered(self) -> UsageError:
        return UsageError(
            f"no {self.kind.word}s are registered: the project is not installed in this Python environment",
            place=f"entry-point group {self.kind.group}",
            fix="run `pip install .` in the checkout (with -e to work on the code)",
        )


def _entry_origin(point: metadata.EntryPoint) -> str:
    return f"{installed.package(point) or 'built in'} ({point.value})"


def _load_entry(point: metadata.EntryPoint, origin: str) -> object:
    with import_failures(origin):
        return point.load()


def _same(cls: type) -> type:
    return cls


def _raise(error: MethodError) -> object:
    raise error


def _same_class(one: Provider, other: Provider) -> bool:
    try:
        return one.load() is other.load()
    except MethodError:
        return False
