"""The tables of ``bench compare``: studies, pairs, folds and costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.core.table import Column, Table

if TYPE_CHECKING:
    from harness.results.comparison.many import ComparedStudies, Statement
    from harness.results.comparison.variance import CompareVariance
    from harness.results.summary import Summary

_TESTS = {
    "bootstrap": "paired bootstrap over {} patients",
    "delong": "DeLong's test on {} patients",
    "mcnemar": "McNemar's test on {} patients, intervals by the paired bootstrap",
    "resampled-t": "corrected resampled t-test over folds",
}


def study_table(found: ComparedStudies, described: Sequence[str]) -> Table:
    """A row per study: its score with the interval, over how many units."""
    from harness.results.comparison.many import letter
    from harness.results.study_table import interval_text, known

    rows = []
    for k, (summary, text) in enumerate(zip(found.summaries, described, strict=True)):
        score = summary.scores.scores[found.metric] if summary.scores else None
        limits = {} if score is None else {"low": known(score.low), "high": known(score.high)}
        value = None if score is None else known(score.value)
        rows.append({"study": letter(k), "is": text, "study_id": summary.study.study_id, "value": value, **limits})
    columns = [
        Column("study"),
        Column("", ("is",)),
        Column(f"{found.metric} [95 % interval]", ("value", "low", "high"), interval_text),
    ]
    units = len(found.summaries[0].study.records)
    title = f"{found.summaries[0].study.dataset}, {units} units each"
    return Table(title, columns, rows)


def pair_table(found: ComparedStudies) -> Table:
    """A row per pair: the difference with its interval, and the corrected p-value."""
    columns = [
        Column("pair", ("pair",)),
        Column("difference [95 % interval]", ("difference", "low", "high"), difference_text),
        Column("p", ("p_value",), p_text, right=True),
        Column("p of the pair alone", ("p_alone",), p_text, right=True),
        Column("found with power .8", ("detectable",), lambda x: "" if x is None else f"{x:.3f}", right=True),
    ]
    if any(one.margin for one in found.statements):
        columns.append(Column("by the margin", ("verdict",)))
    number = len(found.statements)
    corrected = f"p corrected for {number} pairs (Holm)" if number > 1 else "one pair: p needs no correction"
    caption = f"{_TESTS[found.test].format(found.patients)}; {corrected}; intervals are of each pair alone"
    return Table(
        f"Differences in {found.metric}", columns, [_pair_row(one, found) for one in found.statements], caption
    )


def fold_table(found: ComparedStudies) -> Table:
    """A row per unit with the score of every study; the last one pools the folds of a run."""
    from harness.results.comparison.many import letter
    from harness.results.study_table import number_text

    letters = [letter(k) for k in range(len(found.summaries))]
    rows = []
    for row in found.folds:
        more = {f"{b} - A": _minus(row[b], row["A"]) for b in letters[1:]}
        unit = "pooled" if row["fold"] is None else f"r{row['repeat']}f{row['fold']} seed {row['seed']}"
        rows.append({"unit": unit, **row, **more})
    columns = [
        Column("unit"),
        *(Column(name, (name,), number_text, right=True) for name in letters),
        *(Column(f"{b} - A", (f"{b} - A",), _signed, right=True) for b in letters[1:]),
    ]
    caption = "pooled: the score of all folds of a run together, mean over runs"
    return Table(f"{found.metric} by unit", columns, rows, caption)


def cost_table(found: ComparedStudies) -> Table:
    """A row per study: what its units used, and tuning beside."""
    from harness.results.comparison.many import letter
    from harness.results.study_table import duration_text, gpu_hours_text, hours_text, memory_text

    columns = [
        Column("study"),
        Column("GPU-hours", ("gpu", "gpu_hours"), gpu_hours_text, right=True),
        Column("CPU-hours", ("cpu_hours",), hours_text, right=True),
        Column("peak memory", ("peak_memory_mb",), memory_text, right=True),
        Column("wall time", ("wall_s",), duration_text, right=True),
        Column("tuning", ("tuning_device_s",), lambda s: "" if s is None else duration_text(s), right=True),
    ]
    rows = [
        {"study": letter(k), "study_id": one.study.study_id, **vars(one.cost), **_tuning(one)}
        for k, one in enumerate(found.summaries)
    ]
    return Table("Cost", columns, rows, "tuning: device time of its trials, in no other number")


def variance_table(found: ComparedStudies, variance: CompareVariance) -> Table:
    """A row per study: what its score varies by."""
    from harness.results.comparison.variance import variance_rows

    def digits(value: float | None) -> str:
        return "unknown" if value is None else f"{value:.4f}"

    columns = [
        Column("study"),
        Column("seed", ("sd_seed",), digits, right=True),
        Column("fold", ("sd_fold",), digits, right=True),
        Column("patients of a fold", ("sd_patients",), digits, right=True),
        Column("folds", right=True),
        Column("seeds", text=lambda n: f"{n:g}", right=True),
        Column("of the score", ("sd_of_score",), digits, right=True),
    ]
    caption = "standard deviations: between trainings of one fold, between folds beyond their patients, over patients"
    return Table(f"What {found.metric} varies by", columns, variance_rows(found, variance), caption)


def difference_text(value: float | None, low: float | None, high: float | None) -> str:
    """A difference with its sign and interval."""
    if value is None:
        return "undefined"
    return f"{value:+.3f}" + ("" if low is None or high is None else f" [{low:+.3f}, {high:+.3f}]")


def p_text(p_value: float | None) -> str:
    """A p-value with three digits."""
    return "" if p_value is None else f"{p_value:.3f}"


def _pair_row(one: Statement, found: ComparedStudies) -> dict[str, Any]:
    from harness.results.comparison.many import letter
    from harness.results.study_table import known

    pair = one.pair
    names = letter(pair.first), letter(pair.second)
    numbers = {"difference": pair.value, "low": pair.low, "high": pair.high, "p_value": pair.p_value}
    numbers |= {"p_alone": pair.raw, "low_all": pair.low_all, "high_all": pair.high_all, "detectable": pair.detectable}
    verdict = "" if one.margin is None else one.margin[0].verdict
    return {
        "pair": f"{names[1]} - {names[0]}",
        "metric": found.metric,
        **{name: known(value) for name, value in numbers.items()},
        **({"verdict": verdict} if verdict else {}),
        "test": found.test,
        "study_a": found.summaries[pair.first].study.study_id,
        "study_b": found.summaries[pair.second].study.study_id,
        "means": one.text,
    }


def _tuning(summary: Summary) -> dict[str, Any]:
    return {"tuning_device_s": summary.accesses.tuning_device_s, "tuning_trials": summary.accesses.trials}


def _minus(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other


def _signed(value: float | None) -> str:
    return "undefined" if value is None else f"{value:+.3f}"
