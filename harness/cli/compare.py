"""``bench compare``: two studies on the same slides, and the paired difference between them."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.damaged import show_damaged
from harness.cli.options import Out, Plugins
from harness.core import console
from harness.core.errors import DataError

if TYPE_CHECKING:
    from harness.evaluation.bootstrap import Difference
    from harness.results.compare import Comparison
    from harness.results.summary import Summary


def compare(
    first: Annotated[str, typer.Argument(help="Study id, a beginning of it, or of the hash at its end.")],
    second: Annotated[str, typer.Argument(help="The study to compare with it.")],
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
    from harness.results.study_table import interval_text

    for letter, summary in (("A", found.first), ("B", found.second)):
        console.say(f"{letter}  {_described(summary)}")
    settings = [f"{name} {_value(a)} → {_value(b)}" for name, (a, b) in found.changed.items()]
    console.say(f"A → B: {', '.join(settings) or 'the same settings'}")
    rows = []
    for name, difference in found.differences.items():
        scores = [summary.scores.scores[name] for summary in (found.first, found.second) if summary.scores]
        shown = [interval_text(*map(_known, (score.value, score.low, score.high))) for score in scores]
        rows.append((name, *shown, *_difference(difference)))
    scores_of = found.first.scores
    assert scores_of is not None
    console.table(
        f"{found.first.study.dataset}, {console.count(len(found.first.study.records), 'unit')} each",
        ["metric", "A [95 % interval]", "B [95 % interval]", "B - A [95 % interval]", ">p"],
        rows,
        caption=f"{scores_of.resamples} paired bootstrap resamples of {scores_of.patients} patients; p two-sided, "
        "not corrected for the number of metrics",
    )


def _described(summary: Summary) -> str:
    from harness.results.leaderboard import units_text
    from harness.results.study_table import SLIDE_LABELS, input_text, labels_text

    study, labels = summary.study, labels_text(summary.study)
    # What was learnt from pixel masks or reports must not pass for weak supervision.
    more = "" if labels == SLIDE_LABELS else f", learnt from {labels}"
    more += f", input {differs}" if (differs := input_text(study)) else ""
    return f"{study.study_id} ({units_text(study)} units{more})"


def _difference(difference: Difference) -> tuple[str, str]:
    limits = (difference.interval.low, difference.interval.high)
    if not math.isfinite(difference.value):
        return "undefined", ""
    shown = f"{difference.value:+.3f}"
    if all(map(math.isfinite, limits)):
        shown += f" [{limits[0]:+.3f}, {limits[1]:+.3f}]"
    return shown, f"{difference.p_value:.3f}" if math.isfinite(difference.p_value) else ""


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _value(value: Any) -> str:
    if isinstance(value, str) and re.fullmatch(r"[0-9a-f]{64}", value):
        return value[:12]
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
