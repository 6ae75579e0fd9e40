"""What errors advise can be followed: the commands and options that they name exist and are complete."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

import harness
from harness.cli.main import app

SOURCES = Path(harness.__file__).parent
COMMAND = re.compile(r"\bbench(?= [a-z])([^,;:()`]*)")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
VALUE = "VALUE"
PROSE = {
    "lists",
    "names",
    "groups",
    "fills",
    "says",
    "shows",
    "explains",
    "has",
    "again",
    "command",
    "on",
    "or",
    "with",
}


def advice() -> Iterator[tuple[str, str]]:
    """(place, text) of every ``fix=`` and ``listing=`` in the sources, with a word for each value in it."""
    for path in sorted(SOURCES.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg in {"fix", "listing"}:
                for text in texts(node.value):
                    yield f"{path.relative_to(SOURCES)}:{node.value.lineno}", text


def texts(node: ast.expr) -> list[str]:
    """The texts that an expression may give, as far as they are written in it."""
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    if isinstance(node, ast.JoinedStr):
        return ["".join(str(part.value) if isinstance(part, ast.Constant) else VALUE for part in node.values)]
    return [text for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr) for text in texts(child)]


def commands(group=None) -> Iterator:
    for command in (group or typer.main.get_command(app)).commands.values():
        yield from commands(command) if hasattr(command, "commands") else (command,)


def options_of(command) -> set[str]:
    return {name for param in command.params for name in (*param.opts, *param.secondary_opts)}


def problem_of(words: list[str]) -> str:
    """Why the words behind ``bench`` are no complete command; empty if they are one, with prose behind it."""
    command, rest = typer.main.get_command(app), list(words)
    while hasattr(command, "commands"):
        if not rest or rest[0] not in command.commands:
            return f"no command {' '.join(words)}"
        command = command.commands[rest.pop(0)]
    if words[:1] == ["export"] and len(words) == 1:  # "a folder of bench export" names what it makes
        return ""
    required = [param for param in command.params if param.param_type_name == "argument" and param.required]
    known = options_of(command) | {"--help", "--debug"}
    arguments = 0
    while rest and rest[0] not in PROSE:
        word = rest.pop(0)
        if word == "--help":
            return ""
        if not word.startswith("--"):
            arguments += 1
            continue
        if word not in known:
            return f"no option {word}"
        option = next(param for param in command.params if word in (*param.opts, *param.secondary_opts))
        if not option.is_flag and rest:
            rest.pop(0)
    return f"{len(required)} arguments are needed" if arguments < len(required) else ""


def test_every_command_in_an_advice_exists_and_is_complete() -> None:
    found = [(place, text, match[1]) for place, text in advice() for match in COMMAND.finditer(text)]
    assert len(found) > 20
    wrong = {
        f"{place}: {text!r}": problem
        for place, text, words in found
        if "the same bench" not in text and (problem := problem_of(shlex.split(words)))
    }
    assert wrong == {}


def test_every_option_in_an_advice_exists() -> None:
    known = {name for command in commands() for name in options_of(command)} | {"--help", "--debug"}
    found = [(place, option) for place, text in advice() for option in OPTION.findall(text)]
    assert len(found) > 30
    assert [(place, option) for place, option in found if option not in known] == []


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        ("prepare", True),
        ("prepare DATASET", False),
        ("run --metod abmil", True),
        ("rnu", True),
        ("leaderboard show lists them", False),
        ("run --help says", False),
    ],
)
def test_the_check_tells_right_from_wrong(words: str, wrong: bool) -> None:
    assert bool(problem_of(words.split())) == wrong


def test_what_is_executed_cheaply_works(bench) -> None:
    listings = {
        text for _, text in advice() if text.startswith("bench ") and VALUE not in text and "METHOD" not in text
    }
    assert listings
    for text in sorted(listings):
        (match,) = COMMAND.finditer(text)
        words = [word for word in shlex.split(match[1]) if word not in PROSE]
        if words[:1] != ["leaderboard"] and words[:2] != ["tune", "show"]:  # those need runs
            assert bench(*words[: words.index("--help") + 1 if "--help" in words else None]).code == 0, text
