"""The registry of slide readers, and which one opens a file."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Sequence
from pathlib import Path

from harness.core.errors import MethodError, UsageError
from harness.plugins.registry import Kind, Registry
from harness.plugins.version import declared_version
from harness.slides.base import SlideReader


@functools.cache
def readers() -> Registry[SlideReader]:
    """The registry of this process."""
    return Registry(_KIND)


def built_in_readers() -> list[type[SlideReader]]:
    """The readers that are asked for any file that no other claims, in this order."""
    return [readers().find(name) for name in _KIND.built_in]


def reader_for(path: Path) -> type[SlideReader] | None:
    """The reader from a plugin that opens files of this suffix; None leaves it to the built-in ones.

    Raises:
        UsageError: several do.
    """
    name = path.name.lower()
    found = [cls for cls in readers().added() if name.endswith(cls.suffixes)]
    if len(found) > 1:
        raise UsageError(
            f"several slide readers open {path.suffix} files: {', '.join(cls.name for cls in found)}",
            place=" and ".join(readers().origin(cls.name) for cls in found),
            fix="use one of these plugins at a time, or uninstall one",
        )
    return found[0] if found else None


def use_readers(plugins: Sequence[str]) -> None:
    """Load the readers of plugins that another process uses."""
    for plugin in plugins:
        readers().use_plugin(plugin)


def reader_identity(path: Path) -> str:
    """Name and version of the reader from a plugin that opens the file; empty for the built-in ones."""
    found = reader_for(path)
    return "" if found is None else f"{found.name} {declared_version(found, found.version)}"


def _check(found: object, name: str, origin: str) -> type[SlideReader]:
    if not (isinstance(found, type) and issubclass(found, SlideReader)):
        problem, fix = f"{found!r} is not a slide reader", "point it at a class that derives from harness.SlideReader"
    elif inspect.isabstract(found):
        missing = ", ".join(sorted(found.__abstractmethods__))
        problem, fix = f"the slide reader lacks {missing}", f"define {missing}"
    elif _name_of(found) != name:
        problem, fix = f"the slide reader {_name_of(found)!r} is registered as {name!r}", f'declare `name = "{name}"`'
    elif name not in _KIND.built_in and not _are_suffixes(found.suffixes):
        problem, fix = "the slide reader does not say what it opens", 'declare `suffixes = (".ending",)`, in lower case'
    else:
        return found
    raise MethodError(problem, place=origin, fix=fix)


def _are_suffixes(value: object) -> bool:
    return isinstance(value, tuple) and all(
        isinstance(one, str) and one.startswith(".") and len(one) > 1 and one == one.lower() for one in value or (0,)
    )


def _name_of(cls: type[SlideReader]) -> str:
    return str(getattr(cls, "name", cls.__name__.lower()))


_KIND: Kind[SlideReader] = Kind(
    word="slide reader",
    group="harness.readers",
    base=SlideReader,
    mark="name",
    name_of=_name_of,
    check=_check,
    place="slide reader",
    listing="bench plugins list readers",
    rename="rename one of them (its name, and its entry point)",
    built_in={
        "direct": "harness.slides.direct_reader:DirectReader",
        "openslide": "harness.slides.openslide_reader:OpenSlideReader",
        "tiff": "harness.slides.tiff_reader:TiffReader",
        "plain": "harness.slides.plain_reader:PlainReader",
    },
)
