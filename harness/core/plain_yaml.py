"""YAML for cards and configuration files: the core schema of YAML 1.2, within limits.

Plain words mean what a reader takes them for. YAML 1.1, which most libraries read, takes ``010`` for 8, ``1:30`` for
90, ``no`` for false, and ``1e-4`` for text. Here a number is a decimal number, ``true`` and ``false`` are the booleans,
``null`` and ``~`` are nothing, and everything else (``010``, ``0x10``, ``1_000``, ``1:30``, ``yes``, a date) is text as
it is written. Keys are text. A key that is repeated, and tags such as ``!!binary``, are refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import yaml

from harness.core.reading import MEBIBYTE, read_text

_Base: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # written in C: the same, ten times faster
_LARGEST_FILE = MEBIBYTE
_DEEPEST = 50
_MOST_VALUES = 100_000
"""Values of a document with every alias written out. Ten aliases of ten aliases of ... stand for billions."""
_LARGEST_INTEGER = 2**64


class YamlError(ValueError):
    """A text that is not the YAML that is read here.

    Args:
        problem: what is wrong.
        line: in which line, from 1; None where that is not known.
    """

    def __init__(self, problem: str, line: int | None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.line = line

    def at(self, place: str) -> str:
        """``place`` with the line."""
        return place if self.line is None else f"{place}, line {self.line}"


def read_yaml(path: Path) -> Any:
    """The value in a YAML file of at most 1 MiB.

    Raises:
        OSError: it cannot be read, or is no regular file (see :func:`harness.core.reading.open_regular`).
        UnicodeDecodeError: it is not UTF-8.
        YamlError: it is not valid.
    """
    return parse_yaml(read_text(path, limit=_LARGEST_FILE))


def parse_yaml(text: str) -> Any:
    """The value that ``text`` stands for.

    Raises:
        YamlError: not valid, several documents, repeated keys, or more than the limits allow.
    """
    try:
        _check_depth(text)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _count(node, {})
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except UnicodeEncodeError as error:
        raise YamlError("it holds what is no character", None) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        parts = [getattr(error, name, None) for name in ("context", "problem")]
        problem = (", ".join(str(part) for part in parts if part) or str(error)).splitlines()
        raise YamlError(problem[0] if problem else "it cannot be read", _line(mark)) from error


def _line(mark: Any) -> int | None:
    return None if mark is None else int(mark.line) + 1


def _check_depth(text: str) -> None:
    """Refuse deep nesting in the stream of events, which is read without recursion."""
    depth = 0
    for event in yaml.parse(text, Loader=_Base):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEEPEST:
                raise YamlError(f"it is nested more than {_DEEPEST} levels deep", _line(event.start_mark))
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _count(node: yaml.Node, known: dict[int, int | None]) -> int:
    """How many values ``node`` stands for, with aliases written out; refuses too many, and a value within itself."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    found = known.get(id(node), 0)
    if found is None:
        raise YamlError("a value holds itself", _line(node.start_mark))
    if found:
        return found
    known[id(node)] = None
    children = [one for pair in node.value for one in (pair if isinstance(pair, tuple) else (pair,))]
    total = 1
    for child in children:
        total += _count(child, known)
        if total > _MOST_VALUES:
            raise YamlError(f"it stands for more than {_MOST_VALUES:,} values", _line(node.start_mark))
    known[id(node)] = total
    return total


class _Loader(_Base):  # type: ignore[misc]
    """The safe loader with the scalars of the core schema and nothing else."""

    yaml_implicit_resolvers: dict[str | None, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012
    yaml_constructors: dict[str | None, Callable[..., Any]] = {}  # noqa: RUF012

    def construct_plain_mapping(self, node: yaml.MappingNode) -> dict[Hashable, Any]:
        """A mapping with text as keys, each once."""
        found: dict[Hashable, Any] = {}
        for key, value in node.value:
            line = _line(key.start_mark)
            if not isinstance(key, yaml.ScalarNode):
                raise YamlError("a key is a list or a mapping", line)
            if key.value in found:
                raise YamlError(f"the key {key.value[:60]!r} stands twice", line)
            found[key.value] = self.construct_object(value, deep=True)
        return found

    def construct_list(self, node: yaml.SequenceNode) -> list[Any]:
        """A list."""
        return [self.construct_object(item, deep=True) for item in node.value]

    def construct_integer(self, node: yaml.ScalarNode) -> int:
        """A decimal whole number of at most 64 bits."""
        digits = node.value.lstrip("+-")
        if not re.fullmatch(r"[0-9]+", digits):
            raise YamlError(f"{node.value[:60]!r} is not a whole number", _line(node.start_mark))
        if len(digits) > 20 or int(digits) > _LARGEST_INTEGER:
            raise YamlError(f"a whole number of {len(digits)} digits is too large", _line(node.start_mark))
        return int(node.value)

    def construct_decimal(self, node: yaml.ScalarNode) -> float:
        """A decimal number, infinity or NaN."""
        text = node.value.lower()
        if not (_FLOAT.fullmatch(node.value) or _INTEGER.fullmatch(node.value)):
            raise YamlError(f"{node.value[:60]!r} is not a number", _line(node.start_mark))
        number = float(text.replace(".inf", "inf").replace(".nan", "nan"))
        if math.isinf(number) and "inf" not in text:
            raise YamlError(f"the number {node.value[:60]} is too large", _line(node.start_mark))
        return number

    def construct_boolean(self, node: yaml.ScalarNode) -> bool:
        """True or false."""
        if not _BOOLEAN.fullmatch(node.value):
            raise YamlError(f"{node.value[:60]!r} is neither true nor false", _line(node.start_mark))
        return bool(node.value.lower() == "true")

    def construct_refused(self, node: yaml.Node) -> Any:
        """A tag of another schema."""
        raise YamlError(f"the tag {str(node.tag)[:60]!r} is not known here", _line(node.start_mark))


def _of_kind(kind: type[yaml.Node], construct: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """``construct`` for nodes of one kind; a tag that stands before another is refused."""

    def checked(loader: _Loader, node: yaml.Node) -> Any:
        return construct(loader, node) if isinstance(node, kind) else loader.construct_refused(node)

    return checked


_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
_BOOLEAN = re.compile(r"true|True|TRUE|false|False|FALSE")
_NULL = re.compile(r"~|null|Null|NULL|")
_CORE = "tag:yaml.org,2002:"

for _tag, _pattern in (("int", _INTEGER), ("float", _FLOAT), ("bool", _BOOLEAN), ("null", _NULL)):
    # PyYAML matches a beginning; a value has to match as a whole.
    _Loader.add_implicit_resolver(_CORE + _tag, re.compile(f"(?:{_pattern.pattern})$"), None)
for _tag, _kind, _construct in (
    ("map", yaml.MappingNode, _Loader.construct_plain_mapping),
    ("seq", yaml.SequenceNode, _Loader.construct_list),
    ("str", yaml.ScalarNode, _Loader.construct_scalar),
    ("int", yaml.ScalarNode, _Loader.construct_integer),
    ("float", yaml.ScalarNode, _Loader.construct_decimal),
    ("bool", yaml.ScalarNode, _Loader.construct_boolean),
    ("null", yaml.ScalarNode, lambda loader, node: None),
):
    _Loader.add_constructor(_CORE + _tag, _of_kind(_kind, _construct))
_Loader.add_constructor(None, _Loader.construct_refused)
