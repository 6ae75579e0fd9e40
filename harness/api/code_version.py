"""Versions: what is declared of a method and of the training that all methods share, and the hash of their source.

A declared version is part of a unit's identity and is raised when numbers change; the golden trainings
(``tests/golden``) fail where they change and it was not. The hash of the source is in the record of every unit, as
provenance: a changed comment changes it, and runs nothing again.
"""

from __future__ import annotations

import ast
import functools
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from harness.api.method import Method
from harness.core.errors import MethodError, SystemProblemError
from harness.core.hashing import sha256_file, sha256_json

HARNESS_CODE = (
    "bags",
    "encoders",
    "training",
    "api/aggregator.py",
    "api/output.py",
    "api/stage.py",
    "core/seeds.py",
)
"""Files and folders of ``harness`` that take part in training and prediction, whatever the method is."""

_HARNESS = Path(__file__).resolve().parents[1]

TRAINING_VERSION = 2
"""Version of what all methods share: the loop, optimisers, sampling, augmentation, encoders, seeds."""


def method_version(cls: type[Method]) -> str:
    """The declared version of a method; ``source-`` and a hash of its own source where none is declared."""
    return declared_version(cls, cls.card.version)


def declared_version(cls: type, version: int | None) -> str:
    """``version`` of a class; ``source-`` and a hash of its own source where it is None."""
    return f"source-{sha256_json(method_sources(cls))[:16]}" if version is None else str(version)


@functools.cache
def source_sha256(cls: type[Method]) -> str:
    """SHA-256 over the source that a method's results depend on, 64 hexadecimal digits.

    It covers the module that defines the class, every module of the same top-level package that this one imports
    (and what those import from it, and so on; of a plugin file, the file alone), and the harness's own code for
    training (:data:`HARNESS_CODE`). File contents are hashed as they are: a changed comment is a changed version.
    Installed libraries are not part of it; their versions are in the record of every unit.

    Raises:
        MethodError: the class has no source file (typed at a prompt).
    """
    return sha256_json({"method": method_sources(cls), "harness": _harness_sources()})


def check_source(cls: type[Method], declared: str) -> None:
    """See that a method that was imported here has the source that was declared elsewhere.

    Raises:
        SystemProblemError: it has not.
    """
    if source_sha256(cls) == declared:
        return
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    raise SystemProblemError(
        f"the source of method {cls.card.name} changed after the study was resolved",
        place=str(file),
        fix="run the command again: it resolves the study with the source as it is now",
    )


def method_sources(cls: type) -> dict[str, str]:
    """Module name → SHA-256 of its file, for the modules that define a class. Sorted by name."""
    module = sys.modules.get(cls.__module__)
    file = getattr(module, "__file__", None)
    if module is None or file is None:
        raise MethodError(
            "the class has no source file", place=f"class {cls.__qualname__}", fix="define it in a .py file"
        )
    found = {module.__name__: Path(file)}
    package = sys.modules.get(module.__name__.partition(".")[0])
    pending = [(module.__name__, Path(file))] if package is not None and hasattr(package, "__path__") else []
    while pending and package is not None:
        name, path = pending.pop()
        for imported in _imports(path, name):
            if imported not in found and (source := _source_file(imported, package)) is not None:
                found[imported] = source
                pending.append((imported, source))
    # A name is independent of where the package is installed, and of the hash in a plugin's module name.
    return {(name if "." in name else path.name): sha256_file(path) for name, path in sorted(found.items())}


def _harness_sources() -> dict[str, str]:
    hashes = {}
    for name in HARNESS_CODE:
        path = _HARNESS / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            hashes[file.relative_to(_HARNESS).as_posix()] = sha256_file(file)
    return hashes


def _imports(path: Path, module: str) -> Iterator[str]:
    """Absolute names that a source file may import: ``from a.b import c`` gives ``a.b`` and ``a.b.c``."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parent = package.rsplit(".", node.level - 1)[0]
                base = f"{parent}.{base}" if base else parent
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _source_file(name: str, package: ModuleType) -> Path | None:
    """The file of module ``name`` if it lies in ``package``."""
    top, _, rest = name.partition(".")
    if top != package.__name__:
        return None
    for folder in package.__path__:
        base = Path(folder, *rest.split(".")) if rest else Path(folder)
        for candidate in (base / "__init__.py", base.with_name(f"{base.name}.py")):
            if candidate.is_file():
                return candidate
    return None
