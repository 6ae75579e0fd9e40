"""``bench reference``: bands of reference scores, from seeded runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.options import config_file, folder_option
from harness.cli.study_options import NAMES, merged, plugins, with_options
from harness.cli.table_options import exportable
from harness.core import console
from harness.core.errors import UnitFailedError, UsageError
from harness.core.options import folder
from harness.core.table import Column, Table

if TYPE_CHECKING:
    from harness.gate.band import Band
    from harness.gate.reference import Reference

app = typer.Typer(no_args_is_help=True, help="Bands of reference scores, which bench regress holds reruns against.")

Bands = Annotated[
    Path | None, folder_option("--bands", "Folder of the bands (default: those that come with the package).")
]
SEEDS = 20


@app.command("make")
@with_options()
def make(
    options: dict[str, Any],
    *,
    context: typer.Context,
    suite: Annotated[
        Path | None,
        typer.Argument(metavar="SUITE", help="YAML file with the references, as for bench run --config."),
    ] = None,
    bands: Bands = None,
) -> None:
    """Run references with 20 seeds or more, and write a band for each.

    Without a file and without --method, the references that come with the package. An interrupted command continues
    where it stopped. --out keeps the runs (default: runs/reference).
    """
    from harness.gate.band import FEWEST_RUNS, Band, default_folder
    from harness.gate.make import make_bands

    seeds = options.get("seeds") or SEEDS
    if options.get("seed") is not None:
        raise UsageError("a band has the seeds from 0 on", place="--seed", fix="give --seeds N, or leave it out")
    if seeds < FEWEST_RUNS:
        raise UsageError(
            f"a band of {seeds} seeds says too little about the spread",
            place="--seeds",
            fix=f"give {FEWEST_RUNS} or more",
        )
    out = folder(options.get("out") or "runs/reference", "--out")
    references = references_of_file(suite, options | {"seeds": None, "out": out})
    found = list(
        make_bands(references, range(seeds), out=out, bands=bands or default_folder(), command=_command(context.obj))
    )
    made = [one for one in found if isinstance(one, Band)]
    if made:
        console.show(band_table(made))
    if failed := [one[0] for one in found if not isinstance(one, Band)]:
        raise UnitFailedError(
            f"{', '.join(failed)} failed; the others are done",
            place=str(out),
            fix="read the reasons above; the same command runs only what is missing",
        )


@app.command("show")
@exportable
def show(bands: Bands = None) -> None:
    """The bands that are there: mean and spread of scores and costs over the seeds."""
    from harness.gate.band import Band, default_folder

    folder = bands or default_folder()
    files = sorted(folder.glob("*.json"))
    if not files:
        raise UsageError("there are no bands", place=str(folder), fix="make them: bench reference make")
    console.show(band_table([Band.read(file) for file in files]))


def references_of_file(suite: Path | None, options: Mapping[str, Any]) -> list[Reference]:
    """The references of a file, or those that come with the package; options of the command line win.

    Raises:
        UsageError: the file, a name or a value is wrong.
    """
    from harness.api.registry import use_plugin
    from harness.cli.suite import resolved
    from harness.core.resources import package_data
    from harness.gate.reference import references_of
    from harness.studies.suite import NAMES as SUITE_NAMES
    from harness.studies.suite import combinations

    if suite is None and not (options.get("method") and options.get("dataset")):
        suite = package_data("leaderboards/reference") / "suite.yaml"
    found = merged(options, config_file(suite, (*NAMES, *SUITE_NAMES)) if suite else {})
    for spec in plugins(found):
        use_plugin(spec)
    return references_of(resolved(combinations(found)))


def _command(words: Sequence[str]) -> list[str]:
    """What was typed, without the folders, which say nothing about the band."""
    found = ["bench"]
    left_out = False
    for word in words:
        if not left_out and word.partition("=")[0] not in _FOLDERS:
            found.append(word)
        left_out = word in _FOLDERS
    return found


_FOLDERS = ("--out", "--bands", "--cache", "--data-root")


def band_table(bands: list[Band]) -> Table:
    """The bands as a table."""
    rows = [
        {"reference": band.name, "seeds": len(band.runs), "metric": name, **values, "made": band.made}
        for band in bands
        for name, values in band.summary().items()
    ]
    columns = [
        Column("reference"),
        Column("seeds", right=True),
        Column("metric"),
        *(Column(name, text=lambda value: "" if value is None else f"{value:.4g}", right=True) for name in _NUMBERS),
        Column("made"),
    ]
    caption = "cpu_ratio: CPU time of a unit in calibration loops; peak_rss_mb: its largest resident set"
    return Table("Bands of reference scores", columns, rows, caption)


_NUMBERS = ("mean", "std")
