"""The registry of methods: entry points, plugin files and dotted paths, loaded when they are first asked for."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata

from harness.contract.card import MethodCard
from harness.contract.check import check_method
from harness.contract.code_version import method_version as method_version
from harness.contract.method import Method
from harness.contract.plugins import absolute, import_failures, load_plugin, plugin_origin
from harness.errors import BenchError, MethodError, UsageError
from harness.suggest import unknown

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


@dataclass(frozen=True)
class _Source:
    """Where a method comes from, and how to get at its class."""

    name: str
    origin: str
    load: Callable[[], object]


class Registry:
    """Methods by name.

    Every method comes in the same way, the built-in ones too: through the entry-point group ``harness.methods`` of
    an installed distribution, or as a plugin given to :meth:`use_plugin`. Nothing is imported before it is asked
    for, and what fails to import is reported by its own entry only.
    """

    def __init__(self, entry_points: Sequence[metadata.EntryPoint] | None = None) -> None:
        self._sources: dict[str, list[_Source]] = {}
        self._plugins: dict[str, list[str]] = {}
        self._specs: list[str] = []
        for point in metadata.entry_points(group=GROUP) if entry_points is None else entry_points:
            origin = _entry_origin(point)
            self._add(_Source(point.name, origin, functools.partial(_load_entry, point, origin)))

    def use_plugin(self, spec: str) -> list[str]:
        """Add the methods of a plugin; using the same plugin again changes nothing.

        Args:
            spec: path of a ``.py`` file, ``package.module`` or ``package.module:Class``.

        Returns:
            The names of its methods. A plugin that fails to import stands under its file's or module's name and
            raises when that name is asked for.

        Raises:
            UsageError: there is no such file, module or class, or a name is taken (both origins are named).
        """
        origin = plugin_origin(spec)
        if origin in self._plugins:
            return self._plugins[origin]
        sources = self._plugin_sources(spec, origin)
        new = [source for source in sources if not self._is_known(source)]
        for source in new:
            if taken := self._sources.get(source.name):
                raise _clash(source.name, [*taken, source])
        for source in new:
            self._add(source)
        self._plugins[origin] = [source.name for source in sources]
        self._specs.append(absolute(spec))
        return self._plugins[origin]

    @property
    def plugins(self) -> tuple[str, ...]:
        """The plugins in use, in the order given, so that another process can use them too."""
        return tuple(self._specs)

    def _is_known(self, source: _Source) -> bool:
        """Whether the same class is registered already: named in two ways, it is no clash."""
        return any(_same_class(other, source) for other in self._sources.get(source.name, []))

    def _plugin_sources(self, spec: str, origin: str) -> list[_Source]:
        try:
            return [_Source(_name_of(cls), origin, functools.partial(_given, cls)) for cls in load_plugin(spec)]
        except MethodError as error:
            file = spec.replace("\\", "/").rpartition("/")[2]
            stem = file.removesuffix(".py")
            return [_Source(file if stem in self._sources else stem, origin, functools.partial(_raise, error))]

    def find(self, name: str) -> type[Method]:
        """The class of a method, loaded and checked.

        Args:
            name: a registered name, or ``package.module:Class``.

        Raises:
            UsageError: no such method (the nearest names are given), or two origins claim the name.
            MethodError: the method fails to import or breaks the contract.
        """
        if ":" in name:
            (name,) = self.use_plugin(name)
        if not self._sources:
            raise _nothing_registered()
        if name not in self._sources:
            raise unknown("method", name, self._sources, place="--method", listing="bench methods list")
        sources = self._sources[name]
        if len(sources) > 1:
            raise _clash(name, sources)
        source = sources[0]
        return check_method(source.load(), name, source.origin)

    def entries(self) -> list[MethodEntry]:
        """All methods by name, the broken ones with their reason. Loads every one of them.

        Raises:
            UsageError: nothing is registered, because the project is not installed.
        """
        if not self._sources:
            raise _nothing_registered()
        return [self._entry(name) for name in sorted(self._sources)]

    def _entry(self, name: str) -> MethodEntry:
        origin = " and ".join(source.origin for source in self._sources[name])
        try:
            return MethodEntry(name, origin, self.find(name).card)
        except BenchError as error:
            where = error.place.removeprefix(origin).lstrip(", ")
            return MethodEntry(name, origin, None, broken=error.problem + (f" ({where})" if where else ""))

    def _add(self, source: _Source) -> None:
        self._sources.setdefault(source.name, []).append(source)


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
    """Add a plugin to this process's registry; see :meth:`Registry.use_plugin`."""
    return registry().use_plugin(spec)


def used_plugins() -> tuple[str, ...]:
    """The plugins of this process's registry; see :attr:`Registry.plugins`."""
    return registry().plugins


def _entry_origin(point: metadata.EntryPoint) -> str:
    package = f"{point.dist.name} {point.dist.version}" if point.dist is not None else "an unknown package"
    return f"{package} ({point.value})"


def _load_entry(point: metadata.EntryPoint, origin: str) -> object:
    with import_failures(origin):
        return point.load()


def _given(cls: type[Method]) -> type[Method]:
    return cls


def _raise(error: MethodError) -> object:
    raise error


def _name_of(cls: type[Method]) -> str:
    card = getattr(cls, "card", None)
    return card.name if isinstance(card, MethodCard) else cls.__name__.lower()


def _same_class(one: _Source, other: _Source) -> bool:
    try:
        return one.load() is other.load()
    except MethodError:
        return False


def _clash(name: str, sources: Sequence[_Source]) -> UsageError:
    return UsageError(
        f"two methods are called {name!r}",
        place=" and ".join(source.origin for source in sources),
        fix="rename one of them (its card's name, and its entry point), or uninstall one",
    )


def _nothing_registered() -> UsageError:
    return UsageError(
        "no methods are registered: the project is not installed in this Python environment",
        place=f"entry-point group {GROUP}",
        fix="run `pip install .` in the checkout (with -e to work on the code)",
    )
