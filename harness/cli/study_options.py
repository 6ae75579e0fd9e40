"""The options of ``bench run``, as :class:`~harness.studies.config.StudyConfig` declares them, and their values."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any

import typer

from harness.cli.completion import offer
from harness.cli.options import data_root_of
from harness.core.errors import UsageError, shown
from harness.core.folders import readable_folder, writable_folder
from harness.core.options import MOST_NUMBERS, Option, Options, count, flag, folder, one_of, settings, word, words
from harness.jobs.executors.settings import LaunchSettings
from harness.studies.config import COMMAND_LINE, CONFIG_FILE, ENVIRONMENT, StudyConfig
from harness.studies.tuning.settings import TuneSettings

INPUTS = ("features", "tiles")


class Shortcuts(Options):
    """Options that are short for others.

    Attributes:
        seeds: for ``--seed 0-N``.
        input, encoder: for ``--set input.kind=`` and ``--set input.encoder=``.
    """

    seeds: Annotated[
        int | None, Option("seeds", count(MOST_NUMBERS, "a number of seeds"), "Short for --seed 0 to N-1.", reads=int)
    ] = None
    input: Annotated[
        str | None, Option("input", one_of(INPUTS, "input"), "features or tiles (default: the method's).")
    ] = None
    encoder: Annotated[
        str | None, Option("encoder", word, "Tile encoder (default: the dataset's).", complete="encoders")
    ] = None


_GROUPS: tuple[type[Options], ...] = (StudyConfig, Shortcuts, TuneSettings, LaunchSettings)
NAMES = tuple(option.name for group in _GROUPS for option in group.declared().values())
"""What a configuration file may say: the options of ``bench run`` with ``_``."""

_SHORTCUTS = {"input": "input.kind", "encoder": "input.encoder"}


def with_options(*, without: Collection[str] = ()) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A decorator that gives a command the options of a study, as a mapping in its first parameter.

    Args:
        without: names of options that the command does not take.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        _, *own = inspect.signature(command, eval_str=True).parameters.values()
        drawn = [
            _parameter(option, group.panel)
            for group in _GROUPS
            for option in group.declared().values()
            if option.name not in without
        ]

        @functools.wraps(command)
        def run(**given: Any) -> None:
            command({one.name: given.pop(one.name) for one in drawn}, **given)

        parameters = [*drawn, *own]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {one.name: one.annotation for one in parameters}
        return run

    return decorate


def _parameter(option: Option, panel: str | None) -> inspect.Parameter:
    """The option as Typer reads it from a function."""
    kind: Any = list[option.reads] if option.repeatable else option.reads  # type: ignore[name-defined]
    declared = typer.Option(
        option.flags,
        help=option.help,
        metavar="PATH" if option.read is folder else None,
        rich_help_panel=panel,
        autocompletion=offer(option.complete),
    )
    return inspect.Parameter(
        option.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, declared]
    )


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
    in_file = _settings(file, "--config")
    typed = _settings(given, "the command line")
    origins = dict.fromkeys(file, CONFIG_FILE) | {f"set.{key}": CONFIG_FILE for key in in_file}
    origins |= dict.fromkeys(given, COMMAND_LINE) | {f"set.{key}": COMMAND_LINE for key in typed}
    return {**file, **given, "set": {**in_file, **typed}, "origins": origins}


def _settings(options: Mapping[str, Any], place: str) -> dict[str, Any]:
    found = settings(options.get("set", ()), "--set")
    for option, key in _SHORTCUTS.items():
        value = options.get(option)
        if value is not None and found.setdefault(key, value) != value:
            raise UsageError(
                f"{option} is given twice: {shown(value)} and {shown(found[key])}",
                place=place,
                fix=f"give either --{option} or --set {key}=...",
            )
    return found


def study_config(options: Mapping[str, Any]) -> StudyConfig:
    """The study that ``options`` (see :func:`merged`) describe.

    Raises:
        UsageError: the method or the dataset is missing, or a value is of the wrong kind.
    """
    short = Shortcuts.of(options)
    if "input.kind" in options["set"]:
        one_of(INPUTS, "input")(options["set"]["input.kind"], "--input")
    found = dict(options)
    if short.seeds is not None:
        if options.get("seed") is not None:
            raise UsageError("--seed and --seeds are both given", place="--seeds", fix="give one of them")
        found["seed"] = list(range(short.seeds))
    dataset = options.get("dataset")
    root = data_root_of(dataset, None) if isinstance(dataset, str) and options.get("data_root") is None else None
    if root is not None:
        found |= {"data_root": root, "origins": {"data_root": ENVIRONMENT, **options.get("origins", {})}}
    return StudyConfig.of(found)


def plugins(options: Mapping[str, Any]) -> tuple[str, ...]:
    """The plugins to load, in the order given; before :func:`study_config`, which may name what they bring."""
    return words(options.get("plugin") or (), flag("plugin"))


def check_folders(study: StudyConfig) -> None:
    """See that the folders of a study can be read and written, before any work.

    Raises:
        UsageError: one cannot.
    """
    writable_folder(study.out, "--out")
    if study.cache is not None:
        writable_folder(study.cache, "--cache")
    for option, place in (("--data-root", study.data_root), ("--features", study.features)):
        # A name without folders may be that of a set that the dataset's card names.
        if place is not None and not (option == "--features" and place.name == str(place) and not place.exists()):
            readable_folder(place, option)
