"""The walk-through's package, installed: its method is found by entry point and works like a built-in one."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest
from support.mlflow_template import with_template

from harness.api import registry
from harness.api.registry import find_method
from harness.cli.main import main

PAGE = Path(__file__).resolve().parents[2] / "docs/add_a_method.md"


def file_of(name: str) -> str:
    """The block that the page says to put into file ``name``."""
    return PAGE.read_text().split(f"file={name}\n", 1)[1].split("```", 1)[0]


@pytest.fixture
def installed(tmp_path, monkeypatch, mlflow_template) -> Path:
    """A folder on the path with the package and the metadata that an installer would write."""
    with_template(tmp_path / "cache", mlflow_template)
    site = tmp_path / "site"
    (site / "my_package").mkdir(parents=True)
    for name in ("my_package/__init__.py", "my_package/timm_pool.py"):
        (site / name).write_text(file_of(name))
    project = tomllib.loads(file_of("pyproject.toml"))["project"]
    metadata = site / f"my_package-{project['version']}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    points = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in values.items())
        for group, values in project["entry-points"].items()
    ]
    (metadata / "entry_points.txt").write_text("\n".join(points))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.syspath_prepend(site)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    forget()
    yield site
    forget()


def forget() -> None:
    registry.registry.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "my_package"]:
        del sys.modules[name]


def test_the_entry_point_of_an_installed_package_is_found(installed, capsys):
    assert main(["methods", "list"]) == 0
    assert "my-package 1.0" in capsys.readouterr().out
    assert Path(sys.modules[find_method("timm_pool").__module__].__file__).is_relative_to(installed)


def test_it_keeps_the_contract_and_runs_by_its_name(installed, capsys):
    assert main(["test", "timm_pool"]) == 0
    words = "run --method timm_pool --dataset musk1 --fold 0 --set epochs=2 --set width=32"
    assert main(words.split()) == 0, capsys.readouterr().err
    assert "1 unit" in capsys.readouterr().out
