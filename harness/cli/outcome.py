"""What ``bench run`` shows: the plan before, the scores and where to look next after."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core import console
from harness.core.table import Column, Table

if TYPE_CHECKING:
    from harness.studies.config import StudyConfig
    from harness.studies.resolve import ResolvedStudy
    from harness.studies.result import StudyResult

_NAME = 20
"""Columns for the names of what a study used."""
_WHERE = ("device", "data_root", "out", "cache", "workers")


def show_plan(resolved: ResolvedStudy, config: StudyConfig) -> None:
    """Print the resolved configuration as YAML, and the units with the sizes of their parts. Reads no data.

    Behind each value stands where it comes from, as a comment.
    """
    where = {name: _plain(getattr(config, name)) for name in _WHERE}
    plan = {**resolved.as_dict(), **where}
    console.say(_with_origins(_as_yaml(plan), resolved.origins))
    parts = ("repeat", "fold", "seed", "train", "val", "test")
    rows = [
        dict(zip(parts, (fold.repeat, fold.fold, seed, *map(len, (fold.train, fold.val, fold.test))), strict=True))
        for seed in resolved.seeds
        for fold in resolved.folds
    ]
    console.say()
    columns = [Column(name, text=str, right=True) for name in parts]
    console.show(Table(f"{console.count(len(rows), 'unit')} (nothing was run)", columns, rows))


def show_result(result: StudyResult, resolved: ResolvedStudy, config: StudyConfig) -> None:
    """Print the scores with their intervals, what they cost, and what to look at next."""
    from harness.results.study_table import cost_rows, limits_text, number_text, overlap_words
    from harness.results.summary import Cost

    rows = [{"metric": metric, "score": value, "low": low, "high": high} for metric, value, low, high in result.rows]
    columns = [
        Column("metric"),
        Column("score", text=number_text, right=True),
        Column("95 % interval", ("low", "high"), limits_text, right=True),
    ]
    done = (
        f"{console.count(result.n_done, 'unit')} done, {result.n_reused} of them from before, {result.n_failed} failed"
        + (f", {len(result.lost)} neither" if result.lost else "")
    )
    if len(resolved.folds) < len(resolved.splits.folds):
        done += f"; {len(resolved.folds)} of {len(resolved.splits.folds)} folds: not the whole protocol"
    console.say()
    console.show(Table(result.study_id, columns, rows))
    for metric, words in result.undefined.items():
        console.warn(f"{metric} is {words}")
    console.say(f"  {done}")
    if resolved.input_differs:
        console.say(f"  {'input differs':<{_NAME}}{'; '.join(resolved.input_differs)}")
    if seen := overlap_words(resolved.pretraining_overlap):
        console.say(f"  {'encoder':<{_NAME}}{seen}: these are not scores on slides that it has not seen")
    known: dict[str, Any] = {field.name: result.compute.get(field.name) for field in fields(Cost)}
    for name, text in cost_rows(Cost(**known)):
        console.say(f"  {name:<{_NAME}}{text}")
    for name, text in result.accesses:
        console.say(f"  {name:<{_NAME}}{text}")
    show_next(result.paths, config.out)


def show_next(paths: Mapping[str, Path], out: Path) -> None:
    """Print the paths that were written and the commands that show them."""
    where = "" if out == Path("runs") else f" --out {shlex.quote(str(out))}"
    console.say()
    console.say("What to look at next", style="bold")
    for name, path in paths.items():
        console.say(f"  {name.replace('_', ' '):<{_NAME}}{path}")
    console.say(f"  {'leaderboard':<{_NAME}}bench leaderboard show{where}")
    console.say(f"  {'all runs':<{_NAME}}bench ui{where}")


def _as_yaml(value: Mapping[str, Any]) -> str:
    """A line per value, lists in one line."""
    import yaml

    class Dumper(yaml.SafeDumper):
        pass

    Dumper.add_representer(list, lambda dumper, items: dumper.represent_sequence(_YAML_LIST, items, flow_style=True))
    Dumper.add_representer(tuple, lambda dumper, items: dumper.represent_sequence(_YAML_LIST, items, flow_style=True))
    return yaml.dump(dict(value), Dumper=Dumper, sort_keys=False, allow_unicode=True, width=1000).rstrip()


def _with_origins(text: str, origins: Mapping[str, str]) -> str:
    """YAML of :func:`_as_yaml` with a comment behind each value whose dotted name is in ``origins``."""
    lines, parents = [], [""]
    for line in text.splitlines():
        key = line.lstrip().partition(":")[0]
        depth = (len(line) - len(line.lstrip())) // 2
        parents[depth + 1 :] = [f"{parents[depth]}{key}."] if depth < len(parents) else []
        origin = origins.get(f"{parents[depth]}{key}") if depth < len(parents) else None
        lines.append(line if origin is None else f"{line}  # {origin}")
    return "\n".join(lines)


_YAML_LIST = "tag:yaml.org,2002:seq"


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value
