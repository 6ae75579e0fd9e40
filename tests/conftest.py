"""Fixtures for all tests."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings
from support.figures import leave_unpainted
from support.mlflow_template import empty_mlflow, mlflow_template
from support.toy import PLUGIN, write_toy_dataset

__all__ = ["empty_mlflow", "mlflow_template"]

# Machines that run these tests are shared and noisy: time is no criterion.
settings.register_profile("wsibench", deadline=None, max_examples=40)
settings.load_profile("wsibench")

SHARED = Path(__file__).resolve().parents[2] / "shared"


SLOWEST = (
    "tests/docs/test_snippets.py",
    "tests/faults/test_slides.py",
    "tests/jobs/executors/test_ray.py",
    "tests/jobs/executors/test_ray_study.py",
    "tests/jobs/executors/test_slurm.py",
    "tests/faults/test_damaged.py",
    "tests/faults/test_kill.py",
    "tests/methods/test_methods.py",
    "tests/conformance/test_built_in_methods.py",
    "tests/methods/test_presets_start.py",
    "tests/cli/test_tuning.py",
    "tests/cli/test_run.py",
    "tests/methods/msamil/test_fit.py",
    "tests/jobs/test_runner.py",
    "tests/jobs/isolation/test_worker.py",
    "tests/faults/test_disk_full.py",
    "tests/conformance/test_pytest_plugin.py",
    "tests/faults/test_clock.py",
    "tests/methods/dre_slcl/test_method.py",
    "tests/cli/test_ui.py",
    "tests/methods/icmil/test_journal.py",
    "tests/cli/test_features.py",
    "tests/cli/test_predict.py",
    "tests/faults/test_fuzz.py",
    "tests/cli/test_kept_models.py",
    "tests/studies/test_selection_bias.py",
    "tests/cli/test_suite.py",
)
"""Files that start first, so that no worker is left with one of them while the other has nothing to do."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slowest files first; all else as it was. Workers take files in this order (``--no-loadscope-reorder``)."""
    place = {name: number for number, name in enumerate(SLOWEST)}
    items.sort(key=lambda item: place.get(item.nodeid.partition("::")[0], len(place)))


def pytest_collection_finish() -> None:
    """What collecting has made stays: memory is measured, and collected, without looking at it."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory):
    """Tests leave nothing in the user's cache folder."""
    if "BENCH_CACHE" in os.environ:
        yield
        return
    os.environ["BENCH_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    del os.environ["BENCH_CACHE"]


@pytest.fixture(scope="session", autouse=True)
def _warm_workers(_cache):
    """Worker processes are forks of a warm one."""
    from support.warm_workers import warm_workers

    with warm_workers():
        yield


@pytest.fixture(scope="session", autouse=True)
def _files_stay_in_memory():
    """Nothing is forced onto the disk: what a killed process has written stays, and no test turns the machine off."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda file: None)
        yield


@pytest.fixture
def painted() -> None:
    """Figures are painted, for tests that look at them."""


@pytest.fixture(autouse=True)
def _figures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch):
    """Figures are composed and not painted, once something has loaded the library that does."""
    if "painted" not in request.fixturenames and "matplotlib" in sys.modules:
        leave_unpainted(monkeypatch)


@pytest.fixture(scope="session")
def attempts(tmp_path_factory: pytest.TempPathFactory):
    """Starts ``bench`` in processes of its own, quickly."""
    from support.attempts import Attempts

    with Attempts(tmp_path_factory.mktemp("attempts")) as server:
        yield server


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of frozen fixtures and real data beside the checkout; tests that need it skip without it."""
    if not SHARED.is_dir():
        pytest.skip(f"no shared data at {SHARED}")
    return SHARED


@pytest.fixture
def toy_dataset(tmp_path: Path) -> Path:
    """The folder of a tiny feature dataset named ``toy``."""
    return write_toy_dataset(tmp_path / "toy")


@pytest.fixture
def tiny_plugin(tmp_path: Path) -> Path:
    """A plugin file with the method ``tiny``."""
    path = tmp_path / "tiny_plugin.py"
    path.write_text(PLUGIN)
    return path


@pytest.fixture
def toy_unit(toy_dataset: Path, tiny_plugin: Path, tmp_path: Path):
    """A function that makes (unit, inputs, scorer) for a fold and protocol of the toy dataset."""
    from support.plugins import load_plugin
    from support.units import unit_of

    from harness.datasets.dataset import load_dataset
    from harness.protocols.held_out import Scorer

    (method,) = load_plugin(str(tiny_plugin))
    dataset = load_dataset(toy_dataset)

    def make(
        *,
        protocol: str = "cv2",
        fold: int = 0,
        seed: int = 0,
        name: str = "work",
        method: type = method,
        **params: object,
    ):
        place = {"cache": tmp_path / "cache", "workdir": tmp_path / name}
        unit, inputs = unit_of(dataset, method, **place, protocol=protocol, fold=fold, seed=seed, params=params)
        return unit, inputs, Scorer(dataset, dataset.splits(protocol).folds)

    return make


@pytest.fixture
def make_run(tmp_path: Path):
    """A function that makes a run in its own folder, or continues one there."""
    # Imported here, so that tests without torch start without it.
    import torch

    from harness.accounting.meter import Meter
    from harness.core.seeds import Seeds
    from harness.training.run import Run

    def make(name: str = "run", **changes: object) -> Run:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        settings = {"checkpoint_seconds": 0.0} | changes
        return Run(seeds=Seeds(7), device=torch.device("cpu"), workdir=folder, meter=Meter(), **settings)

    return make
