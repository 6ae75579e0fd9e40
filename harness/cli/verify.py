"""``bench verify``: recompute what a runs folder says, and name all that differs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.completion import offer
from harness.cli.options import Out, Plugins
from harness.cli.table_options import exportable
from harness.core import console
from harness.core.errors import BenchError, DataError
from harness.core.table import Column, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.results.store import RunStore
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
    from harness.results.find_study import find_study
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
            found.append(_with_signature(verifier.study(study), store, study))
            bar.advance()
    found = _with_chain(found, store)
    if _show(found, studies, broken):
        raise typer.Exit(1)


def _with_signature(found: Verification, store: RunStore, study: Study) -> Verification:
    """What was found, and whether the study is still what was signed, if it was."""
    from harness.bundles.attestation import check_signed
    from harness.verification.finding import Finding

    if not study.records:
        return found
    try:
        check_signed(store, study)
    except BenchError as error:
        finding = Finding.of("signature", f"{study.study_id}, attestation.json", error.problem)
        return replace(found, findings=(*found.findings, finding))
    return found


def _with_chain(found: list[Verification], store: RunStore) -> list[Verification]:
    """What was found, and where the access log is no chain any more: that is nobody's study, and stands by itself."""
    from harness.results.access_chain import chain_problems
    from harness.results.access_log import FILE
    from harness.verification.finding import Finding, Verification

    problems = chain_problems(store.root / FILE)
    if not problems:
        return found
    findings = [
        Finding.of("chain", f"{FILE}, line {number}", problem, shown, true) for number, problem, shown, true in problems
    ]
    return [*found, Verification("access log", tuple(findings))]


def _show(found: Sequence[Verification], studies: Sequence[Study], broken: Sequence[Broken]) -> bool:
    """Show what was found; whether anything is wrong."""
    told = {unit for study in studies for unit in study.damaged}
    by_id = {study.study_id: study for study in studies}
    rows = [row for one in found for row in _rows(one, by_id.get(one.study_id))]
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


def _rows(found: Verification, study: Study | None) -> list[dict[str, Any]]:
    row: dict[str, Any] = {"study": found.study_id, "status": found.status}
    if study is not None:
        planned = "?" if study.planned is None else len(study.planned)
        row["units"] = f"{len(study.records)}/{planned}"
    if not found.findings:
        return [{**row, "problem": found.reason}]
    return [
        {**row, "check": one.code, "place": one.place, "problem": one.problem, "shown": one.shown, "true": one.true}
        for one in found.findings
    ]


def _short(text: str | None) -> str:
    return "" if not text else text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."


_LONGEST = 24
