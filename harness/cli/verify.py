"""``bench verify``: recompute what a runs folder says, and name all that differs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.completion import offer
from harness.cli.options import Out, Plugins
from harness.cli.table_options import exportable
from harness.core import console
from harness.core.errors import DataError
from harness.core.table import Column, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.results.studies import Broken, Study
    from harness.verification.finding import Verification


@exportable
def verify(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[STUDY|RUNS]",
            help="A study (its id, a beginning of it, or of its hash) or a runs folder (default: all of --out).",
            autocompletion=offer("studies"),
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(help="Name or folder of the dataset to compare with (default: by name, if it is here)."),
    ] = None,
    out: Out = None,
    plugin: Plugins = None,
) -> None:
    """Recompute hashes, names, plans, rows, decisions, scores and accesses from the files; exit 1 where one differs.

    Nothing is trusted but the files themselves: no index and no cache. An incomplete study is no failure.
    """
    from harness.datasets.catalog import find_dataset
    from harness.results.compare import find_study
    from harness.results.store import RunStore
    from harness.results.verified import Verifier

    is_folder = what is not None and any(Path(what, name).is_dir() for name in ("units", "studies"))
    store = RunStore(Path(what) if is_folder and what else out or Path("runs"))
    studies, broken = store.studies_and_broken()
    if not studies and not broken:
        raise DataError(
            "there is no study in the runs folder",
            place=str(store.root),
            fix="name the folder that has units/ and studies/, or run one (bench run --method abmil --dataset musk1)",
        )
    if what is not None and not is_folder:
        studies, broken = (find_study(studies, what, place="bench verify, STUDY"),), ()
    verifier = Verifier(store, dataset=None if dataset is None else find_dataset(dataset), deep=True)
    found = []
    with console.progress("studies", len(studies)) as bar:
        for study in studies:
            found.append(verifier.study(study))
            bar.advance()
    if _show(found, studies, broken):
        raise typer.Exit(1)


def _show(found: Sequence[Verification], studies: Sequence[Study], broken: Sequence[Broken]) -> bool:
    """Show what was found; whether anything is wrong."""
    told = {unit for study in studies for unit in study.damaged}
    rows = [row for one, study in zip(found, studies, strict=True) for row in _rows(one, study)]
    rows += [
        {"study": "-", "status": "unverified", "check": "unreadable", "place": one.name, "problem": one.reason}
        for one in broken
        if one.name not in told
    ]
    columns = [
        Column("study"),
        Column("status"),
        Column("units", right=True),
        Column("check"),
        Column("where", ("place",)),
        Column("what", ("problem",)),
        Column("stands there", ("shown",), _short),
        Column("true value", ("true",), _short),
    ]
    wrong = sum(row["status"] == "unverified" and bool(row.get("check")) for row in rows)
    sure = sum(one.status == "verified" for one in found)
    caption = f"{sure} of {console.count(len(found), 'study')} verified; {console.count(wrong, 'finding')}"
    console.show(Table("Verification", columns, rows, caption))
    return bool(wrong)


def _rows(found: Verification, study: Study) -> list[dict[str, Any]]:
    done, planned = len(study.records), "?" if study.planned is None else len(study.planned)
    row = {"study": found.study_id, "status": found.status, "units": f"{done}/{planned}"}
    if not found.findings:
        return [{**row, "problem": found.reason}]
    return [
        {**row, "check": one.code, "place": one.place, "problem": one.problem, "shown": one.shown, "true": one.true}
        for one in found.findings
    ]


def _short(text: str | None) -> str:
    return "" if not text else text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."


_LONGEST = 24
