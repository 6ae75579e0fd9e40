"""A study as rows: its scores with intervals, and what it cost. Numbers stay numbers until they are shown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.core.table_text import markdown_literal as literal
from harness.results.summary import NO_GPU, Cost, Summary

if TYPE_CHECKING:
    from harness.results.access_counts import AccessCounts
    from harness.results.studies import Study

ScoreRow = tuple[str, float | None, float | None, float | None]
"""Metric, value, and the limits of its 95 % interval over patients; None where undefined."""

UNKNOWN = "unknown"
SLIDE_LABELS = "slides"
"""What weakly supervised methods learn from."""


def score_rows(summary: Summary) -> list[ScoreRow]:
    """A row for each score, and for further results such as the localisation; empty without a finished unit."""
    if summary.scores is None:
        return []
    rows: list[ScoreRow] = [
        (name, known(score.value), known(score.low), known(score.high)) for name, score in summary.scores.scores.items()
    ]
    return rows + [(name, known(value), None, None) for name, value in summary.extra.items()]


def cost_rows(cost: Cost) -> list[tuple[str, str]]:
    """What a study cost, in words."""
    return [
        ("GPU", cost.gpu),
        ("GPU-hours", gpu_hours_text(cost.gpu, cost.gpu_hours)),
        ("CPU-hours", hours_text(cost.cpu_hours)),
        ("peak memory", memory_text(cost.peak_memory_mb)),
        ("wall time", duration_text(cost.wall_s)),
    ]


def shared_rows(study: Study) -> list[tuple[str, str]]:
    """What the features of a study cost, in words; nothing where none were made for it."""
    shared = [record.compute.get("shared") or {} for record in study.records]
    if not any("features" in one for one in shared):
        return []
    cost = Cost.of(study.records)
    if cost.shared_wall_s is None:
        return [("features, shared", f"{UNKNOWN}: made elsewhere, or before costs were kept")]
    hours = cost.shared_gpu_hours
    spent = f"{hours_text(cost.shared_cpu_hours)} CPU-hours" if hours is None else f"{hours_text(hours)} GPU-hours"
    text = f"{duration_text(cost.shared_wall_s)}, {spent}, once for all studies that use them; not in the above"
    return [("features, shared", text)]


def access_rows(accesses: AccessCounts) -> list[tuple[str, str]]:
    """Test-set accesses, and what tuning cost, in words."""
    rows = [("test-set accesses", accesses_text(accesses.accesses, accesses.units))]
    if accesses.trials is not None:
        spent = duration_text(accesses.tuning_device_s)
        rows.append(
            ("tuning", f"{accesses.trials} trials ({accesses.sampler}), {spent} of device time, not in the above")
        )
    return rows


def markdown(summary: Summary) -> str:
    """The study as a Markdown page, for the description of its MLflow run."""
    study = summary.study
    planned = len(study.planned) if study.planned is not None else UNKNOWN
    lines = [
        f"**{literal(study.method)}** on **{literal(study.dataset)}**, protocol {literal(study.protocol)}"
        f"{'' if study.ranked else ' (not ranked)'}: {len(study.records)} of {planned} units done"
        f"{f', {len(study.failures)} failed' if study.failures else ''}.",
        f"Labels used in training: {literal(labels_text(study))}.",
        *([f"Input {literal(text)}."] if (text := input_text(study)) else []),
        *([f"Encoder {literal(text)}."] if (text := overlap_text(study)) else []),
        "",
        "| metric | value | 95 % interval |",
        "|---|---|---|",
        *(
            f"| {literal(name)} | {number_text(value)} | {limits_text(low, high)} |"
            for name, value, low, high in score_rows(summary)
        ),
        "",
        "| cost | |",
        "|---|---|",
        *(f"| {name} | {literal(text)} |" for name, text in cost_rows(summary.cost)),
        *(f"| {name} | {literal(text)} |" for name, text in shared_rows(study)),
        *(f"| {name} | {literal(text)} |" for name, text in access_rows(summary.accesses)),
    ]
    return "\n".join(lines)


def labels_text(study: Study) -> str:
    """What the method learnt from: labels of slides, and whatever its card needs besides (pixel masks, reports).

    Results of methods that use more than slide labels do not compare with those that do not, so every table that
    shows them side by side has to say it.
    """
    # Where study.json is lost, the records of its units still know.
    labels = (study.config or (study.records[0].config if study.records else {})).get("labels")
    return " + ".join(map(str, labels)) if isinstance(labels, list) and labels else SLIDE_LABELS


def input_text(study: Study) -> str:
    """In what the input of a study differs from its method's published one; empty where it does not.

    Such results are not the method's own: every table that shows them has to say it.
    """
    config = study.config or (study.records[0].config if study.records else {})
    differs = config.get("input_differs")
    return f"differs: {'; '.join(map(str, differs))}" if isinstance(differs, list) and differs else ""


def overlap_text(study: Study) -> str:
    """On which cohorts of the dataset the encoder was pre-trained, as ``pre-trained on TCGA``; empty without any.

    Scores of such a study are not those of unseen slides: every table that shows them has to say it.
    """
    config = study.config or (study.records[0].config if study.records else {})
    found = config.get("pretraining_overlap")
    return overlap_words(found) if isinstance(found, dict) else ""


def overlap_words(found: Mapping[str, str]) -> str:
    """See :func:`overlap_text`; ``found`` is cohort → yes, likely, no, unlikely, unknown."""
    words = {"yes": "pre-trained on", "likely": "likely pre-trained on", "unknown": "perhaps pre-trained on"}
    return "; ".join(f"{words[seen]} {cohort.upper()}" for cohort, seen in found.items() if seen in words)


def number_text(value: float | None) -> str:
    """A score with three digits."""
    return "undefined" if value is None else f"{value:.3f}"


def limits_text(low: float | None, high: float | None) -> str:
    """The limits of an interval; empty where there is none."""
    return "" if low is None or high is None else f"[{low:.3f}, {high:.3f}]"


def interval_text(value: float | None, low: float | None, high: float | None) -> str:
    """A score with its interval."""
    return f"{number_text(value)} {limits_text(low, high)}".strip()


def units_text(done: int, planned: int | None, damaged: int) -> str:
    """Finished units of all planned ones, and how many are damaged."""
    text = f"{done}/{'?' if planned is None else planned}"
    return f"{text} ({damaged} damaged)" if damaged else text


def accesses_text(accesses: int | None, units: int) -> str:
    """Test-set accesses: ``50``, or ``53 (50 units)`` where that is more than one per unit."""
    if accesses is None:
        return UNKNOWN
    return str(accesses) if accesses == units else f"{accesses} ({units} units)"


def gpu_hours_text(gpu: str | None, hours: float | None) -> str:
    """GPU-hours, or "no GPU" where none was used."""
    return NO_GPU if gpu == NO_GPU else hours_text(hours)


def hours_text(hours: float | None) -> str:
    """Hours with three significant digits."""
    return UNKNOWN if hours is None else f"{hours:.3g}"


def memory_text(megabytes: float | None) -> str:
    """Memory in MB or GB (powers of ten)."""
    if megabytes is None:
        return UNKNOWN
    return f"{megabytes:.0f} MB" if megabytes < 1000 else f"{megabytes / 1000:.1f} GB"


def duration_text(seconds: float | None) -> str:
    """A time span in seconds, minutes and seconds, or hours and minutes."""
    if seconds is None:
        return UNKNOWN
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def known(value: float) -> float | None:
    """``value``, or None where it is undefined."""
    return value if math.isfinite(value) else None
