"""What lies in the working folder or in PYTHONPATH is not imported in place of the standard library or of ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.core import interpreter

PROBE = """
import json, queue, random, sys
import harness, methods
print(json.dumps([module.__file__ for module in (json, queue, random, harness, methods)] + sys.argv[1:]))
"""


@pytest.fixture
def shadows(tmp_path: Path) -> Path:
    """A folder with modules of the names that are imported."""
    for name in ("json", "queue", "random", "runpy", "tempfile"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('shadowed')\n")
    for name in ("harness", "methods"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('shadowed')\n")
    (tmp_path / "only_here.py").write_text("import sys\nsys.stdout.write('found')\n")
    return tmp_path


@pytest.mark.parametrize("path", [".", "", "{0}", "{0}:/nothing", ":"])
def test_a_process_of_ours_imports_what_it_should(shadows: Path, path: str) -> None:
    given = {**os.environ, "PYTHONPATH": path.format(shadows), "PYTHONINSPECT": "1", "PYTHONSTARTUP": "x"}
    command = interpreter.command("-c", PROBE, "a b", "-m")
    done = subprocess.run(
        command, cwd=shadows, env=interpreter.variables(given), capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stderr
    assert str(shadows) not in done.stdout and done.stdout.count('"') == 14
    assert done.stdout.rstrip().endswith('"a b", "-m"]')


def test_what_is_found_nowhere_else_is_found_there(shadows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(shadows))
    done = subprocess.run(
        interpreter.command("-m", "only_here"), env=interpreter.variables(os.environ), capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("found", "")


def test_the_command_and_its_pools_are_isolated(shadows: Path) -> None:
    probe = (
        "import harness.cli, os, sys, random, queue, methods, multiprocessing\n"
        "with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "    path = pool.apply(eval, (\"__import__('random').__file__\",))\n"
        "sys.stdout.write(path)\n"
    )
    root = str(Path(interpreter.__file__).resolve().parents[2])
    (shadows / "harness").rename(shadows / "renamed")
    (shadows / "start.py").write_text(f"if __name__ == '__main__':\n    exec({probe!r})\n")
    done = subprocess.run(
        [sys.executable, str(shadows / "start.py")],
        cwd=shadows,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([".", root])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and str(shadows) not in done.stdout, done.stderr
