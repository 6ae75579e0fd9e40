"""The wheel carries what an installed ``bench`` needs, and works away from the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    (found,) = out.glob("wsibench-*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """A folder that holds the unpacked wheel and nothing of the checkout."""
    site = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return site


def run(site: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """``bench`` of the unpacked wheel, started in an empty folder."""
    environment = os.environ | {"PYTHONPATH": str(site), "COLUMNS": "200", "BENCH_CACHE": str(folder / "cache")}
    command = [sys.executable, "-m", "harness.cli.main", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


def test_the_wheel_carries_cards_splits_and_reference_scores(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for source, target in (
        ("datasets", "harness/_data/datasets"),
        ("leaderboards/reference", "harness/_data/leaderboards/reference"),
    ):
        files = [path for path in (ROOT / source).rglob("*") if path.is_file() and path.name != ".gitkeep"]
        missing = [path for path in files if f"{target}/{path.relative_to(ROOT / source).as_posix()}" not in names]
        assert not missing
    assert {"harness/leaderboard_site/templates/board.html.j2", "harness/leaderboard_site/static/site.css"} <= names
    assert {"harness/py.typed", "methods/py.typed", "harness/cli/main.py", "methods/abmil.py"} <= names


def test_the_wheel_carries_nothing_else(wheel):
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"harness", "methods"}
    assert not [name for name in zipfile.ZipFile(wheel).namelist() if "__pycache__" in name or name.endswith(".pyc")]


def test_the_wheel_stays_small(wheel):
    assert wheel.stat().st_size < 5_000_000


def test_metadata_registers_command_methods_and_licence(installed):
    (info,) = installed.glob("*.dist-info")
    points = (info / "entry_points.txt").read_text()
    assert "bench = harness.cli.main:main" in points
    assert "[harness.methods]" in points
    assert "abmilx = methods.abmilx:ABMILX" in points
    assert "Apache License" in (info / "licenses" / "LICENSE").read_text()


def test_an_installed_bench_runs_the_installed_code(installed, tmp_path):
    probe = "import harness, methods, sys; sys.stdout.write(harness.__file__ + ' ' + methods.__file__)"
    environment = os.environ | {"PYTHONPATH": str(installed)}
    done = subprocess.run([sys.executable, "-c", probe], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert [path.startswith(str(installed)) for path in done.stdout.split()] == [True, True]


def test_an_installed_bench_finds_methods_datasets_and_splits(installed, tmp_path):
    methods = run(installed, tmp_path, "methods", "list")
    assert (methods.returncode, methods.stderr) == (0, "")
    assert "abmilx" in methods.stdout
    assert "Broken" not in methods.stdout
    datasets = run(installed, tmp_path, "datasets", "list")
    assert (datasets.returncode, datasets.stderr) == (0, "")
    for folder in (ROOT / "datasets").iterdir():
        if (folder / "card.yaml").is_file():
            assert f"│ {folder.name} " in datasets.stdout
    assert "Broken" not in datasets.stdout
    plan = run(installed, tmp_path, "run", "--method", "abmil", "--dataset", "musk1", "--dry-run")
    assert plan.returncode == 0, plan.stderr
    assert "50 units" in plan.stdout


def test_the_version_is_said_once():
    import tomllib

    import harness

    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == harness.__version__
