"""Command-line mistakes in the house's words: what is wrong, where, and the nearest right name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup

from harness.core import errors
from harness.core.suggest import nearest, same_word, unknown

_LONGEST = 400

# Typer's own copy of click, or click itself, depending on the version: both derive BadParameter from it.
ParserError: type[Exception] = typer.BadParameter.__mro__[2]


class Group(TyperGroup):
    """A group of commands that answers a misspelt command with the nearest right one."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command ``args[0]``.

        Raises:
            UsageError: there is no such command.
        """
        word = args[0]
        if not word.startswith("-") and self.get_command(ctx, word) is None:
            known = self.list_commands(ctx)
            raise unknown("command", word, known, place=ctx.command_path, listing=f"{ctx.command_path} --help")
        name, command, rest = super().resolve_command(ctx, args)
        if command is not None:
            _refuse_repeated(command, ctx, rest)
        return name, command, rest


def _refuse_repeated(command: Any, parent: Any, words: Sequence[str]) -> None:
    """Refuse an option that takes one value and is given several: the parser would take the last.

    Raises:
        UsageError: names the option.
    """
    context = command.context_class(command, info_name=command.name, parent=parent)
    try:
        _, _, found = command.make_parser(context).parse_args(list(words))
    except ParserError:
        return  # the command itself tells it better
    for param in found:
        single = param.param_type_name == "option" and not (param.multiple or param.is_flag or param.count)
        if single and found.count(param) > 1:
            place = f"{context.command_path} {_name(param)}"
            raise errors.UsageError(
                f"{_name(param)} is given {found.count(param)} times", place=place, fix="give it once"
            )


def in_three_lines(error: Any, typed: str, words: Sequence[str] = ()) -> errors.UsageError:
    """The error of the command-line parser as a problem, a place and a fix.

    Args:
        error: an exception of the parser (a ``ParserError``).
        typed: the command that was typed, for errors that do not know theirs.
        words: the whole line.
    """
    context = getattr(error, "ctx", None)
    place = context.command_path if context is not None else typed
    kind = type(error).__name__
    if kind == "NoSuchOption":
        known = _options(context)
        if "--set" in known and (setting := setting_of(error.option_name)):
            return errors.UsageError(
                f"unknown option {errors.shown(error.option_name)}: it is a setting",
                place=place,
                fix=f"write --set {setting}={_value(error.option_name, words)}",
            )
        if (argument := _argument(context, error.option_name)) is not None:
            return errors.UsageError(
                f"unknown option {errors.shown(error.option_name)}: it stands without an option's name",
                place=place,
                fix=f"write {argument} behind {place}, in the order that {place} --help shows",
            )
        found = unknown("option", error.option_name, known, place=place, listing=f"{place} --help")
        if nearest(error.option_name, known):
            return found
        return errors.UsageError(found.problem, place=place, fix=f"{place} --help lists the options")
    if kind == "MissingParameter":
        name = _name(error.param)
        return errors.UsageError(f"{name} is missing", place=place, fix=f"add {name}; {place} --help explains it")
    if kind == "BadOptionUsage":
        return errors.UsageError(
            _plain(error), place=place, fix=f"{place} --help shows how {error.option_name} is used"
        )
    if kind == "BadParameter" and getattr(error, "param", None) is not None:
        return errors.UsageError(
            _sentence(error.message), place=f"{place} {_name(error.param)}", fix=f"{place} --help says what it takes"
        )
    return errors.UsageError(_plain(error), place=place, fix=f"{place} --help shows how it is used")


def setting_of(option: str) -> str:
    """The hyper-parameter or input setting that ``--option`` stands for, as behind ``--set``; empty for none.

    Only a name that differs in case and dashes, or that is what it is called elsewhere, stands for one.
    """
    from harness.api.registry import find_method, list_methods
    from harness.datasets.card import InputSettings

    methods = [find_method(one.name) for one in list_methods() if one.card is not None]
    settings = dict.fromkeys(name for method in methods for name in method.Params.describe())
    inputs = {name: f"input.{name}" for name in InputSettings.model_fields}
    names = {**inputs, **{name: name for name in settings}}
    same = [name for name in nearest(option, names, count=1) if same_word(option, name)]
    return names[same[0]] if same else ""


def _value(option: str, words: Sequence[str]) -> str:
    """The value behind an option on the line; ``VALUE`` where there is none."""
    for k, word in enumerate(words):
        if word.startswith(f"{option}="):
            return word.partition("=")[2]
        if word == option and k + 1 < len(words) and not words[k + 1].startswith("--"):
            return words[k + 1]
    return "VALUE"


def typed_command(root: Any, words: Sequence[str]) -> str:
    """The command that ``words`` name, as far as they do: ``bench methods show``."""
    path, command = ["bench"], root
    for word in words:
        if word not in getattr(command, "commands", {}):
            break
        command = command.commands[word]
        path.append(word)
    return " ".join(path)


def _argument(context: Any, option: str) -> str | None:
    """The argument of the command that ``--option`` stands for, as it is called in the help; None for none."""
    names = [param.name for param in context.command.params if param.param_type_name == "argument"]
    return next((name.upper() for name in names if same_word(option, name)), None)


def _options(context: Any) -> list[str]:
    """Option names of the command and, so that ``bench run --debg`` is answered too, of the root."""
    commands = [context.command, context.find_root().command] if context is not None else []
    names = [
        name for command in commands for param in command.get_params(context) for name in getattr(param, "opts", ())
    ]
    return [name for name in dict.fromkeys(names) if name.startswith("--")]


def _name(param: Any) -> str:
    """``--option``, or the argument's metavar."""
    options = [name for name in param.opts if name.startswith("-")]
    return max(options, key=len) if options else str(param.metavar or param.name).upper()


def _plain(error: Any) -> str:
    return _sentence(error.format_message())


def _sentence(text: str) -> str:
    text = text.strip().rstrip(".")
    text = text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]} ... {text[-_LONGEST // 4 :]}"
    return text[:1].lower() + text[1:]
