"""The page of symptoms quotes what the program says, and its options are options of the program."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
import typer
from support.messages import texts

from harness.cli.main import app

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "symptoms.md").read_text()
QUOTED = re.findall(r"^### `(.+)`$", PAGE, re.MULTILINE)


@pytest.fixture(scope="module")
def said() -> list[str]:
    return list(texts(ROOT / "harness"))


def test_every_quoted_message_stands_in_the_code(said):
    assert len(QUOTED) > 25
    parts = {message: [part for part in re.split("…+", message) if part.strip()] for message in QUOTED}
    patterns = {message: re.compile(".*".join(map(re.escape, found)), re.DOTALL) for message, found in parts.items()}
    missing = [message for message, one in patterns.items() if not any(one.search(text) for text in said)]
    assert not missing


def options(command: click.Command) -> set[str]:
    own = {word for one in command.params for word in (*one.opts, *one.secondary_opts)}
    return own.union(*map(options, getattr(command, "commands", {}).values()))


def test_every_option_is_one():
    known = options(typer.main.get_command(app))
    assert not set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE)) - known
