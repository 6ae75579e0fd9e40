"""Promises about the code as a whole. The import arrows themselves are import-linter's, in pyproject.toml."""

from __future__ import annotations

import ast
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import harness
import methods

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted(path for folder in ("harness", "methods") for path in (ROOT / folder).rglob("*.py"))
LONGEST_FILE = 300
LONGER = {"harness/tasks/task.py"}  # all that the author of a task writes against, in one place
LONGEST_FUNCTION = 60

WITHOUT_TORCH = ("cli", "core", "datasets", "evaluation", "protocols", "results", "slides", "synthetic")
"""Rooms of which every module can be imported without torch."""


def functions(path: Path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_rooms_are_imported_without_torch():
    names = [
        module.name
        for room in WITHOUT_TORCH
        for module in pkgutil.walk_packages([str(Path(harness.__file__).parent / room)], f"harness.{room}.")
    ]
    assert len(names) > 40
    names += [f"methods.{module.name}" for module in pkgutil.iter_modules(methods.__path__) if not module.ispkg]
    text = (
        "import importlib, sys\n"
        f"for name in {names!r}:\n"
        "    importlib.import_module(name)\n"
        "    if 'torch' in sys.modules:\n"
        "        sys.exit(f'{name} imports torch')\n"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_files_and_functions_stay_readable():
    long = [path.relative_to(ROOT).as_posix() for path in SOURCES if path.read_text().count("\n") > LONGEST_FILE]
    long = sorted(set(long) - LONGER)
    long += [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in SOURCES
        for node in functions(path)
        if node.end_lineno - node.lineno >= LONGEST_FUNCTION
    ]
    assert not long


def test_every_package_says_what_it_is_for():
    silent = [
        path for path in SOURCES if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert not silent


def test_only_the_console_writes_to_the_terminal():
    loud = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in SOURCES
        if path.name != "console.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and (node.value.id, node.attr) in {("sys", "stdout"), ("sys", "stderr")}
    ]
    assert not loud


def test_tests_mirror_the_rooms():
    rooms = {path.name for path in (ROOT / "harness").iterdir() if (path / "__init__.py").is_file()}
    folders = {path.parent.name for path in (ROOT / "tests").glob("*/test_*.py")}
    assert folders - rooms <= {"methods", "docs", "benchmarks", "examples", "faults", "golden", "browser"}


def test_no_array_or_checkpoint_is_unpickled():
    """What ruff's rules on unsafe reads leave out: the switches of NumPy and torch."""
    unsafe = re.compile(r"weights_only=False|allow_pickle=True")
    found = [path.relative_to(ROOT).as_posix() for path in SOURCES if unsafe.search(path.read_text())]
    assert not found
