"""``bench run``: train and test one method on one dataset, and say what came out."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.launch_options import (
    Address,
    CpusPerUnit,
    GpusPerUnit,
    Launcher,
    LauncherOptions,
    MemoryLimit,
    Parallel,
)
from harness.cli.options import Cache, DataRoot, Out, Plugins, Workers, config_file
from harness.cli.study_options import (
    NAMES,
    Device,
    EncoderName,
    FeatureFolder,
    Folds,
    InputKind,
    PrecisionName,
    Preset,
    ProtocolName,
    SeedNumbers,
    Seeds,
    Settings,
    check_folders,
    merged,
    plugins,
    study_config,
)
from harness.cli.tune_options import Prune, Trials, TuneBatch, TuneBudget, TuneFolds, TuneMetric, TuneSampler
from harness.core import console
from harness.core.errors import MethodError, UnitFailedError


def run(
    method: Annotated[str | None, typer.Option(help="Method name, or package.module:Class.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Dataset name, or a folder with a card.")] = None,
    protocol: ProtocolName = None,
    preset: Preset = None,
    set_: Settings = None,
    config: Annotated[Path | None, typer.Option(help="YAML file with options; the command line wins.")] = None,
    fold: Folds = None,
    seed: SeedNumbers = None,
    input_: InputKind = None,
    encoder: EncoderName = None,
    features: FeatureFolder = None,
    device: Device = None,
    devices: Annotated[int | None, typer.Option(help="GPUs that train one unit together (default: 1).")] = None,
    precision: PrecisionName = None,
    data_root: DataRoot = None,
    out: Out = None,
    cache: Cache = None,
    workers: Workers = None,
    plugin: Plugins = None,
    seeds: Seeds = None,
    trials: Trials = None,
    tune_budget: TuneBudget = None,
    tune_sampler: TuneSampler = None,
    tune_batch: TuneBatch = None,
    tune_folds: TuneFolds = None,
    tune_metric: TuneMetric = None,
    prune: Prune = None,
    launcher: Launcher = None,
    launcher_option: LauncherOptions = None,
    address: Address = None,
    gpus_per_unit: GpusPerUnit = None,
    cpus_per_unit: CpusPerUnit = None,
    parallel: Parallel = None,
    memory_limit: MemoryLimit = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the resolved study and stop.")] = False,
) -> None:
    """Train and test a method on a dataset under a fixed protocol.

    Units that are finished already are not run again; an interrupted one continues.
    """
    # Every option but these two is one of the study, under its own name.
    line = {name.removesuffix("_"): value for name, value in locals().items() if name not in {"config", "dry_run"}}
    options = merged(line, config_file(config, NAMES) if config else {})
    _run(options, dry_run=dry_run)


def _run(options: Mapping[str, Any], *, dry_run: bool) -> None:
    study = study_config(options)
    if not dry_run:
        check_folders(study)

    from harness.api.registry import use_plugin
    from harness.cli import outcome
    from harness.studies.resolve import resolve

    for spec in plugins(options):
        _warn_if_broken(use_plugin(spec), wanted=study.method)
    resolved = resolve(study)
    if dry_run:
        outcome.show_plan(resolved, study)
        return

    from harness.studies.run import run_study

    result = run_study(resolved, study)
    outcome.show_result(result, resolved, study)
    if result.n_failed:
        raise UnitFailedError(
            f"{console.count(result.n_failed, 'unit')} failed; the others are done",
            place=str(result.paths.get("study", study.out)),
            fix="read the reason above and the unit's log.txt; the same command runs only what is missing",
        )
    if result.lost:
        raise UnitFailedError(
            f"{console.count(len(result.lost), 'unit')} neither done nor failed: {result.lost[0]}"
            + (" ..." if len(result.lost) > 1 else ""),
            place=str(study.out),
            fix=f"bench leaderboard show --out {shlex.quote(str(study.out))} names evidence that cannot be read",
        )


def _warn_if_broken(names: Sequence[str], *, wanted: str) -> None:
    """A broken plugin harms no other method, but whoever names it will want to know."""
    from harness.api.registry import find_method

    for name in names:
        if name != wanted:
            try:
                find_method(name)
            except MethodError as error:
                console.warn(f"{error.problem} ({error.place})")
