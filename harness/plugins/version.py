"""The version of a class from a plugin: declared, or a hash of the source that defines it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from harness.core.errors import MethodError
from harness.core.hashing import sha256_file, sha256_json


def declared_version(cls: type, version: int | None) -> str:
    """``version`` of a class; ``source-`` and a hash of its own source where it is None."""
    return f"source-{sha256_json(class_sources(cls))[:16]}" if version is None else str(version)


def class_sources(cls: type) -> dict[str, str]:
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
