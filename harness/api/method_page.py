"""A method's page: its card, its hyper-parameters, and the formulas and shapes from its docstrings, as Markdown.

``python -m harness.api.method_page FOLDER [METHOD ...]`` writes the pages of the named methods (of all, if none is
named) and a list of them. The pages in ``docs/methods`` are made by it; a test says when they are out of date.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from harness.api.card import MethodCard, Preset
from harness.api.method import Method
from harness.api.params import Field
from harness.api.published import PublishedInput
from harness.api.registry import find_method, list_methods
from harness.core.atomic import replacing
from harness.core.errors import MethodError
from harness.tasks.classification import Classification

_FEATURE_WIDTH = 512
_NEEDS = {"reports": "pathology reports", "masks": "pixel annotations (lesion masks)"}


def method_page(method: type[Method]) -> str:
    """The page of a method.

    Raises:
        MethodError: a class named in ``described_by`` cannot be imported.
    """
    card = method.card
    parts = [
        f"# {card.title}",
        f"`--method {card.name}` · {card.paper}",
        _docstring(method),
        "## What it reads and gives",
        "\n".join(f"- {fact}" for fact in _facts(card)),
        "## Formula and shapes",
        "\n\n".join(_described(method)) or "See the docstring above.",
        "## Deviations and open points",
        "\n".join(f"- {point}" for point in card.open_points) or "None known.",
        "## Parity",
        (card.parity[:1].upper() + card.parity[1:] or "Not compared with anything") + ".",
        "## Hyper-parameters",
        _table(method),
    ]
    for name, preset in card.presets.items():
        parts += [f"## Preset `{name}`", preset.help, *_source(preset), _preset(preset)]
    made = "Made from the method's card and docstrings; do not edit."
    return "\n\n".join([f"<!-- {made} -->", *parts]) + "\n"


def shown(value: Any) -> str:
    """A value as it is typed behind ``--set``."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(shown, value))}]"
    return str(value)


def input_text(published: PublishedInput) -> str:
    """A published input in words, without its source."""
    mpp = ", ".join(f"{one:g}" for one in published.mpp)
    return f"{published.kind}, {published.tile_px} pixels at {mpp} microns per pixel, encoder {published.encoder}"


def search_range(field: Field) -> str:
    """The search range or choices of a hyper-parameter, in words; ``fixed`` where it is not tuned."""
    if field.choices is not None:
        return ("" if field.tuned else "fixed: ") + ", ".join(map(shown, field.choices))
    if field.low is None:
        return "fixed"
    return f"{shown(field.low)} to {shown(field.high)}" + (" (log)" if field.log else "")


def _facts(card: MethodCard) -> Iterator[str]:
    scales = f", at {card.scales} magnifications" if card.scales > 1 else ""
    yield f"Input: {' or '.join(card.inputs)}{scales}."
    yield from (f"Published input: {input_text(one)}. Source: {one.source}." for one in card.published)
    if not card.published:
        yield "Published input: none is declared for whole slides."
    yield f"Tasks: {' and '.join(card.tasks)}."
    yield "Labels: " + " and ".join(["slide labels", *(_NEEDS[need] for need in card.needs)]) + "."
    if card.coordinates:
        yield "Coordinates: needs the position of every tile."
    if card.classes is not None:
        yield f"Classes: {card.classes} only."
    yield "Attention: " + ("one weight per tile." if card.attention else "none.")
    yield f"The order of a bag's tiles {'does not matter' if card.permutation_invariant else 'matters'}."


def _described(method: type[Method]) -> Iterator[str]:
    for described in [_load(path) for path in method.card.described_by] or _network(method):
        yield f"### `{described.__module__}.{described.__qualname__}`\n\n{_docstring(described)}"


def _network(method: type[Method]) -> list[type]:
    """The class of the network that a bag method builds from its defaults."""
    build = getattr(method(method.Params(), Classification(("no", "yes"))), "aggregator", None)
    return [] if build is None else [type(build(_FEATURE_WIDTH))]


def _load(path: str) -> Any:
    module, _, name = path.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise MethodError(
            f"there is no {path}", place="described_by of the card", fix="write package.module:Class"
        ) from error


def _docstring(thing: Any) -> str:
    """A docstring as Markdown: sections in bold, their entries as lists, double backquotes as single ones."""
    lines, section = [], False
    for line in (inspect.cleandoc(thing.__doc__ or "")).splitlines():
        if line.rstrip() in {"Args:", "Attributes:", "Returns:", "Raises:"}:
            lines += [f"**{line.strip().rstrip(':')}**", ""]
            section = True
        elif section and line.startswith("    ") and not line.startswith("     "):
            lines.append(f"- {line.strip()}")
        elif section and line.startswith("     "):
            lines.append(f"  {line.strip()}")
        else:
            section = section and not line.strip()
            lines.append(line)
    return "\n".join(lines).replace("``", "`").replace(":class:", "")


def _table(method: type[Method]) -> str:
    rows = ["| name | default | search range or choices | source | what it does |", "|---|---|---|---|---|"]
    for name, (_, field, default) in method.Params.describe().items():
        cells = (f"`{name}`", shown(default), search_range(field), field.source, field.help)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    note = "*Source* is where the default comes from: the paper, the published code, or our own choice."
    return "\n".join(rows) + f"\n\n{note}"


def _source(preset: Preset) -> Iterator[str]:
    if preset.source:
        yield f"Source: `{preset.repository}` at commit `{preset.commit}`, `{preset.file}`."


def _preset(preset: Preset) -> str:
    values = {**preset.params, **{f"input.{key}": value for key, value in preset.input.items()}}
    return ", ".join(f"`{key}={shown(value)}`" for key, value in values.items())


def write_pages(folder: Path, names: Iterable[str]) -> None:
    """Write ``folder/NAME.md`` for every method and ``folder/README.md``, which lists them."""
    folder.mkdir(parents=True, exist_ok=True)
    methods = [find_method(name) for name in names]
    pages = {f"{method.card.name}.md": method_page(method) for method in methods}
    rows = [f"| [{m.card.name}]({m.card.name}.md) | {m.card.title} | {m.card.paper} |" for m in methods]
    pages["README.md"] = "\n".join(["# Methods", "", "| name | title | paper |", "|---|---|---|", *rows]) + "\n"
    for name, text in pages.items():
        with replacing(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]), sys.argv[2:] or [entry.name for entry in list_methods() if not entry.broken])
