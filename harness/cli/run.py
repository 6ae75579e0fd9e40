"""``bench run``: train and test one method on one dataset, and say what came out."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.options import config_file
from harness.cli.study_options import NAMES, check_folders, merged, plugins, study_config, with_options
from harness.cli.table_options import exportable
from harness.core import console
from harness.core.errors import MethodError, UnitFailedError, UsageError, shown


@exportable
@with_options()
def run(
    options: dict[str, Any],
    *,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="METHOD DATASET", help="Short for --method and --dataset.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="YAML file with options; the command line wins.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the resolved study and stop.")] = False,
) -> None:
    """Train and test a method on a dataset under a fixed protocol.

    Units that are finished already are not run again; an interrupted one continues. Several methods, datasets, encoders
    or presets, with commas, are a suite: all combinations, and one table.
    """
    from harness.api.registry import use_plugin
    from harness.cli import suite
    from harness.studies.suite import NAMES as SUITE_NAMES
    from harness.studies.suite import combinations

    options |= _named(names or (), options)
    options = merged(options, config_file(config, (*NAMES, *SUITE_NAMES)) if config else {})
    loaded = [name for spec in plugins(options) for name in use_plugin(spec)]
    every = combinations(options)
    _warn_of_broken(loaded, wanted={str(one.get("method")) for one in every})
    if len(every) > 1:
        suite.run(every, dry_run=dry_run)
    else:
        _run(every[0], dry_run=dry_run)


def _named(names: Sequence[str], options: Mapping[str, Any]) -> dict[str, str]:
    """Method and dataset that stand on the line without an option.

    Raises:
        UsageError: there are more words, or one is given twice.
    """
    if len(names) > len(_POSITIONAL):
        raise UsageError(
            f"{shown(names[2])} is neither the method nor the dataset, which are given already",
            place="bench run",
            fix="give the method, the dataset and then options; several names of one kind stand behind commas",
        )
    found = dict(zip(_POSITIONAL, names, strict=False))
    for name, value in found.items():
        if options.get(name) is not None:
            raise UsageError(
                f"the {name} is given twice: {shown(value)} and {shown(options[name])}",
                place="bench run",
                fix=f"leave out {shown(value)}, or --{name}",
            )
    return found


_POSITIONAL = ("method", "dataset")


def _run(options: Mapping[str, Any], *, dry_run: bool) -> None:
    study = study_config(options)
    if not dry_run:
        check_folders(study)

    from harness.cli import outcome
    from harness.studies.resolve import resolve

    resolved = resolve(study)
    if dry_run:
        outcome.show_plan(resolved, study)
        return

    from harness.studies.run import run_study

    result = run_study(resolved, study)
    outcome.show_result(result, resolved, study)
    if result.n_failed:
        raise UnitFailedError(
            f"{console.count(result.n_failed, 'unit')} failed; the others are done",
            place=str(result.paths.get("study", study.out)),
            fix="read the reason above and the unit's log.txt; the same command runs only what is missing",
        )
    if result.lost:
        raise UnitFailedError(
            f"{console.count(len(result.lost), 'unit')} neither done nor failed: {result.lost[0]}"
            + (" ..." if len(result.lost) > 1 else ""),
            place=str(study.out),
            fix=f"bench leaderboard show --out {shlex.quote(str(study.out))} names evidence that cannot be read",
        )


def _warn_of_broken(names: Sequence[str], *, wanted: Collection[str]) -> None:
    """A broken plugin harms no other method, but whoever names it will want to know."""
    from harness.api.registry import find_method

    for name in names:
        if name not in wanted:
            try:
                find_method(name)
            except MethodError as error:
                console.warn(f"{error.problem} ({error.place})")
