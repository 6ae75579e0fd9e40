"""What to type to run a study again, from its evidence."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.datasets.card import InputSettings
from harness.leaderboard_site.words import config_of, public

if TYPE_CHECKING:
    from harness.results.studies import Study

_TUNING = {
    "trials": "--trials",
    "budget_s": "--tune-budget",
    "sampler": "--tune-sampler",
    "batch": "--tune-batch",
    "folds": "--tune-folds",
    "metric": "--tune-metric",
    "pruner": "--prune",
}


def command(study: Study) -> str:
    """The command that runs the study again. Values that are set are explicit.

    A parameter of the study that was tuned is no value to set: it is where the search began.
    """
    config = config_of(study)
    spec = study.records[0].spec
    words = ["bench", "run", "--method", study.method, "--dataset", study.dataset, "--protocol", study.protocol]
    tuning = spec.get("tuning") or {}
    fixed = tuning.get("fixed", ()) if tuning else None
    words += ["--preset", str(config.get("preset") or "none")]
    for name, value in spec.get("params", {}).items():
        if fixed is None or name in fixed:
            words += ["--set", f"{name}={_value(value)}"]
    for name, value in _input(spec).items():
        words += ["--set", f"input.{name}={_value(value)}"]
    words += _seeds(study)
    for name, option in _TUNING.items():
        if (value := tuning.get(name)) not in (None, "", "none"):
            words += [option, f"{value:g}s" if name == "budget_s" else str(value)]
    words += ["--precision", str(spec["precision"])] if spec.get("precision") else []
    return shlex.join(map(public, words))


def _seeds(study: Study) -> list[str]:
    seeds = sorted({record.spec["seed"] for record in study.records})
    return ["--seed", ",".join(map(str, seeds))]


def _input(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Input settings that have an effect: those of an encoder."""
    given = spec.get("input", {})
    if not given.get("encoder"):
        return {}
    return {name: given[name] for name in InputSettings.model_fields if given.get(name)}


def _value(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower() if value is not None else "none"
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_value, value))}]"
    return str(value)
