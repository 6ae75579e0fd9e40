"""The registry of tile encoders that are found by a name of their own; timm's names need none. Imports no torch."""

from __future__ import annotations

import functools
import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.errors import MethodError
from harness.encoders.encoder import Encoder
from harness.encoders.table import ROWS
from harness.plugins.registry import Kind, Registry
from harness.plugins.version import declared_version

if TYPE_CHECKING:
    from harness.encoders.names import EncoderName

_NAME = re.compile(r"[a-z0-9][a-z0-9_.+@-]*")


@functools.cache
def encoders() -> Registry[Encoder]:
    """The registry of this process."""
    return Registry(_KIND)


def registered(name: EncoderName) -> Encoder | None:
    """The encoder that is registered under the network's name; None where it is timm's."""
    return encoders().find(name.model)() if name.model in encoders().names else None


def weights_files(name: EncoderName) -> list[Path]:
    """Files that the weights are read from; empty for drawn ones and for timm's published ones."""
    if name.file is not None:
        return [name.file]
    own = registered(name)
    return [] if own is None else [Path(file) for file in own.files()]


def encoder_identity(name: EncoderName) -> dict[str, str]:
    """Version of an encoder from a plugin; nothing for the others, whose version is that of the training."""
    if name.model not in encoders().names or name.model in _KIND.built_in:
        return {}
    found = encoders().find(name.model)
    return {"encoder_version": declared_version(found, found.version)}


def _check(found: object, name: str, origin: str) -> type[Encoder]:
    if not (isinstance(found, type) and issubclass(found, Encoder)):
        problem, fix = f"{found!r} is not a tile encoder", "point it at a class that derives from harness.Encoder"
    elif inspect.isabstract(found):
        missing = ", ".join(sorted(found.__abstractmethods__))
        problem, fix = f"the tile encoder lacks {missing}", f"define {missing}"
    elif _name_of(found) != name or getattr(found, "name", None) != name:
        problem, fix = f"the tile encoder {_name_of(found)!r} is registered as {name!r}", f'declare `name = "{name}"`'
    elif not _NAME.fullmatch(name):
        problem, fix = f"{name!r} cannot be the name of an encoder", "use lower-case letters, digits, _, -, ., + and @"
    else:
        return found
    raise MethodError(problem, place=origin, fix=fix)


def _name_of(cls: type[Encoder]) -> str:
    return str(getattr(cls, "name", cls.__name__.lower()))


_KIND: Kind[Encoder] = Kind(
    word="encoder",
    group="harness.encoders",
    base=Encoder,
    mark="name",
    name_of=_name_of,
    check=_check,
    place="--encoder",
    listing="bench plugins list encoders",
    rename="rename one of them (its name, and its entry point)",
    built_in={
        "conv27": "harness.encoders.small:SmallConv27",
        "conv64": "harness.encoders.small:SmallConv64",
        **{row.name: f"harness.encoders.named:{row.identifier}" for row in ROWS if row.registered},
    },
)
