"""The contract suite inside pytest: by option and in a test file of a plugin's own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = "harness.conformance.pytest_plugin"

SERVER = """
import contextlib, importlib.metadata, json, os, sys
import pytest
import harness.conformance.pytest_tests  # once for all, as the plugins that are installed: it takes seconds
for point in importlib.metadata.entry_points(group="pytest11"):
    with contextlib.suppress(Exception):
        point.load()
for line in sys.stdin:
    folder, words, report = json.loads(line)
    if (child := os.fork()) == 0:
        code = 70
        try:
            file = os.open(report, os.O_WRONLY | os.O_CREAT)
            os.dup2(file, 1), os.dup2(file, 2)
            os.chdir(folder)
            sys.path.insert(0, folder)
            code = int(pytest.main(words))
            sys.stdout.flush()
        finally:
            os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture(scope="module")
def server():
    """A process that has imported everything, and forks for every pytest that is started in it."""
    command = [sys.executable, "-c", SERVER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.stdin.close()


@pytest.fixture
def pytest_in(server):
    """A function that runs pytest in a folder: its exit code, and what it printed."""

    def run(folder: Path, *words: str) -> tuple[int, str]:
        report = folder / "report.txt"
        options = ["-q", "-rA", "-p", "no:cacheprovider", *words]
        server.stdin.write(json.dumps([str(folder), options, str(report)]) + "\n")
        server.stdin.flush()
        return int(server.stdout.readline()), report.read_text()

    return run


@pytest.fixture
def two_methods(tmp_path, tiny_plugin) -> Path:
    """A folder with a plugin of a method that keeps the contract and one that does not."""
    text = tiny_plugin.read_text()
    broken = (
        "\n\nclass BrokenPromise(Tiny):\n    card = MethodCard(name='broken', title='BrokenPromise', paper='none')\n"
    )
    tiny_plugin.write_text(text + broken)
    return tmp_path


def test_methods_by_option(pytest_in, two_methods):
    code, said = pytest_in(two_methods, "-p", PLUGIN, "--bench-plugin", "tiny_plugin.py")
    assert code == 1, said
    assert "1 failed" in said
    assert "the card says attention=False, predictions have some" in said


def test_the_plugin_does_nothing_unasked(pytest_in, tmp_path):
    code, said = pytest_in(tmp_path, "-p", PLUGIN)
    assert code == 5, said  # pytest's code for no tests


def test_an_unknown_method_is_a_usage_error(pytest_in, tmp_path):
    code, said = pytest_in(tmp_path, "-p", PLUGIN, "--bench-method", "abmill")
    assert code == 4, said
    assert "unknown method 'abmill'" in said


def test_a_test_file_of_your_own(pytest_in, two_methods):
    (two_methods / "test_tiny.py").write_text(
        "from tiny_plugin import BrokenPromise, Tiny\n"
        "from harness.conformance import conformance_tests\n"
        "TestTiny = conformance_tests(Tiny)\n"
        "TestBroken = conformance_tests(BrokenPromise, without=['further_inputs'])\n"
    )
    code, said = pytest_in(two_methods)
    assert code == 1, said
    assert "FAILED test_tiny.py::TestBroken::test_contract[attention]" in said
    assert "1 failed" in said
    assert "PASSED test_tiny.py::TestTiny::test_contract[save_load]" in said
    assert "further_inputs" not in said.replace("TestTiny::test_contract[further_inputs]", "")
