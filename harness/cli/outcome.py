"""What ``bench run`` shows: the plan before, the scores and where to look next after."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import console

if TYPE_CHECKING:
    from harness.study.config import StudyConfig
    from harness.study.resolve import ResolvedStudy
    from harness.study.summary import StudyResult

_WHERE = ("device", "data_root", "out", "cache", "workers")


def show_plan(resolved: ResolvedStudy, config: StudyConfig) -> None:
    """Print the resolved configuration as YAML, and the units with the sizes of their parts. Reads no data."""
    import yaml

    where = {name: _plain(value) for name, value in asdict(config).items() if name in _WHERE}
    plan = {**resolved.as_dict(), **where}
    console.say(yaml.safe_dump(plan, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120).rstrip())
    rows = [
        (str(fold.repeat), str(fold.fold), str(seed), str(len(fold.train)), str(len(fold.val)), str(len(fold.test)))
        for seed in resolved.seeds
        for fold in resolved.folds
    ]
    console.say()
    console.table(
        f"{console.count(len(rows), 'unit')} (nothing was run)",
        [">repeat", ">fold", ">seed", ">train", ">val", ">test"],
        rows,
    )


def show_result(result: StudyResult, config: StudyConfig) -> None:
    """Print the scores with their intervals, what it cost, and what to look at next."""
    rows = [(metric, _number(value), _interval(low, high)) for metric, value, low, high in result.rows]
    done = (
        f"{console.count(result.n_done, 'unit')} done, {result.n_reused} of them from before, {result.n_failed} failed"
    )
    console.say()
    console.table(result.study_id, ["metric", ">score", ">95 % interval"], rows, caption=done)
    for name, value in result.compute.items():
        console.say(f"  {name.replace('_', ' ')}: {_cost(value)}")
    show_next(result.paths, config.out)


def show_next(paths: Mapping[str, Path], out: Path) -> None:
    """Print the paths that were written and the commands that show them."""
    where = "" if out == Path("runs") else f" --out {shlex.quote(str(out))}"
    console.say()
    console.say("What to look at next", style="bold")
    for name, path in paths.items():
        console.say(f"  {name.replace('_', ' '):<14}{path}")
    console.say(f"  {'leaderboard':<14}bench leaderboard show{where}")
    console.say(f"  {'all runs':<14}bench ui{where}")


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4f}"


def _interval(low: float | None, high: float | None) -> str:
    return "none" if low is None or high is None else f"{low:.4f} to {high:.4f}"


def _cost(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value
