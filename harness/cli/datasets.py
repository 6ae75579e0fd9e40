"""``bench datasets``: which datasets there are, the card of each, whether its data is whole, and making a new one."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.new_dataset import new
from harness.cli.options import Cache, DataRoot, Plugins, Workers, data_root_of
from harness.cli.table_options import exportable
from harness.core import console
from harness.core.folders import expanded, writable_folder
from harness.core.options import LARGEST_SEED
from harness.core.table import Column, Table

if TYPE_CHECKING:
    from harness.datasets.dataset import Dataset
    from harness.protocols.verify import Report

app = typer.Typer(no_args_is_help=True, help="List datasets, show a card, check the data, or make a new dataset.")

Name = Annotated[str, typer.Argument(help="Dataset name, or the path of its folder.")]


@app.command("list")
@exportable
def list_(data_root: DataRoot = None) -> None:
    """List all datasets: from the package, $BENCH_DATASETS and plugins; broken ones with their reason."""
    from harness.datasets.catalog import list_datasets

    catalogue = list_datasets()
    rows = [
        {
            "name": one.name,
            "title": one.dataset.card.title,
            "slides": len(one.dataset.entries),
            "classes": list(one.dataset.card.classes),
            "licence": one.dataset.card.licence.split(".  ")[0].split(". ")[0],
            "data": one.dataset.card.source.readiness(one.dataset, data_root_of(one.name, data_root)),
            "task": one.dataset.card.task,
            "from": one.origin,
        }
        for one in catalogue
        if one.dataset is not None
    ]
    columns = [
        Column("name"),
        Column("title"),
        Column("slides", text=str, right=True),
        Column("classes"),
        Column("licence"),
        Column("data"),
    ]
    console.show(Table("Datasets", columns, rows))
    broken = [
        {
            "name": one.name,
            "from": one.origin,
            "broken": f"{one.problem.problem} (at {one.problem.place}; fix: {one.problem.fix})",
        }
        for one in catalogue
        if one.problem is not None
    ]
    if broken:
        console.show(Table("Broken", [Column("name"), Column("from"), Column("reason", ("broken",))], broken))


@app.command("show")
def show(name: Name, plugin: Plugins = None) -> None:
    """Show a dataset's card: counts, licence, where to get it, protocols and known errata."""
    from harness.datasets.catalog import find_dataset

    dataset = find_dataset(name, place="NAME")
    card = dataset.card
    console.say(card.title, style="bold")
    console.say(card.description)
    console.say()
    facts = {
        "name": card.name,
        "folder": str(dataset.folder),
        **_task(dataset),
        "classes": ", ".join(card.classes),
        "counts": ", ".join(f"{count:,} {what}" for what, count in card.counts.items()),
        "licence": card.licence,
        "get": " ".join(card.get.split()),
        "files": "; ".join(dataset.card.source.files_text()) or "with the card",
        "inputs": "; ".join(_inputs(dataset)),
    }
    if card.presets:
        facts["presets"] = ", ".join(f"{preset} for {method}" for method, preset in card.presets.items())
    if card.feature_sets:
        sets = [f"{name} ({one.encoder}, {one.hub})" for name, one in card.feature_sets.items()]
        facts["features"] = f"{'; '.join(sets)}; see bench features get"
    for fact, value in facts.items():
        console.say(f"  {fact:<10}{value}")
    console.say()
    _protocols(dataset)
    if card.not_duplicates:
        console.say(f"  not duplicates: {'; '.join(f'{one} and {other}' for one, other in card.not_duplicates)}")
    if card.errata:
        console.say()
        errata = [(", ".join(e.slides) or "all", e.what, e.action, e.source) for e in card.errata]
        console.table("Known errata", ["slides", "what", "what is done", "source"], errata)


@app.command("verify")
def verify(
    name: Name,
    data_root: DataRoot = None,
    open_slides: Annotated[
        bool, typer.Option("--open", help="Also open every slide, read from it and ask for its resolution.")
    ] = False,
    full: Annotated[
        bool,
        typer.Option("--full", help="Hash every byte of all files and compare with what is known; can be continued."),
    ] = False,
    plugin: Plugins = None,
) -> None:
    """Compare labels, splits and files with the card. Exit code 2 when something is missing, wrong or has changed.

    A file that differs in size, times or inode from what it was when it was hashed is hashed again in any case.
    """
    from harness.datasets.catalog import find_dataset
    from harness.protocols.verify import verify as check
    from harness.protocols.verify_content import ContentCheck
    from harness.slides.files import slide_files

    dataset = find_dataset(name, place="NAME")
    root = data_root_of(dataset.name, data_root)
    content = ContentCheck(dataset, root, slide_files, full=full)
    opener, compare = dataset.card.source.openers(dataset) if open_slides else (None, None)
    report = check(dataset, root, opener=opener, compare=compare).with_more(content.run())
    for line in report.checked:
        console.say(f"checked  {line}")
    if report.findings:
        _findings(report)
    content.acknowledge()
    if not report.ok:
        raise typer.Exit(2)
    console.say(f"{dataset.name} is as its card says" if not report.findings else f"{dataset.name} can be used")


app.command("new")(new)


@app.command("draw")
def draw(
    name: Annotated[str, typer.Argument(help="A dataset whose card says how it is drawn, or camelyon16-release.")],
    folder: Annotated[
        Path | None,
        typer.Argument(help="Where to draw; becomes the data root (default: where bench run looks for it)."),
    ] = None,
    layout: Annotated[str | None, typer.Option(help="Folder layout of the release: gigadb or aws.")] = None,
    side_px: Annotated[
        int | None, typer.Option(help="Width and height of a slide in pixels (default: the card's).")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=LARGEST_SEED, help="Another seed draws other slides (default: the card's)."),
    ] = None,
    workers: Workers = None,
    cache: Cache = None,
) -> None:
    """Draw slides from a seed: the embedded dataset, or CAMELYON16's file names with tiny slides behind them."""
    import os

    from harness.core.resources import cache_root
    from harness.synthetic import draw as draw_slides
    from harness.synthetic import folder_name

    card = _drawing(name)
    given = {
        key: value for key, value in {"layout": layout, "side_px": side_px, "seed": seed}.items() if value is not None
    }
    settings = {**card, **given}
    drawing = str(card.get("name", name))
    place = (cache or cache_root()) / "drawn" / folder_name(drawing, settings) if folder is None else expanded(folder)
    writable_folder(place, "FOLDER")
    draw_slides(drawing, settings, place, workers=workers or os.cpu_count() or 1)
    if folder is None and card and not given:
        console.say(f"drawn in {place}, where bench run finds it")
    else:
        console.say(f"drawn in {place}; use it with --data-root {shlex.quote(str(place))}")


def _drawing(name: str) -> dict[str, Any]:
    """Name and settings of the drawing on the card of the dataset ``name``; empty where none has one."""
    from harness.datasets.catalog import list_datasets

    found = [
        one.dataset.card.source.drawing() for one in list_datasets() if one.name == name and one.dataset is not None
    ]
    return {key: value for one in found if one is not None for key, value in one.items()}


def _task(dataset: Dataset) -> dict[str, str]:
    """What is predicted, where that is not classes."""
    words = dataset.task.summary()
    return {"task": words} if words else {}


def _inputs(dataset: Dataset) -> list[str]:
    lines = []
    for settings in dataset.card.inputs:
        scales = ", ".join(f"{mpp:g}" for mpp in settings.mpp)
        parts = [f"tiles of {settings.tile_px} px" if settings.tile_px else settings.kind]
        parts += [
            f"at {scales} microns per pixel" * bool(scales),
            f"(encoder {settings.encoder})" * bool(settings.encoder),
        ]
        if settings.kind == "features" and settings.encoder:
            parts.insert(0, "features of")
        if dataset.card.source.reads and not settings.model_fields_set - {"kind"}:
            parts.append("in the published input of the method")
        lines.append(" ".join(part for part in parts if part))
    return lines


def _protocols(dataset: Dataset) -> None:
    rows = []
    for name, protocol in dataset.card.protocols.items():
        splits = dataset.splits(name)
        default = " (default)" if name == dataset.card.default_protocol else ""
        test = sorted({len(fold.test) for fold in splits.folds})
        sizes = f"{len(splits.folds)} x {test[0]}" + (f" to {test[-1]}" if len(test) > 1 else "")
        how = f"fit on {protocol.fit_on}, {protocol.select} epoch"
        how += f", threshold {protocol.threshold}" if dataset.task.thresholded else ""
        scaling = "" if protocol.normalise == "none" else f", scaling {protocol.normalise}"
        ranked = "yes" if protocol.ranked else "no, leaks" if protocol.allow_leaks else "no"
        title = f"{protocol.title}. {' '.join(protocol.note.split())}".strip()
        rows.append((name + default, title, sizes, how + scaling, ranked, splits.sha256[:12]))
    console.table("Protocols", ["name", "what", "folds x tested", "how", "ranked", "split SHA-256"], rows)


def _findings(report: Report) -> None:
    """All errors and warnings; of a long run of one kind, the first twenty and a count."""
    rows: list[tuple[str, str, str, str]] = []
    for kind in dict.fromkeys(finding.kind for finding in report.findings):
        same = [finding for finding in report.findings if finding.kind == kind]
        rows += [(f.severity, f.kind, f.what, f.detail) for f in same[:20]]
        if len(same) > 20:
            rows.append((same[0].severity, kind, f"and {len(same) - 20} more", ""))
    console.table("Findings", ["", "kind", "what", "detail"], rows)
