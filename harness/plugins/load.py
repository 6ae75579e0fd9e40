"""Plugins that are named on the command line: a Python file, or a dotted path."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import TypeVar

from harness.core.errors import MethodError, UsageError
from harness.core.folders import expanded
from harness.core.hashing import sha256_text

T = TypeVar("T")


def plugin_origin(spec: str) -> str:
    """How a plugin is named in listings and errors: ``file /path/plugin.py`` or ``module package.module``."""
    return f"file {_file(spec)}" if _is_file(spec) else f"module {spec}"


def absolute(spec: str) -> str:
    """The same plugin for a process that works in another folder."""
    return str(_file(spec)) if _is_file(spec) else spec


def load_classes(spec: str) -> tuple[type, ...]:
    """The classes that a plugin defines itself, in the order of their definition; imported ones are not its own.

    Args:
        spec: path of a ``.py`` file, ``package.module``, or ``package.module:Class`` for that class alone. Dotted paths
            are looked up where Python looks, then in the current folder.

    Raises:
        UsageError: the file, the module or the class does not exist.
        MethodError: the plugin fails while it is imported.
    """
    module_name, _, class_name = spec.partition(":")
    module = _import_file(_file(spec)) if _is_file(spec) else _import_module(module_name)
    if class_name and not _is_file(spec):
        return (_named_class(module, class_name, spec),)
    return tuple(_own_classes(module))


def derived(classes: Iterable[type], base: type[T], mark: str) -> list[type[T]]:
    """Those of ``classes`` that derive from ``base``; an abstract one without an attribute ``mark`` is a base too."""
    return [
        cls
        for cls in classes
        if issubclass(cls, base)
        and (not inspect.isabstract(cls) or mark in vars(cls) or mark in vars(cls).get("__annotations__", {}))
    ]


@contextmanager
def import_failures(origin: str) -> Iterator[None]:
    """Turn whatever an import raises into a MethodError that names the error and its line."""
    try:
        yield
    except (UsageError, MethodError):
        raise
    except (Exception, SystemExit) as error:
        if hides := _hiding(error):
            raise MethodError(
                f"import failed: {error}",
                place=f"{origin}: {hides} was imported in place of its own package of that name",
                fix=f"rename {hides} or uninstall it, or take its folder out of PYTHONPATH",
            ) from error
        frames = [f for f in traceback.extract_tb(error.__traceback__) if not _is_machinery(f.filename)]
        raise MethodError(
            f"import failed: {type(error).__name__}: {error}",
            place=f"{frames[-1].filename}, line {frames[-1].lineno}" if frames else origin,
            fix="correct the plugin, or install what it imports",
        ) from error


def _hiding(error: BaseException) -> str:
    """The folder or file of a package that has no such submodule, or an empty text."""
    name = (error.name or "") if isinstance(error, ModuleNotFoundError) else ""
    package = sys.modules.get(name.partition(".")[0])
    if package is None or "." not in name:
        return ""
    return str(next(iter(getattr(package, "__path__", ())), getattr(package, "__file__", None) or ""))


def _is_machinery(filename: str) -> bool:
    """Whether a line of a traceback is the import system's, or this package's call of it."""
    return "importlib" in filename or Path(filename).parent == Path(__file__).parent


def _is_file(spec: str) -> bool:
    return spec.endswith(".py") or "/" in spec or "\\" in spec


def _file(spec: str) -> Path:
    return expanded(spec).resolve()


class _Uncached(SourceFileLoader):
    """Compiles a file as it is: the cache would miss a change of equal length within a second."""

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


class _UncachedPackage(MetaPathFinder):
    """Finds the modules of a package as Python does, and compiles them as they are.

    Args:
        name: the package, or the module that is in none.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module's spec; None for what lies outside the package, or is found by other means."""
        if fullname.partition(".")[0] != self.name:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = _Uncached(fullname, spec.loader.path)
        return spec


def _leave_cache_aside(package: str) -> None:
    """From now on, import the modules of a package from their source."""
    if not any(isinstance(finder, _UncachedPackage) and finder.name == package for finder in sys.meta_path):
        sys.meta_path.insert(0, _UncachedPackage(package))


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise UsageError(
            f"there is no plugin file {path.name!r}",
            place=f"--plugin {path}",
            fix="give the path of a Python file, or a dotted path (package.module)",
        )
    name = f"bench_plugin_{path.stem}_{sha256_text(str(path))[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    module_spec = importlib.util.spec_from_file_location(name, path, loader=_Uncached(name, str(path)))
    if module_spec is None or module_spec.loader is None:
        raise UsageError(
            f"{path.name!r} is not a Python file", place=f"--plugin {path}", fix="give a file that ends in .py"
        )
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[name] = module  # dataclasses and type hints look their module up there
    try:
        with import_failures(f"file {path}"):
            module_spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _import_module(name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)  # behind everything else: a stray local file shadows nothing
    importlib.invalidate_caches()
    _leave_cache_aside(name.partition(".")[0])
    try:
        with import_failures(f"module {name}"):
            return importlib.import_module(name)
    except MethodError as error:
        cause = error.__cause__
        if isinstance(cause, ModuleNotFoundError) and f"{name}.".startswith(f"{cause.name}."):
            raise UsageError(
                f"there is no module {name!r}",
                place=f"--plugin {name}",
                fix="install the package, run from the folder that holds it, or give the path of a .py file",
            ) from cause
        raise


def _named_class(module: ModuleType, name: str, spec: str) -> type:
    found = getattr(module, name, None)
    if isinstance(found, type):
        return found
    defined = ", ".join(cls.__name__ for cls in _own_classes(module)) or "none"
    what = "is not a class" if found is not None else "does not exist"
    raise UsageError(f"{name!r} {what}", place=spec, fix=f"classes of {module.__name__}: {defined}")


def _own_classes(module: ModuleType) -> Iterator[type]:
    """Classes defined in ``module`` or below it."""
    for value in vars(module).values():
        if isinstance(value, type) and f"{value.__module__}.".startswith(f"{module.__name__}."):
            yield value
