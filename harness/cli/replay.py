"""``bench replay``: what a study would have reported with fewer trials, seeds or folds, or another rule."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.completion import offer
from harness.cli.options import Out, Plugins
from harness.cli.stored import stored_study
from harness.cli.table_options import exportable
from harness.core import console
from harness.core.options import numbers
from harness.core.table import Column, Table

if TYPE_CHECKING:
    from harness.studies.replay import Replayed


@exportable
def replay(
    study: Annotated[
        str,
        typer.Argument(help="Study id, a beginning of it, or of the hash at its end.", autocompletion=offer("studies")),
    ],
    trials: Annotated[int | None, typer.Option(min=1, help="The first so many trials of every search.")] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="The first so many seeds.")] = None,
    fold: Annotated[list[str] | None, typer.Option("--fold", help="Folds: 3, 0-4 or 0,2. Repeatable.")] = None,
    select: Annotated[str | None, typer.Option(help="Rule for the epoch: best-val or last-epoch.")] = None,
    threshold: Annotated[str | None, typer.Option(help="Rule for the decision: validation or argmax.")] = None,
    out: Out = None,
    plugin: Plugins = None,
) -> None:
    """Recompute what a study would have reported with fewer trials, seeds or folds, or another rule.

    From stored trials and predictions; nothing is trained. What they do not allow is refused, with what to run instead.
    A replay is never ranked, and each of its units counts as a test-set access.
    """
    from harness.core.suggest import unknown
    from harness.results.store import RunStore
    from harness.studies.replay import Rules
    from harness.studies.replay import replay as recompute

    if threshold not in {None, "validation", "argmax"}:
        raise unknown(
            "rule", str(threshold), ["validation", "argmax"], place="--threshold", listing="bench replay --help"
        )
    store = RunStore(out or Path("runs"))
    rules = Rules(trials, seeds, None if not fold else numbers(fold, "--fold"), select, threshold)
    _show(recompute(store, stored_study(store, study, place="bench replay"), rules))


def _show(found: Replayed) -> None:
    from harness.results.study_table import duration_text, interval_text, known

    limits = ("value", "low", "high")
    rows = []
    for name, score in found.metric_scores.scores.items():
        both = {"": score, "actual_": found.actual.scores[name]}
        row = {f"{kind}{key}": known(getattr(one, key)) for kind, one in both.items() for key in limits}
        change = None if row["value"] is None or row["actual_value"] is None else row["value"] - row["actual_value"]
        rows.append({"metric": name, **row, "change": change, "study_id": found.study.study_id, "ranked": False})
    columns = [
        Column("metric"),
        Column("actual [95 % interval]", tuple(f"actual_{key}" for key in limits), interval_text),
        Column("replay [95 % interval]", limits, interval_text),
        Column("change", text=lambda x: "" if x is None else f"{x:+.3f}", right=True),
    ]
    units = console.count(len(found.units), "unit")
    caption = f"replay of {units} of {len(found.study.records)}; never ranked"
    console.show(Table(f"{found.study.study_id}: replay", columns, rows, caption))
    if found.chosen and not console.keeping():
        console.show(
            Table(
                "What each search chooses",
                [
                    Column("fold"),
                    Column("trials", right=True),
                    Column("trial chosen", ("trial",), right=True),
                    Column("validation score", ("value",), right=True),
                    Column("the study's trial", ("actual",), right=True),
                    Column("device time", ("device_s",), duration_text, right=True),
                ],
                [vars(one) for one in found.chosen],
            )
        )
    if found.same:
        console.say("the study's own protocol: these are the numbers that it has reported")
    else:
        console.say(f"{found.accesses} test-set accesses were noted in test_accesses.jsonl; a replay is never ranked")
