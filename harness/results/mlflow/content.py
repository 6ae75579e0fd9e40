"""What a run in MLflow says about a unit or a study: names, tags, parameters, metrics and curve points."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.results.summary import NO_GPU

if TYPE_CHECKING:
    from harness.results.record import Record

VERSION = 2
"""Version of what a run says; runs of another one are written anew. Number 1 had figures for every unit."""

CURVE_POINTS = 200
"""Most points per curve: the UI slows down with more, and the whole curve is among the artefacts."""

STUDIES_VIEW = "studies"
"""Key of the shared view that lists the studies of an experiment with their scores and costs."""

STUDIES_TAG = f"mlflow.sharedViewState.{STUDIES_VIEW}"
"""Tag of every experiment that this project makes."""

_LONGEST_KEY, _LONGEST_PARAM, _LONGEST_TAG, _LONGEST_DIGEST = 250, 6000, 8000, 36
_COMMON = ("method", "dataset", "protocol", "precision")
_UNIT = ("repeat", "fold", "seed")
_COMPUTE = ("wall_s", "cpu_hours", "gpu_hours", "peak_memory_mb", "peak_rss_mb", "peak_gpu_allocated_mb")


def experiment_tags() -> dict[str, str]:
    """Tags of an experiment: its kind, and a table of studies as a view that the UI opens by its key.

    MLflow keeps the views that users share in tags of this form; a version without them ignores it.
    """
    shown = ("auc", "accuracy", "gpu_hours", "cpu_hours", "peak_memory_mb", "units_done")  # what fits a screen
    view = {
        "searchFilter": "tags.level = 'study'",
        "orderByKey": "metrics.`auc`",
        "orderByAsc": False,
        "selectedColumns": [*(f"metrics.`{name}`" for name in shown), "params.`method`", "tags.`gpu`"],
    }
    return {
        "mlflow.experimentKind": "custom_model_development",
        STUDIES_TAG: json.dumps(view),
    }


def unit_name(spec: Mapping[str, Any]) -> str:
    """Name of a unit's run."""
    return f"{spec['method']} r{spec['repeat']} f{spec['fold']} s{spec['seed']}"


def study_name(spec: Mapping[str, Any], study_id: str) -> str:
    """Name of a study's run, with its encoder; the end of the id tells studies with other parameters apart."""
    encoder = spec.get("input", {}).get("encoder")
    names = [spec["method"], *([encoder] if encoder else []), spec["protocol"], study_id.rpartition("-")[2][:6]]
    return " ".join(map(str, names))


def identity_tags(unit_id: str | None, study_id: str, spec: Mapping[str, Any]) -> dict[str, str]:
    """Tags that say what a run stands for."""
    tags = {"level": "study" if unit_id is None else "unit", "study_id": study_id}
    if unit_id is not None:
        tags["unit_id"] = unit_id
    names = ("method", "dataset", "protocol", "method_version", "dataset_fingerprint", "split_sha256")
    return tags | {name: str(spec[name]) for name in names if name in spec} | {"encoder": _encoder(spec)}


def _encoder(spec: Mapping[str, Any]) -> str:
    """The encoder of the features; what the unit read where it used none: ``patches``, ``features`` ..."""
    given = spec.get("input", {})
    return str(given.get("encoder") or given.get("kind") or "unknown")


def origin_tags(records: Sequence[Record]) -> dict[str, str]:
    """Where units were run and by which code; several are listed. What is unknown is absent."""
    tags: dict[str, Any] = {"git_commit": [], "hardware": [], "wsibench": []}
    for record in records:
        software, code, hardware = (record.environment.get(name, {}) for name in ("software", "code", "hardware"))
        gpu = record.compute.get("gpu")
        tags["git_commit"].append(code.get("commit"))
        tags["hardware"].append(hardware.get("cpu") if gpu in (None, NO_GPU) else gpu)
        tags["wsibench"].append(software.get("wsibench"))
    known = {name: list(dict.fromkeys(str(one) for one in found if one)) for name, found in tags.items()}
    return {name: ", ".join(found) for name, found in known.items() if found}


def unit_tags(record: Record) -> dict[str, str]:
    """Tags of a finished unit."""
    code = record.environment.get("code", {})
    known = {
        "gpu": record.compute.get("gpu"),
        "device": record.compute.get("device"),
        "mlflow.source.git.commit": code.get("commit"),
        "uncommitted_changes": code.get("dirty"),
    }
    tags = identity_tags(record.unit_id, record.study_id, record.spec) | origin_tags([record])
    return tags | {name: str(value) for name, value in known.items() if value is not None}


def unit_params(spec: Mapping[str, Any]) -> dict[str, str]:
    """What the unit was: the study's parameters and its repeat, fold and seed."""
    return study_params(spec) | {name: str(spec[name]) for name in _UNIT if name in spec}


def study_params(spec: Mapping[str, Any]) -> dict[str, str]:
    """What was run: method, dataset, protocol, hyper-parameters and input settings."""
    common = {name: str(spec[name]) for name in _COMMON if name in spec}
    hyper = {f"params.{k}" if k in (*_COMMON, *_UNIT) else k: _text(v) for k, v in spec.get("params", {}).items()}
    return common | hyper | {f"input.{k}": _text(v) for k, v in spec.get("input", {}).items()}


def dataset_fields(spec: Mapping[str, Any]) -> dict[str, str]:
    """The dataset of a unit or a study as MLflow's ``Dataset`` takes it: named, with the hash of its content as digest.

    MLflow keeps one dataset of a name and digest per experiment, so that nothing of a single run belongs here.
    """
    names = ("dataset", "dataset_fingerprint")
    tags = {name: str(spec[name]) for name in names if name in spec}
    source = {"tags": {"mlflow.source.name": f"bench datasets show {spec['dataset']}", **tags}}
    digest = str(spec.get("dataset_fingerprint", ""))[:_LONGEST_DIGEST] or "unknown"
    return {
        "name": str(spec["dataset"])[:_LONGEST_KEY],
        "digest": digest,
        "source_type": "code",
        "source": json.dumps(source),
    }


def unit_metrics(record: Record) -> dict[str, float]:
    """Scores with their limits, cost and memory. What is unknown is absent, never zero."""
    found: dict[str, Any] = {}
    for name, score in record.scores.items():
        found |= {name: score.get("value"), f"{name}_low": score.get("low"), f"{name}_high": score.get("high")}
    found |= {name: record.compute.get(name) for name in _COMPUTE}
    if record.compute.get("gpu") == NO_GPU:
        del found["gpu_hours"]
    for name, stage in record.compute.get("stages", {}).items():
        found[f"wall_s/{name}"] = stage.get("wall_s")
    for name, group in record.extra.items():
        if isinstance(group, Mapping):
            found |= {f"{name}.{key}": value for key, value in group.items()}
    return known_numbers(found)


def known_numbers(values: Mapping[str, Any]) -> dict[str, float]:
    """The entries that are finite numbers."""
    return {
        name: float(value)
        for name, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }


def curve_points(
    rows: Sequence[Mapping[str, str]], best: Mapping[str, int] | None = None
) -> list[tuple[str, int, float]]:
    """(``stage/column``, step, value) of a training curve, at most :data:`CURVE_POINTS` for each.

    The step is the epoch where the rows have one, else the row's number within its stage.

    Args:
        rows: of curve.csv.
        best: by stage the epoch whose weights were kept; its point stays.
    """
    series: dict[tuple[str, str], list[tuple[int, float]]] = {}
    rows_of_stage: dict[str, int] = {}
    for row in rows:
        stage = row.get("stage") or "curve"
        number = rows_of_stage.get(stage, 0)
        rows_of_stage[stage] = number + 1
        epoch = _number(row.get("epoch"))
        step = number if epoch is None else int(epoch)
        for column, text in row.items():
            value = _number(text)
            if column not in {"stage", "epoch", "step"} and value is not None:
                series.setdefault((stage, column), []).append((step, value))
    return [
        (f"{stage}/{column}", step, value)
        for (stage, column), points in series.items()
        for step, value in thin(points, (best or {}).get(stage))
    ]


def best_epochs(record: Record) -> dict[str, int]:
    """By stage the epoch whose weights were kept, as far as the record knows."""
    stages = record.selection.get("stages", {})
    return {name: epoch for name, facts in stages.items() if isinstance(epoch := facts.get("best_epoch"), int)}


def thin(points: list[tuple[int, float]], keep: int | None = None) -> list[tuple[int, float]]:
    """At most :data:`CURVE_POINTS` of the points, evenly spread: the first, the last, and that of step ``keep``."""
    surplus = len(points) - 1
    if surplus < CURVE_POINTS:
        return points
    chosen = [k * surplus // (CURVE_POINTS - 1) for k in range(CURVE_POINTS)]
    kept = next((k for k, (step, _) in enumerate(points) if step == keep), None)
    if kept is not None and kept not in chosen:  # in place of its nearest neighbour that is no end
        nearest = min(range(1, CURVE_POINTS - 1), key=lambda place: abs(chosen[place] - kept))
        chosen[nearest] = kept
    return [points[k] for k in chosen]


def clean_key(name: str) -> str:
    """A name that MLflow takes: letters, digits, and ``_ - . / :`` and space, without empty or dotted path parts."""
    name = re.sub(r"[^\w\-. /:]", "_", name)[:_LONGEST_KEY].strip("/")
    parts = [part if part.strip(". ") else "_" for part in name.split("/")]
    return "/".join(parts)


def clean_params(params: Mapping[str, str]) -> dict[str, str]:
    """Parameters within MLflow's limits."""
    return {clean_key(name): value[:_LONGEST_PARAM] for name, value in params.items()}


def clean_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Tags within MLflow's limits."""
    return {clean_key(name): value[:_LONGEST_TAG] for name, value in tags.items()}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _number(value: str | float | None) -> float | None:
    try:
        number = float(value) if value not in (None, "") else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None
