"""What was asked for: the options of ``bench run``, unresolved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.jobs.executors.settings import LaunchSettings

if TYPE_CHECKING:
    from harness.studies.tuning.settings import TuneSettings


COMMAND_LINE, CONFIG_FILE, ENVIRONMENT = "command line", "config file", "environment"
"""Where an option was set."""


@dataclass(frozen=True, kw_only=True)
class StudyConfig:
    """A study as the user describes it; :func:`harness.studies.resolve.resolve` fills in the rest.

    Attributes:
        method: method name.
        dataset: dataset name, or the path of a folder with a card.
        protocol: protocol name; None for the card's default.
        preset: preset of the method; None for the one that the dataset's card suggests, if any.
        set: ``--set`` values: hyper-parameters by name, input settings as ``input.encoder`` and so on.
        folds: fold numbers to run (over all repeats); None for all.
        seeds: one study runs every fold once per seed.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        precision: ``fp32``, ``bf16``, ``fp16`` or ``auto`` (bf16 where the GPU has it, fp32 on a CPU).
        data_root: where the dataset's files are.
        out: the runs folder.
        cache: where prepared data goes; None for the default.
        workers: processes or threads for reading; None for the number of cores.
        tune: how the hyper-parameters are searched, on validation, before the units are run; None does not tune.
        launch: where units run; nothing of it enters a unit's identity.
        devices: how many devices train one unit together, from ``device`` on.
        features: a feature set that exists already and is read; None makes the features that are needed.
        origins: where options were set, by their names; keys of ``set`` as ``set.KEY``. What is missing was set by the
            caller.
    """

    method: str
    dataset: str
    protocol: str | None = None
    preset: str | None = None
    set: Mapping[str, Any] = field(default_factory=dict)
    folds: tuple[int, ...] | None = None
    seeds: tuple[int, ...] = (0,)
    device: str = "auto"
    precision: str = "auto"
    data_root: Path | None = None
    out: Path = Path("runs")
    cache: Path | None = None
    workers: int | None = None
    tune: TuneSettings | None = None
    launch: LaunchSettings = field(default_factory=LaunchSettings)
    devices: int = 1
    features: Path | None = None
    origins: Mapping[str, str] = field(default_factory=dict)

    def origin(self, option: str) -> str:
        """Where ``option`` was set, or ``set.KEY``; ``default`` where it was not."""
        return self.origins.get(option, "default")
