"""What was asked for: the options of ``bench run``, unresolved."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from harness.core.errors import UsageError
from harness.core.options import Option, Options, count, folder, numbers, one_of, settings, word, words, yes_or_no
from harness.core.suggest import unknown
from harness.jobs.executors.settings import LaunchSettings
from harness.studies.tuning.settings import TuneSettings

COMMAND_LINE, CONFIG_FILE, ENVIRONMENT = "command line", "config file", "environment"
"""Where an option was set."""

DEVICES = ("auto", "cpu", "cuda", "cuda:N")
PRECISIONS = ("auto", "fp32", "bf16", "fp16")
MOST_PROCESSES = 4096


def device_name(value: Any, option: str) -> str:
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N``; whether the device is there is seen when it is used."""
    name = word(value, option)
    if re.fullmatch(r"cuda:[0-9]{1,4}", name) or name in DEVICES[:3]:
        return name
    raise unknown("device", name, DEVICES, place=option, listing="bench run --help")


class StudyConfig(Options):
    """A study as the user describes it; :func:`harness.studies.resolve.resolve` fills in the rest.

    A new option of ``bench run`` is a field here, or in the settings of tuning and launching, and code that uses it.

    Attributes:
        method: method name.
        dataset: dataset name, or the path of a folder with a card.
        protocol: protocol name; None for the card's default.
        preset: preset of the method; None for the one that the dataset's card suggests, if any.
        set: hyper-parameters by name, input settings as ``input.encoder`` and so on.
        folds: fold numbers to run (over all repeats); None for all.
        seeds: one study runs every fold once per seed.
        features: a feature set that exists already and is read; None makes the features that are needed.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        devices: how many devices train one unit together, from ``device`` on.
        precision: ``fp32``, ``bf16``, ``fp16`` or ``auto`` (bf16 where the GPU has it, fp32 on a CPU).
        data_root: where the dataset's files are.
        out: the runs folder.
        cache: where prepared data goes; None for the default.
        workers: processes or threads for reading; None for the number of cores.
        keep_model: whether units keep their trained models; nothing of it enters a unit's identity.
        plugins: files, modules and classes to load first.
        tune: how the hyper-parameters are searched, on validation, before the units are run; None does not tune.
        launch: where units run; nothing of it enters a unit's identity.
        origins: where options were set, by their names; keys of ``set`` as ``set.KEY``. What is missing was set by the
            caller.
    """

    method: Annotated[str, Option("method", word, "Method name, or package.module:Class.", complete="methods")]
    dataset: Annotated[str, Option("dataset", word, "Dataset name, or a folder with a card.", complete="datasets")]
    protocol: Annotated[
        str | None, Option("protocol", word, "Protocol name (default: the dataset's).", complete="protocols")
    ] = None
    preset: Annotated[
        str | None,
        Option(
            "preset", word, "Preset of the method (default: the dataset's choice; none: no preset).", complete="presets"
        ),
    ] = None
    set: Annotated[
        Mapping[str, Any],
        Option("set", settings, "Hyper-parameter, or input.NAME: key=value. Repeatable.", repeatable=True),
    ] = Field(default_factory=dict)
    folds: Annotated[
        tuple[int, ...] | None,
        Option("fold", numbers, "Folds to run: 3, 0-4 or 0,2 (default: all).", repeatable=True),
    ] = None
    seeds: Annotated[
        tuple[int, ...], Option("seed", numbers, "Seeds to run every fold with (default: 0).", repeatable=True)
    ] = (0,)
    features: Annotated[
        Path | None,
        Option(
            "features",
            folder,
            "Features to read: a set of the card that was fetched, or a folder (default: made when needed).",
        ),
    ] = None
    device: Annotated[str, Option("device", device_name, "auto, cpu, cuda or cuda:N (default: auto).")] = "auto"
    devices: Annotated[
        int,
        Option(
            "devices",
            count(MOST_PROCESSES, "a number of devices"),
            "GPUs that train one unit together (default: 1).",
            reads=int,
        ),
    ] = 1
    precision: Annotated[
        str, Option("precision", one_of(PRECISIONS, "precision"), "auto, fp32, bf16 or fp16 (default: auto).")
    ] = "auto"
    data_root: Annotated[
        Path | None,
        Option("data_root", folder, "Folder with the dataset's files (default: $BENCH_DATA/DATASET if it exists)."),
    ] = None
    out: Annotated[Path, Option("out", folder, "Runs folder (default: runs).")] = Path("runs")
    cache: Annotated[
        Path | None, Option("cache", folder, "Folder for prepared data (default: $BENCH_CACHE or ~/.cache/wsibench).")
    ] = None
    workers: Annotated[
        int | None,
        Option(
            "workers",
            count(MOST_PROCESSES, "a number of processes"),
            "Processes for reading (default: number of cores).",
            reads=int,
        ),
    ] = None
    keep_model: Annotated[
        bool, Option("keep_model", yes_or_no, "Keep every unit's trained model (default: keep).", reads=bool)
    ] = True
    plugins: Annotated[
        tuple[str, ...],
        Option(
            "plugin",
            words,
            "A .py file, package.module or package.module:Class with a method, task, source, metric, ... Repeatable.",
            repeatable=True,
        ),
    ] = ()
    tune: TuneSettings | None = None
    launch: LaunchSettings = Field(default_factory=LaunchSettings)
    origins: Mapping[str, str] = Field(default_factory=dict)

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> StudyConfig:
        """The study that options describe by their names, with those of tuning and launching.

        Raises:
            UsageError: the method or the dataset is missing, or a value is of the wrong kind.
        """
        given = cls.given(options)
        for name in ("method", "dataset"):
            if name not in given:
                fix = f"add --{name} NAME; bench {name}s list names them"
                raise UsageError(f"--{name} is missing", place="bench run", fix=fix)
        tune, launch = TuneSettings.asked_for(options), LaunchSettings.of(options)
        return cls(**given, tune=tune, launch=launch, origins=dict(options.get("origins", {})))

    def origin(self, option: str) -> str:
        """Where ``option`` was set, or ``set.KEY``; ``default`` where it was not."""
        return self.origins.get(option, "default")
