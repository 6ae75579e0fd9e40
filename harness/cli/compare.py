"""``bench compare``: studies on the same slides, the paired differences between them, and what they mean."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.compare_tables import cost_table, difference_text, fold_table, pair_table, study_table, variance_table
from harness.cli.completion import offer
from harness.cli.damaged import warn_unverified
from harness.cli.options import DataRoot, Out, Plugins, finite
from harness.cli.stored import stored_studies
from harness.cli.table_options import exportable
from harness.core import console
from harness.core.errors import UsageError
from harness.core.suggest import unknown
from harness.core.table import Column, Table

if TYPE_CHECKING:
    from harness.results.comparison.many import ComparedStudies
    from harness.results.comparison.two import Comparison
    from harness.results.store import RunStore
    from harness.results.studies import Study
    from harness.results.summary import Summary

_PLACES = ("FIRST", "SECOND")
_TABLES = ("scores", "pairs", "folds", "costs")


_Variance = Annotated[
    bool,
    typer.Option("--variance", help="Say what scores vary by (seed, fold, patients), and how many seeds it takes."),
]
_UntilDecided = Annotated[
    bool, typer.Option("--until-decided", help="Run further seeds and repeats of two studies until one is better.")
]
_Budget = Annotated[str | None, typer.Option(help="What --until-decided may spend: 5h, 90m, 2gpu-h or 20cpu-h.")]


@exportable
def compare(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="FIRST SECOND [MORE]",
            help="Studies: an id, a beginning of it, or of the hash at its end.",
            autocompletion=offer("studies"),
        ),
    ],
    metric: Annotated[str | None, typer.Option(help="Score to compare in (default: the first of the task).")] = None,
    margin: Annotated[
        float | None,
        typer.Option(help="Largest loss that does not matter: says which study is not inferior.", callback=finite),
    ] = None,
    test: Annotated[
        str, typer.Option(help="What p-values rest on: bootstrap, delong, mcnemar or resampled-t.")
    ] = "bootstrap",
    table: Annotated[
        str | None, typer.Option("--table", help="Show this table alone: scores, pairs, folds or costs.")
    ] = None,
    variance: _Variance = False,
    until_decided: _UntilDecided = False,
    budget: _Budget = None,
    max_seeds: Annotated[int, typer.Option("--max-seeds", min=1, help="Seeds that it may come to (default: 50).")] = 50,
    device: Annotated[str, typer.Option(help="Where it runs: auto, cpu, cuda or cuda:N.")] = "auto",
    data_root: DataRoot = None,
    out: Out = None,
    plugin: Plugins = None,
) -> None:
    """Compare studies on the same slides: every difference with its 95 % interval, p-value, and what it means.

    Each bootstrap resample draws the same patients in all studies, so the interval is that of the difference. p-values
    are corrected for the number of pairs (Holm). Of two studies all scores are shown.
    """
    from harness.results.comparison.many import compare_many
    from harness.results.store import RunStore
    from harness.tasks.metric_registry import ask_for

    if table is not None and table not in _TABLES:
        raise unknown("table", table, _TABLES, place="--table", listing="bench compare --help")
    store = RunStore(out or Path("runs"))
    if metric is not None:
        ask_for(metric)
    studies = named(store, names)
    if until_decided:
        found = _decided(store, studies, test, budget, metric, margin, max_seeds, device, data_root)
    else:
        if budget is not None:
            raise UsageError("nothing is run", place="--budget", fix="add --until-decided, or leave it out")
        found = compare_many(store, studies, metric=metric, test=test, margin=margin)  # type: ignore[arg-type]
    warn_unverified(store, [one.study for one in found.summaries])
    if variance:
        _show_variance(store, found, margin)
    elif table in _TABLE_OF:
        console.show(_TABLE_OF[table](found))
    else:
        _show_all(store, found, scores_only=table == "scores")


def _show_all(store: RunStore, found: ComparedStudies, *, scores_only: bool) -> None:
    """Scores, differences, what they mean, and costs; to programs one table of these."""
    from harness.results.comparison.two import Comparison, changed

    several = len(found.summaries) > 2
    if not several:
        first, second = found.summaries
        _show(Comparison(first, second, found.differences, changed(first.study, second.study)))
    elif scores_only or not console.keeping():
        console.show(study_table(found, [_described(one) for one in found.summaries]))
    if scores_only:
        return
    if several:
        console.show(pair_table(found))
    for one in found.statements:
        console.say(one.text)
    if not console.keeping():
        console.show(cost_table(found))


def _show_variance(store: RunStore, found: ComparedStudies, margin: float | None) -> None:
    from harness.results.comparison.variance import compare_variance, seed_sentences

    split = compare_variance(store, found, margin)
    console.show(variance_table(found, split))
    for line in seed_sentences(split):
        console.say(line)


def _decided(
    store: RunStore,
    studies: list[Study],
    test: str,
    budget: str | None,
    metric: str | None,
    margin: float | None,
    max_seeds: int,
    device: str,
    data_root: Path | None,
) -> ComparedStudies:
    """Run until it is decided; see :mod:`harness.cli.until_decided`.

    Raises:
        UsageError: more than two studies, another test, or no budget.
    """
    from harness.cli.until_decided import decide
    from harness.results.comparison.two import check_comparable_data

    if len(studies) != 2:
        raise UsageError("only two studies can be decided between", place="--until-decided", fix="name two")
    if test != "bootstrap":
        raise UsageError(f"{test} cannot be looked at after every run", place="--test", fix="leave it out")
    if budget is None:
        raise UsageError("there is no budget", place="--until-decided", fix="say what may be spent: --budget 5h")
    check_comparable_data(studies)
    pair = studies[0], studies[1]
    return decide(
        store,
        pair,
        budget=budget,
        metric=metric,
        margin=margin,
        seeds=max_seeds,
        device=device,
        data_root=data_root,
    )


_TABLE_OF = {"pairs": pair_table, "folds": fold_table, "costs": cost_table}


def named(store: RunStore, names: Sequence[str]) -> list[Study]:
    """The studies that names stand for.

    Raises:
        UsageError: fewer than two, or a name of none or several.
        DataError: the runs folder has none.
    """
    from harness.results.find_study import find_study

    if len(names) < 2:
        raise UsageError("one study alone cannot be compared", place="bench compare", fix="name two studies or more")
    fix = "run two (bench run --method abmil --dataset musk1), or point --out to your runs"
    studies = stored_studies(store, fix=fix)
    places = [*_PLACES, *(f"study {number}" for number in range(3, len(names) + 1))]
    return [
        find_study(studies, word, place=f"bench compare, {place}") for word, place in zip(names, places, strict=False)
    ]


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
        Column("B - A [95 % interval]", ("difference", "difference_low", "difference_high"), difference_text),
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
