"""``bench compare``: two studies on the same slides, and the paired difference between them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.completion import offer
from harness.cli.damaged import show_damaged
from harness.cli.options import Out, Plugins
from harness.cli.table_options import exportable
from harness.core import console
from harness.core.errors import DataError
from harness.core.table import Column, Table

if TYPE_CHECKING:
    from harness.results.compare import Comparison
    from harness.results.summary import Summary


@exportable
def compare(
    first: Annotated[
        str,
        typer.Argument(help="Study id, a beginning of it, or of the hash at its end.", autocompletion=offer("studies")),
    ],
    second: Annotated[str, typer.Argument(help="The study to compare with it.", autocompletion=offer("studies"))],
    out: Out = None,
    plugin: Plugins = None,
) -> None:
    """Compare two studies on the same slides: scores of both, and second minus first with its 95 % interval.

    Each bootstrap resample draws the same patients in both studies, so the interval is that of the difference.
    """
    from harness.results.compare import compare_studies, find_study
    from harness.results.store import RunStore

    store = RunStore(out or Path("runs"))
    studies, broken = store.studies_and_broken()
    show_damaged(broken)
    if not studies:
        raise DataError(
            "there is no study in the runs folder",
            place=str(store.root),
            fix="run two (bench run --method abmil --dataset musk1), or point --out to your runs",
        )
    a, b = (
        find_study(studies, word, place=f"bench compare, {where}")
        for word, where in ((first, "FIRST"), (second, "SECOND"))
    )
    _show(compare_studies(store, a, b))


def _show(found: Comparison) -> None:
    from harness.results.differences import setting_text
    from harness.results.study_table import interval_text

    for letter, summary in (("A", found.first), ("B", found.second)):
        console.say(f"{letter}  {_described(summary)}")
    settings = [f"{name} {setting_text(a)} → {setting_text(b)}" for name, (a, b) in found.changed.items()]
    console.say(f"A → B: {', '.join(settings) or 'the same settings'}")
    columns = [
        Column("metric"),
        Column("A [95 % interval]", ("a", "a_low", "a_high"), interval_text),
        Column("B [95 % interval]", ("b", "b_low", "b_high"), interval_text),
        Column("B - A [95 % interval]", ("difference", "difference_low", "difference_high"), _difference),
        Column("p", ("p_value",), lambda p: "" if p is None else f"{p:.3f}", right=True),
    ]
    scores_of = found.first.scores
    assert scores_of is not None
    title = f"{found.first.study.dataset}, {console.count(len(found.first.study.records), 'unit')} each"
    caption = (
        f"{scores_of.resamples} paired bootstrap resamples of {scores_of.patients} patients; p two-sided, "
        "not corrected for the number of metrics"
    )
    console.show(Table(title, columns, [_row(name, found) for name in found.differences], caption))


def _row(metric: str, found: Comparison) -> dict[str, Any]:
    from harness.results.study_table import known

    row: dict[str, Any] = {"metric": metric}
    for letter, summary in (("a", found.first), ("b", found.second)):
        if summary.scores:
            score = summary.scores.scores[metric]
            row |= {letter: known(score.value), f"{letter}_low": known(score.low), f"{letter}_high": known(score.high)}
    difference = found.differences[metric]
    limits = {f"difference_{side}": known(getattr(difference.interval, side)) for side in ("low", "high")}
    row |= {"difference": known(difference.value), **limits, "p_value": known(difference.p_value)}
    return row | {"study_a": found.first.study.study_id, "study_b": found.second.study.study_id}


def _described(summary: Summary) -> str:
    from harness.results.study_table import SLIDE_LABELS, input_text, labels_text, overlap_text, units_text

    study, labels = summary.study, labels_text(summary.study)
    # What was learnt from pixel masks or reports must not pass for weak supervision.
    more = "" if labels == SLIDE_LABELS else f", learnt from {labels}"
    more += f", input {differs}" if (differs := input_text(study)) else ""
    more += f", encoder {seen}" if (seen := overlap_text(study)) else ""
    units = units_text(len(study.records), None if study.planned is None else len(study.planned), len(study.damaged))
    return f"{study.study_id} ({units} units{more})"


def _difference(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return "undefined"
    return f"{value:+.3f}" + ("" if low is None or high is None else f" [{low:+.3f}, {high:+.3f}]")
