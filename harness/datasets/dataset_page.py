"""A dataset's page: what its card says, as Markdown.

``python -m harness.datasets.dataset_page FOLDER [DATASET ...]`` writes the pages of the named datasets (of those that
come with the package, if none is named) and a list of them. The pages in ``docs/datasets`` are made by it; a test says
when they are out of date.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from harness.core.atomic import replacing
from harness.datasets.card import DatasetCard, InputSettings
from harness.datasets.catalog import find_dataset, list_datasets
from harness.datasets.dataset import Dataset
from harness.datasets.feature_set_card import FeatureSetCard

_MADE = "<!-- Made from the dataset's card; do not edit. -->"
_GATED = {"no": "open", "terms": "accept its terms", "approval": "ask for access", "unknown": "unknown"}


def dataset_page(dataset: Dataset) -> str:
    """The page of a dataset."""
    card = dataset.card
    parts = [
        _MADE,
        f"# {card.title}",
        f"`--dataset {card.name}`",
        card.description.strip(),
        "## What it holds",
        "\n".join(f"- {fact}" for fact in _facts(dataset)),
        "## How to get it",
        card.get.strip(),
        f"Licence: {card.licence.strip()}",
        "## Protocols",
        _table(("protocol", "what it is", "ranked", "note"), _protocols(card)),
    ]
    if card.presets:
        presets = "\n".join(f"- `{method}`: `{preset}`" for method, preset in card.presets.items())
        parts += ["## Presets that suit it", presets]
    if card.feature_sets:
        heads = ("set", "what it is", "repository", "encoder", "width", "access", "licence", "note")
        fetched = f"Fetched with `bench features get {card.name} --set SET`."
        parts += ["## Public features", fetched, _table(heads, map(_set_row, card.feature_sets.items()))]
    if card.errata:
        rows = ((", ".join(one.slides) or "all", one.what, one.action, one.source) for one in card.errata)
        parts += ["## Known errata", _table(("slides", "what", "what is done", "source"), rows)]
    return "\n\n".join(parts) + "\n"


def _facts(dataset: Dataset) -> Iterator[str]:
    card = dataset.card
    yield f"Task: {card.task}; classes: {', '.join(card.classes)}."
    yield f"Counts: {', '.join(f'{count:,} {what}' for what, count in card.counts.items())}."
    yield f"Bags: {card.source.comes_as}."
    yield from (f"Read as: {_input(one)}." for one in card.inputs)
    if card.site is not None:
        yield f"Sites: column `{card.site}` of the label table."
    if card.cohorts:
        yield f"From public cohorts: {', '.join(card.cohorts)}."
    if card.reports is not None:
        yield "Reports: one per slide, for methods that learn from them."


def _input(settings: InputSettings) -> str:
    words: list[str] = [settings.kind]
    words += [f"encoder `{settings.encoder}`"] if settings.encoder else []
    words += [f"{settings.tile_px} pixels"] if settings.tile_px else []
    words += [f"{', '.join(f'{mpp:g}' for mpp in settings.mpp)} microns per pixel"] if settings.mpp else []
    words += ["on the tiles of the file"] if settings.align == "tiles" else []
    words += ["by JPEG scaling"] if settings.resampler == "dct" else []
    return ", ".join(words)


def _protocols(card: DatasetCard) -> Iterator[Sequence[str]]:
    for name, protocol in card.protocols.items():
        default = " (default)" if name == card.default_protocol else ""
        yield f"`{name}`{default}", protocol.title, "yes" if protocol.ranked else "no", protocol.note


def _set_row(named: tuple[str, FeatureSetCard]) -> Sequence[str]:
    name, card = named
    width = "unknown" if card.dim is None else f"{card.dim:,}"
    encoder = card.encoder if card.encoder == "unknown" else f"`{card.encoder}`"
    return f"`{name}`", card.title, f"`{card.hub}`", encoder, width, _GATED[card.gated], card.licence, card.note


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(
        "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in line) + " |" for line in lines
    )


def write_pages(folder: Path, names: Iterable[str]) -> None:
    """Write ``folder/NAME.md`` for every dataset and ``folder/README.md``, which lists them.

    Raises:
        BenchError: there is no such dataset, or its card is wrong.
    """
    datasets = [find_dataset(name, place="DATASET") for name in names]
    pages = {f"{dataset.card.name}.md": dataset_page(dataset) for dataset in datasets}
    rows = (
        (
            f"[{card.name}]({card.name}.md)",
            card.title,
            f"{card.counts.get('slides', len(dataset.entries)):,}",
            card.task,
        )
        for dataset in datasets
        for card in [dataset.card]
    )
    listed = _table(("name", "title", "slides", "task"), rows)
    pages["README.md"] = f"{_MADE}\n\n# Datasets that come with the package\n\n{listed}\n"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages.items():
        with replacing(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    own = [one.name for one in list_datasets() if one.origin.startswith("the package")]
    write_pages(Path(sys.argv[1]), sys.argv[2:] or own)
