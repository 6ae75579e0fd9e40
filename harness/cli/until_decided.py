"""``bench compare --until-decided``: the progress of further runs, and what they decided."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.core import console

if TYPE_CHECKING:
    from harness.evaluation.sequential import Decision
    from harness.results.comparison.many import ComparedStudies
    from harness.results.store import RunStore
    from harness.results.studies import Study
    from harness.studies.until_decided import Outcome, Run


def decide(
    store: RunStore,
    studies: tuple[Study, Study],
    *,
    budget: str,
    metric: str | None,
    margin: float | None,
    seeds: int,
    device: str,
    data_root: Path | None,
) -> ComparedStudies:
    """Run until it is decided, say what was, and compare the studies in all runs that count."""
    from harness.cli.options import data_root_of
    from harness.results.comparison.many import compare_many
    from harness.studies.again import Where
    from harness.studies.budget import Budget
    from harness.studies.until_decided import until_decided

    where = Where(out=store.root, device=device, data_root=data_root_of(studies[0].dataset, data_root))
    found = until_decided(
        store, studies, where, Budget.of(budget), metric=metric, margin=margin, most_seeds=seeds, tell=_tell
    )
    for line in told(found):
        console.say(line)
    return compare_many(store, found.studies, metric=found.metric, margin=margin)


def told(found: Outcome) -> list[str]:
    """What was decided, about what, and why no further run was started."""
    decision, number = found.decision, console.count(len(found.runs), "run")
    better = {"first": "A is better than B", "second": "B is better than A"}.get(decision.outcome)
    lies = "" if decision.high == float("inf") else f", B - A between {decision.low:+.3f} and {decision.high:+.3f}"
    text = {
        "decided": f"decided: {better} in {found.metric}",
        "equivalent": "decided: the difference is within the margin",
        "equal": "not decided: both had the same score in every run",
        "patients": "not decided: what training chance leaves open is small beside what other patients would",
        "budget": "not decided: the budget does not hold another run",
        "seeds": "not decided: no seed is left; --max-seeds allows more",
    }[found.stop]
    return [
        f"{text}, after {number} ({found.new} now){lies}, p = {decision.p_value:.3f} at any time",
        "This is about training chance on these test slides: over seeds, is one more often ahead. Over patients:",
    ]


def _tell(run: Run, decision: Decision, metric: str) -> None:
    open_ = decision.high == float("inf")
    lies = "too few runs for an interval" if open_ else f"between {decision.low:+.3f} and {decision.high:+.3f}"
    console.note(
        f"run {decision.runs} (seed {run.seed}, repeat {run.repeat}): B - A = {run.difference:+.4f} {metric}; "
        f"evidence {decision.wealth:.3g} of 20; {lies}"
    )
