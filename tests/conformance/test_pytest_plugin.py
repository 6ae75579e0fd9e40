"""The contract suite inside pytest: by option and in a test file of a plugin's own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = "harness.conformance.pytest_plugin"


def pytest_in(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


@pytest.fixture
def two_methods(tmp_path, tiny_plugin) -> Path:
    """A folder with a plugin of a method that keeps the contract and one that does not."""
    text = tiny_plugin.read_text()
    broken = (
        "\n\nclass BrokenPromise(Tiny):\n    card = MethodCard(name='broken', title='BrokenPromise', paper='none')\n"
    )
    tiny_plugin.write_text(text + broken)
    return tmp_path


def test_methods_by_option(two_methods):
    done = pytest_in(two_methods, "-p", PLUGIN, "--bench-plugin", "tiny_plugin.py")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed" in done.stdout
    assert "the card says attention=False, predictions have some" in done.stdout


def test_the_plugin_does_nothing_unasked(tmp_path):
    done = pytest_in(tmp_path, "-p", PLUGIN)
    assert done.returncode == 5, done.stdout  # pytest's code for no tests


def test_an_unknown_method_is_a_usage_error(tmp_path):
    done = pytest_in(tmp_path, "-p", PLUGIN, "--bench-method", "abmill")
    assert done.returncode == 4, done.stdout
    assert "unknown method 'abmill'" in done.stdout + done.stderr


def test_a_test_file_of_your_own(two_methods):
    (two_methods / "test_tiny.py").write_text(
        "from tiny_plugin import BrokenPromise, Tiny\n"
        "from harness.conformance import conformance_tests\n"
        "TestTiny = conformance_tests(Tiny)\n"
        "TestBroken = conformance_tests(BrokenPromise, without=['further_inputs'])\n"
    )
    done = pytest_in(two_methods)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FAILED test_tiny.py::TestBroken::test_contract[attention]" in done.stdout
    assert "1 failed" in done.stdout
    assert "PASSED test_tiny.py::TestTiny::test_contract[save_load]" in done.stdout
    assert "further_inputs" not in done.stdout.replace("TestTiny::test_contract[further_inputs]", "")
