"""``bench regress``: rerun the references and hold them against their bands."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.options import Cache, DataRoot, Out, Plugins, folder_option
from harness.cli.reference import Bands, references_of_file
from harness.cli.table_options import exportable
from harness.core import console
from harness.core.atomic import write_text
from harness.core.errors import RegressionError
from harness.core.folders import writable_folder
from harness.core.suggest import unknown

if TYPE_CHECKING:
    from harness.gate.night import Night
    from harness.gate.reference import Reference

SUMMARY = "GITHUB_STEP_SUMMARY"
"""Variable with the file whose Markdown GitHub shows on the page of a workflow's run."""


@exportable
def regress(
    suite: Annotated[
        Path | None, typer.Option(help="YAML file with the references (default: those that come with the package).")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="Run this method, or METHOD-DATASET, only. Repeatable.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**62, help="First of the fresh seeds (default: another one every day).")
    ] = None,
    bands: Bands = None,
    junit: Annotated[Path | None, folder_option("--junit", "File for the outcome as JUnit XML.")] = None,
    summary: Annotated[
        Path | None,
        folder_option(
            "--summary", f"File for the outcome as Markdown (also written to ${SUMMARY}, where that is set)."
        ),
    ] = None,
    out: Out = None,
    data_root: DataRoot = None,
    cache: Cache = None,
    plugin: Plugins = None,
) -> None:
    """Rerun the reference studies with fresh seeds; red where a score, a time or a memory is beyond its band.

    One seed of each is run, and more of what is suspicious. Nothing is taken over from earlier runs, since a silent
    fault changes no version. The runs are kept in a folder of --out (default: runs/regress) where something is red.
    """
    from harness.gate.report import headline, junit_of, markdown_of, table_of

    for path in (junit, summary):
        if path is not None:
            writable_folder(path.parent, "--junit" if path is junit else "--summary")
    options = {"out": out or Path("runs/regress"), "data_root": data_root, "cache": cache}
    references = _chosen(references_of_file(suite, options), only)
    folder = options["out"] / datetime.now(UTC).strftime("night-%Y%m%d-%H%M%S-%f")  # type: ignore[operator]
    found = _judged(references, folder, bands, seed)
    console.show(table_of(found))
    for note in found.notes:
        console.note(note)
    text = markdown_of(found)
    if junit is not None:
        write_text(junit, junit_of(found))
    if summary is not None:
        write_text(summary, text)
    if page := os.environ.get(SUMMARY):
        with Path(page).open("a", encoding="utf-8") as file:
            file.write(text)
    if not found.red:
        shutil.rmtree(folder, ignore_errors=True)
        console.say(headline(found))
        return
    reasons = [f"{one.reference}: {one.error.problem}" for one in found.problems]
    reasons += [f"{one.reference}: {one.words}" for one in found.judged if one.red]
    raise RegressionError(
        "; ".join(reasons) or "nothing was measured",
        place=str(folder),
        fix="undo what changed it; or, if the change is meant, make the bands again: bench reference make",
    )


def _judged(references: Sequence[Reference], folder: Path, bands: Path | None, seed: int | None) -> Night:
    """Run the night."""
    from harness.gate.band import Band, default_folder
    from harness.gate.measure import measuring
    from harness.gate.night import judge, seed_of

    base = bands or default_folder()
    first = seed_of(datetime.now(UTC).date()) if seed is None else seed
    with measuring(folder, references) as measurer:
        return judge(references, lambda one: Band.read(base / f"{one.name}.json"), run=measurer.measure, seed=first)


def _chosen(references: Sequence[Reference], only: Sequence[str] | None) -> list[Reference]:
    """Those that ``--only`` names; all without it.

    Raises:
        UsageError: a name that is none of theirs.
    """
    names: Mapping[str, Any] = {name: one for one in references for name in (one.name, one.resolved.method_card.name)}
    for name in only or ():
        if name not in names:
            raise unknown("reference", name, names, place="--only", listing="bench reference show")
    return [one for one in references if not only or {one.name, one.resolved.method_card.name} & set(only)]
