"""The pages do what they say: their Python runs, their files are written, their ``bench`` commands succeed.

A fenced block is run unless its first line ends in ``no-run``. ``file=NAME`` behind the language writes the block to
that file in the page's own empty folder; later blocks find it there. In ``console`` blocks the lines that begin with
``$ bench`` are run; what follows a line is what it prints, shortened where it says ``...``.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.mlflow_template import with_template

from harness.api import registry
from harness.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[\w-]+)?\)")


@dataclass(frozen=True)
class Block:
    """A fenced block: language, the words behind it, its text, and the line it begins on."""

    language: str
    words: tuple[str, ...]
    text: str
    line: int

    @property
    def file(self) -> str | None:
        return next((word.removeprefix("file=") for word in self.words if word.startswith("file=")), None)


def blocks(page: Path) -> list[Block]:
    text = page.read_text()
    found = [
        Block(match[1], tuple(match[2].split()), match[3], text[: match.start()].count("\n") + 1)
        for match in FENCE.finditer(text)
    ]
    assert text.count("```") == 2 * len(found), "a fence without a language, or without an end"
    return [block for block in found if "no-run" not in block.words]


def commands(block: Block) -> list[tuple[str, list[str]]]:
    """The commands of a console block, each with the lines that it is said to print."""
    found: list[tuple[str, list[str]]] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append((line.removeprefix("$ "), []))
        elif found and line.strip() and line.strip() != "...":
            found[-1][1].append(line)
    return found


@pytest.fixture
def folder(tmp_path, monkeypatch, mlflow_template) -> Path:
    """An empty folder to run a page in, away from caches and plugins of others."""
    with_template(tmp_path / "cache", mlflow_template)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "160")
    for name in ("BENCH_DATA", "BENCH_DATASETS", "BENCH_DEBUG", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    registry.registry.cache_clear()
    yield tmp_path
    registry.registry.cache_clear()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_does_what_it_says(page, folder, capsys):
    names: dict[str, object] = {"__name__": f"page_{page.stem}"}
    for block in blocks(page):
        where = f"{page.name}, line {block.line}"
        if block.file is not None:
            (folder / block.file).parent.mkdir(parents=True, exist_ok=True)
            (folder / block.file).write_text(block.text)
        elif block.language == "python":
            exec(compile(block.text, where, "exec"), names)
        elif block.language == "console":
            for command, printed in commands(block):
                run(command, printed, where, capsys)


def run(command: str, printed: list[str], where: str, capsys) -> None:
    words = shlex.split(command, comments=True)
    assert words[0] == "bench", f"{where}: {command} is not run here; mark its block no-run"
    capsys.readouterr()
    code = main(words[1:])
    out, err = capsys.readouterr()
    expected = 2 if any(line.startswith("error:") for line in printed) else 0
    assert code == expected, f"{where}: {command}\n{out}\n{err}"
    said = re.sub(r"\s+", " ", out + err)
    for line in printed:
        for part in line.split("..."):
            assert re.sub(r"\s+", " ", part).strip() in said, (
                f"{where}: {command} does not print {line!r}:\n{out}\n{err}"
            )


@pytest.mark.parametrize("page", [*PAGES, *sorted((ROOT / "docs/decisions").glob("*.md"))], ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    targets = [target for target in LINK.findall(page.read_text()) if "://" not in target]
    assert not [target for target in targets if not (page.parent / target).exists()]


def test_the_first_two_commands_of_the_readme_set_up_everything():
    lines = re.findall(r"^\$ (.+)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert [line.split("#")[0].strip() for line in lines[:2]] == ["make demo", "make test"]


def test_the_smallest_plugin_stays_under_thirty_lines():
    (plugin,) = [block for block in blocks(ROOT / "docs/add_a_method.md") if block.file == "my_method.py"]
    assert len(plugin.text.splitlines()) < 30
