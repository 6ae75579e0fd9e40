"""Sources by the ``kind`` that a card names: the built-in ones, those of installed packages, and those of plugins."""

from __future__ import annotations

import functools
import inspect
from typing import Any

from harness.core.errors import MethodError
from harness.datasets.source import Source
from harness.plugins.registry import Kind, Registry

GROUP = "harness.sources"


@functools.cache
def sources() -> Registry[Source]:
    """The registry of this process."""
    return Registry(_KIND)


def find_source(kind: str) -> type[Source]:
    """The class of a kind of source; see :meth:`harness.plugins.registry.Registry.find`."""
    return sources().find(kind)


def kind_of(cls: type[Source]) -> str:
    """The kind that a class declares; its name in lower case where it declares none."""
    field = cls.model_fields.get("kind")
    return field.default if field is not None and isinstance(field.default, str) else cls.__name__.lower()


def _check(found: object, name: str, origin: str) -> type[Source]:
    if not (isinstance(found, type) and issubclass(found, Source)):
        raise MethodError(
            f"{found!r} is not a source", place=origin, fix="point it at a class that derives from harness.Source"
        )
    place = f"{origin}, class {found.__name__}"
    if inspect.isabstract(found):
        missing = ", ".join(sorted(found.__abstractmethods__))
        raise MethodError(f"the source lacks {missing}", place=place, fix=f"define {missing}")
    if kind_of(found) != name or found.model_fields["kind"].default != name:
        raise MethodError(
            f"the source declares kind {kind_of(found)!r} and is registered as {name!r}",
            place=place,
            fix=f'declare `kind: Literal["{name}"] = "{name}"`',
        )
    return found


_KIND: Kind[Source] = Kind[Any](
    word="source",
    group=GROUP,
    base=Source,
    mark="kind",
    name_of=kind_of,
    check=_check,
    place="source.kind",
    listing="docs/datasets.md",
    rename="give one of them another kind",
    # Declared here alone, so that cards can be read in a checkout that is not installed.
    built_in={
        "slides": "harness.sources.slides:Slides",
        "patches": "harness.sources.patches:Patches",
        "features": "harness.sources.bag_table:BagTable",
        "feature_folder": "harness.sources.feature_folder:FeatureFolder",
    },
)
