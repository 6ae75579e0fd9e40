"""Further runs until it is decided: what is run, when it stops, and that it goes on from what is stored.

Nothing is trained: a stand-in of ``run_study`` writes units with predictions whose signal the tests choose.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from support.evidence import record
from support.installed import forget_plugins
from support.toy import PLUGIN, write_toy_dataset

from harness.api.registry import use_plugin
from harness.cli.main import main
from harness.core.errors import DataError, UnitFailedError, UsageError
from harness.results.predictions import UnitPredictions
from harness.results.store import RunStore
from harness.studies.again import Where, again
from harness.studies.budget import Budget, Spent
from harness.studies.config import StudyConfig
from harness.studies.resolve import ResolvedStudy, resolve
from harness.studies.run import open_study
from harness.studies.until_decided import Outcome, until_decided


@pytest.fixture(scope="module")
def stored(tmp_path_factory) -> Path:
    """A folder with two studies of one seed, in two learning rates."""
    root = tmp_path_factory.mktemp("decided")
    (root / "tiny_plugin.py").write_text(PLUGIN)
    write_toy_dataset(root / "toy")
    forget_plugins()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        use_plugin("tiny_plugin.py")
        for rate in (0.01, 0.0003):
            settings = {"epochs": 1, "lr": rate}
            config = StudyConfig(method="tiny", dataset="toy", set=settings, out=Path("runs"), device="cpu")
            write(resolve(config), config, 0.5, 0.3)
    forget_plugins()
    return root


@pytest.fixture
def folder(stored, tmp_path, monkeypatch) -> Path:
    shutil.copytree(stored, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    forget_plugins()
    use_plugin("tiny_plugin.py")
    yield tmp_path / "work"
    forget_plugins()


@pytest.fixture
def fake(monkeypatch):
    """Let units be written with a signal of their study, instead of trained; the calls are kept."""

    def use(first: float, second: float, noise: float = 0.3, *, fails: bool = False) -> list[tuple[str, int]]:
        calls: list[tuple[str, int]] = []

        def run_study(resolved, config):
            study = write(resolved, config, first if resolved.params.lr == 0.01 else second, noise)
            calls.append((study, *config.seeds))
            return SimpleNamespace(n_failed=int(fails), study_id=study)

        monkeypatch.setattr("harness.studies.run.run_study", run_study)
        return calls

    return use


OPENED: dict = {}


def write(resolved: ResolvedStudy, config: StudyConfig, signal: float, noise: float) -> str:
    """The units that a run with these options would write; the name of the study."""
    resolved, store = open_study(resolved, config, OPENED).resolved, RunStore(config.out)
    task = resolved.dataset.task
    names = [unit.unit_id for unit in resolved.units]
    planned = store.plan(resolved.study_id).get("units", [])
    store.write_study(
        {
            "study_id": resolved.study_id,
            "method": "tiny",
            "dataset": "toy",
            "protocol": "cv2",
            "ranked": True,
            "units": list(dict.fromkeys([*planned, *names])),
            "n_units": len({*planned, *names}),
            "config": resolved.as_dict(),
        }
    )
    for spec in resolved.units:
        if store.is_done(spec.unit_id):
            continue
        (fold,) = [one for one in resolved.folds if one.fold == spec.fold]
        truth = resolved.dataset.truth(fold.test)
        rng = np.random.default_rng([spec.seed, spec.fold, int(1e6 * resolved.params.lr)])
        slide = np.random.default_rng(5).normal(size=len(fold.test))  # what is hard about a slide, for all alike
        score = (signal + noise * rng.normal()) * (2 * truth.columns["label"] - 1) + slide
        p = 1 / (1 + np.exp(-score))
        probabilities = np.stack([1 - p, p], axis=1)
        made = record(study=spec.study_id, spec=spec.as_dict(), config=resolved.as_dict(), classes=tuple(task.classes))
        store.write_unit(
            replace(made, unit_id=spec.unit_id),
            UnitPredictions(
                task=task,
                repeat=spec.repeat,
                fold=spec.fold,
                seed=spec.seed,
                slides=fold.test,
                truth=truth,
                probabilities=probabilities,
                decision=task.decide(probabilities, 0.5),
            ),
        )
    return resolved.study_id


def pair(store: RunStore):
    first, second = sorted(store.studies(), key=lambda one: -one.config["params"]["lr"])
    return first, second


def run(budget: str = "1h", **options) -> Outcome:
    store = RunStore(Path("runs"))
    where = Where(out=store.root, device="cpu")
    return until_decided(store, pair(store), where, Budget.of(budget), **options)


def test_a_study_is_run_again_with_its_own_options(folder):
    first, _ = pair(RunStore(Path("runs")))
    config, resolved = again(first, Where(out=Path("runs"), device="cpu"))
    assert resolved.params.lr == 0.01
    assert dict(config.set) == {"epochs": 1, "lr": 0.01} and config.protocol == "cv2"


def test_a_clear_difference_stops_early_and_goes_on_from_what_is_stored(folder, fake):
    calls = fake(0.0, 3.0)
    told = []
    found = run(metric="accuracy", most_seeds=20, tell=lambda *one: told.append(one))
    assert found.stop == "decided" and found.decision.outcome == "second"
    assert 7 <= len(found.runs) <= 14 and found.new == len(found.runs) - 1 and len(told) == len(found.runs)
    assert [one.seed for one in found.runs] == list(range(len(found.runs)))
    assert len(calls) == 2 * found.new and calls[0][1] == calls[1][1] == 1
    assert {len(study.records) for study in found.studies} == {2 * len(found.runs)}
    # The same command again runs nothing and says the same; so does one that was killed in between.
    again = run(metric="accuracy", most_seeds=20)
    assert (again.decision, again.runs, again.new) == (found.decision, found.runs, 0)
    gone = next(Path("runs/units").glob(f"*r0f1-s{calls[-1][1]}-*"))
    shutil.rmtree(gone)
    resumed = run(metric="accuracy", most_seeds=20)
    assert (resumed.decision, resumed.runs, resumed.new) == (found.decision, found.runs, 1)


def test_equal_methods_are_given_up_after_the_last_seed(folder, fake):
    fake(0.8, 0.8)
    found = run(metric="log_loss", most_seeds=5)
    assert found.stop == "seeds" and found.decision.outcome == "open" and len(found.runs) == 5


def test_the_budget_is_kept(folder, fake):
    fake(0.5, 0.6)
    with pytest.raises(UsageError, match="no budget"):
        run("5 parsecs")
    found = run("0.000001cpu-h", metric="accuracy")
    assert found.stop == "budget" and len(found.runs) == 1 and found.new == 0
    assert Budget.of("2gpu-h") == Budget(gpu_hours=2.0) and Budget.of("90m") == Budget(wall_s=5400.0)
    assert Budget.of("1h").holds(Spent(3000), Spent(600)) and not Budget.of("1h").holds(Spent(3000), Spent(601))


def test_a_unit_that_fails_stops_it(folder, fake):
    fake(0.5, 0.6, fails=True)
    with pytest.raises(UnitFailedError, match="seed 1, repeat 0 failed"):
        run(metric="accuracy")


def test_a_study_that_would_be_another_is_refused(folder):
    (folder / "toy" / "labels.csv").write_text(
        (folder / "toy" / "labels.csv").read_text().replace("toy_001,patient0", "toy_001,patient99")
    )
    with pytest.raises(DataError, match="it would be another study"):
        run()


def test_the_command_says_what_was_decided_and_about_what(folder, fake, capsys):
    fake(0.0, 3.0)
    first, second = (study.study_id for study in pair(RunStore(Path("runs"))))
    words = ["compare", first, second, "--until-decided", "--metric", "accuracy", "--device", "cpu"]
    assert main([*words, "--budget", "1h"]) == 0
    said = capsys.readouterr()
    assert "decided: B is better than A in accuracy, after" in said.out and "p = 0.0" in said.out
    assert "training chance on these test slides" in said.out and "run 7 (seed 6, repeat 0): B - A = +" in said.err
    assert main(words) == 2 and "--budget 5h" in capsys.readouterr().err
    assert main(["compare", first, second, "--budget", "1h"]) == 2
    assert "add --until-decided" in capsys.readouterr().err
