"""Promises about the code as a whole. The import arrows themselves are import-linter's, in pyproject.toml."""

from __future__ import annotations

import ast
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import harness
import methods

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted(path for folder in ("harness", "methods") for path in (ROOT / folder).rglob("*.py"))
LONGEST_FILE = 350
LONGEST_FUNCTION = 60

WITHOUT_TORCH = ("cli", "data", "evaluation", "protocol", "report", "slides", "synthetic", "tracking")
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


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_files_and_functions_stay_readable(path):
    assert path.read_text().count("\n") <= LONGEST_FILE
    long = [
        f"{node.name} (line {node.lineno})"
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
    assert folders - rooms <= {"methods", "docs", "benchmarks", "faults"}


OWN_PROCESSES = {"harness/launch/child.py", "harness/launch/ray_task.py"}
"""May unpickle bytes (no file): what a process sends to one that it has started itself, by their own pipe or by Ray."""


def unsafe_reads(tree: ast.AST) -> list[str]:
    """Calls that can execute what stands in the file they read."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in {"torch", "numpy", "pickle", "yaml"}:
            found += [f"from {node.module} import {name.name}" for name in node.names if name.name.startswith("load")]
        if not isinstance(node, ast.Call):
            continue
        call = ast.unparse(node.func)
        given = {word.arg: ast.unparse(word.value) for word in node.keywords}
        if (
            (call == "torch.load" and given.get("weights_only") != "True")
            or (call in {"np.load", "numpy.load"} and given.get("allow_pickle") != "False")
            or (call in {"np.save", "np.savez", "np.savez_compressed"} and given.get("allow_pickle") == "True")
            or (call.startswith("yaml.") and "load" in call)  # harness/plain_yaml.py reads YAML
            or call in {"eval", "exec", "os.system"}
            or (
                call.rpartition(".")[0] in {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
                and call.rpartition(".")[2] in {"load", "loads", "Unpickler", "open"}
            )
            or call.rpartition(".")[2] in {"read_pickle", "extractall", "load_model"}
            or given.get("shell") == "True"
        ):
            found.append(f"line {node.lineno}: {call}")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_file_is_read_in_a_way_that_executes_it(path):
    name = path.relative_to(ROOT).as_posix()
    found = unsafe_reads(ast.parse(path.read_text()))
    assert not [one for one in found if not (name in OWN_PROCESSES and one.endswith(": pickle.loads"))]


@pytest.mark.parametrize(
    "line",
    [
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, mmap_mode='r')",
        "np.load(path, allow_pickle=True)",
        "from torch import load",
        "pickle.loads(data)",
        "yaml.load(text, Loader=yaml.Loader)",
        "yaml.safe_load(text)",
        "joblib.load(path)",
        "frame.read_pickle(path)",
        "archive.extractall(folder)",
        "subprocess.run(line, shell=True)",
    ],
)
def test_the_search_for_unsafe_reads_finds_them(line):
    assert unsafe_reads(ast.parse(line))
