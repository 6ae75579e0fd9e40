"""``bench run`` on several methods, datasets, encoders or presets: one piece of work, one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.cli.study_options import check_folders, study_config
from harness.core import console
from harness.core.errors import BenchError, UnitFailedError
from harness.core.table import Column, Table

if TYPE_CHECKING:
    from harness.results.store import RunStore
    from harness.studies.config import StudyConfig
    from harness.studies.resolve import ResolvedStudy
    from harness.studies.run_suite import SuiteResult

Studies = Sequence[tuple["ResolvedStudy", "StudyConfig"]]


def run(every: Sequence[Mapping[str, Any]], *, dry_run: bool) -> None:
    """Run the studies of a suite.

    Args:
        every: the options of each.
        dry_run: only show them.

    Raises:
        UnitFailedError: a unit failed, or a study could not be run; the others are done.
    """
    studies = resolved(every)
    if dry_run:
        _show_plan(studies)
        return
    for _, config in studies:
        check_folders(config)

    from harness.results.store import RunStore
    from harness.studies.run_suite import run_suite

    result = run_suite(studies)
    _show(result, RunStore(studies[0][1].out), studies[0][1])
    failed = sum(one.n_failed + len(one.lost) for one in result.studies)
    if failed or result.refused:
        problems = [console.count(failed, "unit")] * bool(failed)
        problems += [console.count(len(result.refused), "study")] * bool(result.refused)
        raise UnitFailedError(
            f"{' and '.join(problems)} failed; the others are done",
            place=str(studies[0][1].out),
            fix="read the reasons above; the same command runs only what is missing",
        )


def resolved(every: Sequence[Mapping[str, Any]]) -> Studies:
    """The studies, each once, with every default filled in.

    Raises:
        BenchError: a combination cannot be run; it is named.
    """
    from harness.studies.resolve import resolve
    from harness.studies.suite import name_of

    found: dict[str, tuple[ResolvedStudy, StudyConfig]] = {}
    for options in every:
        try:
            config = study_config(options)
            one = resolve(config)
        except BenchError as error:
            error.place = f"{name_of(options)}, {error.place}"
            error.fix += "; or leave this combination out with `exclude` in a --config file (docs/suites.md)"
            raise
        if one.study_id in found:
            console.note(f"{name_of(options)} is a study of the suite already")
        found.setdefault(one.study_id, (one, config))
    return list(found.values())


def _show_plan(studies: Studies) -> None:
    columns = [
        *(Column(name) for name in ("dataset", "method", "encoder", "preset", "protocol")),
        Column("units", right=True),
    ]
    rows = [
        {
            "dataset": one.dataset.card.name,
            "method": one.method_card.name,
            "encoder": one.input.encoder,
            "preset": one.preset,
            "protocol": one.protocol_name,
            "units": len(one.units),
        }
        for one, _ in studies
    ]
    total = sum(len(one.units) for one, _ in studies)
    title = f"{console.count(len(studies), 'study')}, {console.count(total, 'unit')} (nothing was run)"
    console.show(Table(title, columns, rows))


def _show(result: SuiteResult, store: RunStore, config: StudyConfig) -> None:
    from harness.cli.leaderboard_table import suite_table
    from harness.cli.outcome import show_next
    from harness.results.leaderboard import leaderboard
    from harness.results.ties import group_ties

    board = leaderboard(store, studies=[one.study_id for one in result.studies])
    letters: dict[str, str] = {}
    for group in board.groups:
        try:
            letters |= group_ties(store, group)
        except BenchError as error:
            console.warn(f"{error.place}: no tie groups: {error.problem}")
    console.say()
    console.show(suite_table(board, letters))
    for one in result.studies:
        for metric, words in one.undefined.items():
            console.warn(f"{one.study_id}: {metric} is {words}")
    done, reused, failed = (sum(getattr(one, name) for one in result.studies) for name in _COUNTS)
    console.say(f"  {console.count(done, 'unit')} done, {reused} of them from before, {failed} failed")
    show_next({"evidence": config.out}, config.out)


_COUNTS = ("n_done", "n_reused", "n_failed")
