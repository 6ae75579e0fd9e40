"""The options of ``bench run``: from the command line and a file, merged and checked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.launch_options import NAMES as LAUNCH_NAMES
from harness.cli.launch_options import launch_settings
from harness.cli.options import (
    DEVICES,
    INPUTS,
    MOST_NUMBERS,
    MOST_PROCESSES,
    PRECISIONS,
    assignments,
    data_root_of,
    device_name,
    folder_option,
    numbers,
    one_of,
)
from harness.cli.tune_options import NAMES as TUNE_NAMES
from harness.cli.tune_options import tune_settings
from harness.core.errors import UsageError, shown
from harness.core.folders import expanded, readable_folder, writable_folder
from harness.studies.config import COMMAND_LINE, CONFIG_FILE, ENVIRONMENT, StudyConfig

ProtocolName = Annotated[str | None, typer.Option("--protocol", help="Protocol name (default: the dataset's).")]
Preset = Annotated[
    str | None,
    typer.Option("--preset", help="Preset of the method (default: the dataset's choice; none: no preset)."),
]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="Hyper-parameter, or input.NAME: key=value. Repeatable.")
]
Folds = Annotated[list[str] | None, typer.Option("--fold", help="Folds to run: 3, 0-4 or 0,2 (default: all).")]
SeedNumbers = Annotated[list[str] | None, typer.Option("--seed", help="Seeds to run every fold with (default: 0).")]
Seeds = Annotated[int | None, typer.Option("--seeds", help="Short for --seed 0 to N-1.")]
InputKind = Annotated[str | None, typer.Option("--input", help="features or tiles (default: the method's).")]
EncoderName = Annotated[str | None, typer.Option("--encoder", help="Tile encoder (default: the dataset's).")]
FeatureFolder = Annotated[
    Path | None,
    folder_option("--features", "Feature set to read, such as one that an ICMIL unit left (default: made again)."),
]
Device = Annotated[str | None, typer.Option("--device", help="auto, cpu, cuda or cuda:N (default: auto).")]
PrecisionName = Annotated[str | None, typer.Option("--precision", help="auto, fp32, bf16 or fp16 (default: auto).")]

NAMES = (
    "method",
    "dataset",
    "protocol",
    "preset",
    "set",
    "fold",
    "seed",
    "input",
    "encoder",
    "features",
    "device",
    "devices",
    "precision",
    "data_root",
    "out",
    "cache",
    "workers",
    "plugin",
    "seeds",
    *TUNE_NAMES,
    *LAUNCH_NAMES,
)
"""What a configuration file may say: the options of ``bench run`` with ``_``."""

_SHORTCUTS = {"input": "input.kind", "encoder": "input.encoder"}


def merged(line: Mapping[str, Any], file: Mapping[str, Any]) -> dict[str, Any]:
    """The options of the file with those of the command line over them; ``set`` is merged key by key.

    Args:
        line: option → value, None or empty where it was not given; ``set`` is a list of ``key=value``.
        file: what :func:`harness.cli.options.config_file` read; ``set`` is a mapping.

    Returns:
        The options, and under ``origins`` where each was set.

    Raises:
        UsageError: ``--input`` or ``--encoder`` contradicts ``--set input...`` of the same layer.
    """
    given = {name: value for name, value in line.items() if value not in (None, [], ())}
    in_file = _settings(file, dict(file.get("set", {})), "--config")
    typed = _settings(given, assignments(given.get("set", ())), "the command line")
    origins = dict.fromkeys(file, CONFIG_FILE) | {f"set.{key}": CONFIG_FILE for key in in_file}
    origins |= dict.fromkeys(given, COMMAND_LINE) | {f"set.{key}": COMMAND_LINE for key in typed}
    return {**file, **given, "set": {**in_file, **typed}, "origins": origins}


def _settings(options: Mapping[str, Any], settings: dict[str, Any], place: str) -> dict[str, Any]:
    for option, key in _SHORTCUTS.items():
        value = options.get(option)
        if value is not None and settings.setdefault(key, value) != value:
            raise UsageError(
                f"{option} is given twice: {shown(value)} and {shown(settings[key])}",
                place=place,
                fix=f"give either --{option} or --set {key}=...",
            )
    return settings


def study_config(options: Mapping[str, Any]) -> StudyConfig:
    """The study that ``options`` (see :func:`merged`) describe.

    Raises:
        UsageError: the method or the dataset is missing, or a value is of the wrong kind.
    """
    if "input.kind" in options["set"]:
        one_of(str(options["set"]["input.kind"]), INPUTS, kind="input", option="--input")
    defaults = StudyConfig(method="", dataset="")
    origins = dict(options.get("origins", {}))
    precision = _text(options, "precision") or defaults.precision
    method = _required(options, "method", "bench methods list")
    dataset = _required(options, "dataset", "bench datasets list")
    data_root = data_root_of(dataset, _path(options, "data_root"))
    if data_root is not None:
        origins.setdefault("data_root", ENVIRONMENT)
    return StudyConfig(
        method=method,
        dataset=dataset,
        protocol=_text(options, "protocol"),
        preset=_text(options, "preset"),
        set=options["set"],
        folds=_numbers(options, "fold"),
        seeds=_seeds(options) or defaults.seeds,
        device=device_name(_text(options, "device") or DEVICES[0]),
        precision=one_of(precision, PRECISIONS, kind="precision", option="--precision"),
        data_root=data_root,
        out=_path(options, "out") or defaults.out,
        cache=_path(options, "cache"),
        workers=_from_one(options, "workers", "a number of processes"),
        tune=tune_settings(options),
        launch=launch_settings(options),
        features=_path(options, "features"),
        devices=_from_one(options, "devices", "a number of devices") or defaults.devices,
        origins=origins,
    )


def check_folders(study: StudyConfig) -> None:
    """See that the folders of a study can be read and written, before any work.

    Raises:
        UsageError: one cannot.
    """
    writable_folder(study.out, "--out")
    if study.cache is not None:
        writable_folder(study.cache, "--cache")
    for option, folder in (("--data-root", study.data_root), ("--features", study.features)):
        if folder is not None:
            readable_folder(folder, option)


def plugins(options: Mapping[str, Any]) -> tuple[str, ...]:
    """The plugins to load, in the order given."""
    value = options.get("plugin", ())
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise UsageError(
            f"{shown(value)} is no plugin", place="--plugin", fix="give a file or a module, or a list of them"
        )
    return tuple(names)


def _required(options: Mapping[str, Any], name: str, listing: str) -> str:
    value = _text(options, name)
    if value is None:
        raise UsageError(f"--{name} is missing", place="bench run", fix=f"add --{name} NAME; {listing} names them")
    return value


def _text(options: Mapping[str, Any], name: str) -> str | None:
    value = options.get(name)
    if value is None or (isinstance(value, str) and "\0" not in value):
        return value or None
    raise UsageError(f"{shown(value)} is not a name", place=f"--{name}", fix="give one word")


def _path(options: Mapping[str, Any], name: str) -> Path | None:
    value = options.get(name)
    if value is None or (isinstance(value, str | Path) and "\0" not in str(value)):
        return expanded(value) if value else None
    raise UsageError(
        f"{shown(value)} is not a path", place=f"--{name.replace('_', '-')}", fix="give the path of a folder"
    )


def _numbers(options: Mapping[str, Any], name: str) -> tuple[int, ...] | None:
    value = options.get(name)
    if value is None:
        return None
    return numbers(value if isinstance(value, list | tuple) else [value], place=f"--{name}")


def _seeds(options: Mapping[str, Any]) -> tuple[int, ...] | None:
    """``--seed 3,5`` names them, ``--seeds 3`` counts them from 0."""
    named, count = _numbers(options, "seed"), options.get("seeds")
    if count is None:
        return named
    if named is not None:
        raise UsageError("--seed and --seeds are both given", place="--seeds", fix="give one of them")
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= MOST_NUMBERS:
        raise UsageError(
            f"{shown(count)} is not a number of seeds", place="--seeds", fix=f"give a number from 1 to {MOST_NUMBERS:,}"
        )
    return tuple(range(count))


def _from_one(options: Mapping[str, Any], name: str, what: str) -> int | None:
    value = options.get(name)
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_PROCESSES):
        return value
    raise UsageError(
        f"{shown(value)} is not {what}", place=f"--{name}", fix=f"give a number from 1 to {MOST_PROCESSES:,}"
    )
