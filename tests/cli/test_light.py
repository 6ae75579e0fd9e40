"""Help and listings answer at once: nothing heavy is imported for them."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "torchvision", "timm", "mlflow", "pandas", "matplotlib", "seaborn", "sklearn", "scipy", "skimage")
LINES = (
    "--help",
    "--version",
    "run --help",
    "prepare --help",
    "methods list",
    "test --help",
    "methods show abmilx",
    "datasets list",
    "datasets show musk1",
    "encoders list",
    "encoders show uni_v1",
    "leaderboard --help",
    "compare --help",
    "predict --help",
    "export --help",
    "heatmap --help",
    "ui --help",
    "doctor --help",
    "run --method abmil --dataset musk1 --dry-run --fold 0",
)
PROBE = """
import json, os, sys
from harness.cli.main import main
report, heavy, lines = json.loads(sys.argv[1])
for line in lines:
    if os.fork():  # every command in a process that has imported the command line and no more
        os.wait()
        continue
    try:
        code = main(line.split())
        loaded = [name for name in heavy if name in sys.modules]
        with open(report, "a") as file:
            file.write(json.dumps([line, code, loaded]) + "\\n")
    finally:
        os._exit(0)
"""


def imported_by(lines: tuple[str, ...], folder: Path) -> dict[str, tuple[int, list[str]]]:
    """Exit code and heavy libraries that were imported, by command line."""
    report = folder / "report.jsonl"
    words = json.dumps([str(report), HEAVY, lines])
    subprocess.run([sys.executable, "-c", PROBE, words], check=True, capture_output=True, timeout=120)
    return {line: (code, loaded) for line, code, loaded in map(json.loads, report.read_text().splitlines())}


@pytest.fixture(scope="module")
def imported(tmp_path_factory) -> dict[str, tuple[int, list[str]]]:
    return imported_by(LINES, tmp_path_factory.mktemp("light"))


@pytest.mark.parametrize("line", LINES)
def test_no_heavy_library_is_imported(imported, line):
    assert imported[line] == (0, [])


def test_every_heavy_library_would_be_noticed(tmp_path):
    """A command that does import them, from stand-ins, is reported with all; and all exist under these names."""
    assert all(importlib.util.find_spec(name) for name in HEAVY)
    for name in HEAVY:
        (tmp_path / f"{name}.py").touch()
    plugin = tmp_path / "heavy_plugin.py"
    imports = "".join(f"import {name}\n" for name in HEAVY)
    plugin.write_text(f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\n{imports}raise ImportError('enough')\n")
    line = f"run --method abmil --dataset musk1 --dry-run --plugin {plugin}"
    _, loaded = imported_by((line,), tmp_path)[line]
    assert loaded == list(HEAVY)


def test_importing_the_public_face_needs_no_torch():
    text = "import sys, harness; assert 'torch' not in sys.modules; harness.Aggregator; assert 'torch' in sys.modules"
    assert subprocess.run([sys.executable, "-c", text], timeout=60).returncode == 0
