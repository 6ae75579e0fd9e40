"""``bench leaderboard submit`` and ``verify``: a study's evidence as one file, and its verification by anybody."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.completion import offer
from harness.cli.options import Out, Plugins
from harness.cli.stored import stored_study
from harness.cli.table_options import exportable
from harness.core import console
from harness.core.errors import BenchError, DataError
from harness.core.table import Column, Table

if TYPE_CHECKING:
    from harness.bundles.verify import BundleReport
    from harness.datasets.dataset import Dataset

DatasetOption = Annotated[
    str | None, typer.Option(help="Name or folder of the dataset to compare with (default: by name, if it is here).")
]


def submit(
    study: Annotated[
        str,
        typer.Argument(help="Its id, a beginning of it, or of its hash.", autocompletion=offer("studies")),
    ],
    out_file: Annotated[
        Path | None, typer.Option("--out-file", help="File to write (default: STUDY.wsibundle in this folder).")
    ] = None,
    entry: Annotated[
        bool,
        typer.Option("--entry", help="Write a folder of text files below leaderboards/entries, for a pull request."),
    ] = False,
    dataset: DatasetOption = None,
    out: Out = None,
    plugin: Plugins = None,
) -> None:
    """Pack the records, predictions and curves of a complete study: no slides, features, weights or private paths.

    The study is verified first. The same study gives the same bytes, on any machine.
    """
    from harness.bundles.archive import SUFFIX, pack, write_folder
    from harness.bundles.entries import ENTRIES
    from harness.bundles.members import MANIFEST
    from harness.bundles.submit import bundle_of
    from harness.bundles.verify import verify_members
    from harness.core.atomic import replacing
    from harness.core.reading import parse_json, size_text
    from harness.results.store import RunStore

    store = RunStore(out or Path("runs"))
    found = stored_study(store, study, place="bench leaderboard submit, STUDY")
    members = bundle_of(store, found)
    report = verify_members(members, found.study_id, dataset=_dataset(dataset))
    if not report.accepted:
        _show([report])
        raise DataError(
            f"the study is not verified: {report.verification.reason}",
            place=found.study_id,
            fix=f"bench verify {found.study_id} says what differs; a bundle of it would be refused",
        )
    if entry:
        target = ENTRIES / found.dataset / found.study_id
        write_folder(members, target)
    else:
        target = out_file or Path(f"{found.study_id}{SUFFIX}")
        with replacing(target) as temporary:
            temporary.write_bytes(pack(members))
    size = sum(map(len, members.values()))
    console.say(f"{console.count(report.units, 'unit')} of {found.study_id}, {size_text(size)}: {target}")
    for field in parse_json(members[MANIFEST])["left_out"]:
        console.note(f"left out, as it holds a path or the name of a user or machine: {field}")


@exportable
def verify(
    bundles: Annotated[list[Path], typer.Argument(help="Bundles, folders of entries, or folders of such folders.")],
    dataset: DatasetOption = None,
    signer: Annotated[
        Path | None, typer.Option(help="Public key (.pub) that has to have signed them.", exists=True, dir_okay=False)
    ] = None,
    plugin: Plugins = None,
) -> None:
    """Recompute every number of bundles from their predictions; exit 1 where one is refused, with the true value."""
    from harness.bundles.keys import public_identity
    from harness.bundles.verify import verify_bundle

    wanted = None if signer is None else public_identity(signer)
    paths = [found for path in bundles for found in _below(path)]
    known = _dataset(dataset)
    reports: list[BundleReport] = []
    problems: list[BenchError] = []
    with console.progress("bundles", len(paths)) as bar:
        for path in paths:
            try:
                report = verify_bundle(path, dataset=known)
                reports.append(report)
                if wanted is not None and report.signed_by != wanted:
                    by = report.signed_by or "nobody"
                    problems.append(
                        DataError(f"it is signed by {by}, not by {wanted}", place=str(path), fix="ask who made it")
                    )
            except BenchError as error:
                problems.append(error)
            bar.advance()
    if reports:
        _show(reports)
    for problem in problems[:-1]:
        console.warn(f"{problem.problem} ({problem.place})")
    if problems:
        raise problems[-1]
    if not all(report.accepted for report in reports):
        raise typer.Exit(1)


def _below(path: Path) -> list[Path]:
    """The bundles that a path stands for: itself, or all entries below a folder."""
    from harness.bundles.members import MANIFEST

    if not path.exists():
        raise DataError("there is no such bundle", place=str(path), fix="name a file, an entry or a folder of entries")
    if path.is_file() or (path / MANIFEST).exists():
        return [path]
    found = sorted(one.parent for one in path.rglob(MANIFEST))
    if not found:
        raise DataError(
            f"no folder in it has a {MANIFEST}", place=str(path), fix="name a bundle, or a folder of entries"
        )
    return found


def _dataset(name: str | None) -> Dataset | None:
    from harness.datasets.catalog import find_dataset

    return None if name is None else find_dataset(name)


def _show(reports: list[BundleReport]) -> None:
    columns = [
        Column("study"),
        Column("status"),
        Column("units", right=True),
        Column("score", text=str, right=True),
        Column("signed by", ("signed_by",), lambda value: value[:12] if value else ""),
        Column("where", ("place",)),
        Column("what", ("problem",)),
        Column("stands there", ("shown",)),
        Column("true value", ("true",)),
    ]
    rows = [row for report in reports for row in _rows(report)]
    accepted = sum(report.accepted for report in reports)
    caption = f"{accepted} of {console.count(len(reports), 'bundle')} verified"
    console.show(Table("Bundles", columns, rows, caption))


def _rows(report: BundleReport) -> list[dict[str, Any]]:
    name, value = next(iter(report.scores.items()))
    found = report.verification
    row = {
        "study": report.study_id,
        "status": found.status,
        "units": report.units,
        "score": f"{name} {value:.4f}",
        "signed_by": report.signed_by,
    }
    if not found.findings:
        return [{**row, "place": "", "problem": found.reason, "shown": "", "true": ""}]
    return [
        {**row, "place": one.place, "problem": one.problem, "shown": one.shown, "true": one.true}
        for one in found.findings
    ]
