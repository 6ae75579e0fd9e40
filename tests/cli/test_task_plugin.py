"""A task of one's own in one file outside the repository: ordinal grade, its epochs chosen by the quadratic kappa."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import cohen_kappa_score

from harness.api.registry import use_plugin
from harness.datasets.dataset import load_dataset
from harness.tasks import registry
from harness.tasks.registry import Waiting, find_task, ready, task_registry

PAGE = Path(__file__).parents[2] / "docs/tasks.md"
PLUGIN = PAGE.read_text().split("```python no-run\n")[1].split("```")[0]
"""The example of the documentation."""
GRADES = ("low", "middle", "high")


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """The plugin's file; the registry of tasks is empty of plugins before and after."""
    task_registry.cache_clear()
    (tmp_path / "graded.py").write_text(PLUGIN)
    yield tmp_path / "graded.py"
    task_registry.cache_clear()


def write_graded_dataset(folder: Path, **card: object) -> Path:
    """Bags of 4-d features that are the larger the higher the grade; 18 of each grade, a patient each."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    grades = np.arange(54) % 3
    bags = [rng.normal(grade, 0.5, size=(5, 4)).astype(np.float32) for grade in grades]
    np.savez(folder / "features.npz", X=np.concatenate(bags), bag=np.repeat(np.arange(1, 55), 5), y=grades)
    slides = [f"graded_{number:03d}" for number in range(1, 55)]
    lines = [f"{slide},p{slide},{GRADES[grade]}\n" for slide, grade in zip(slides, grades, strict=True)]
    (folder / "labels.csv").write_text("slide,patient,label\n" + "".join(lines))
    parts = [("train", "train", "val", "test")[number // 3 % 4] for number in range(54)]
    split = [f"0,0,{slide},{part}\n" for slide, part in zip(slides, parts, strict=True)]
    (folder / "splits.csv").write_text("repeat,fold,slide,part\n" + "".join(split))
    content = {
        "name": "graded",
        "title": "Drawn grades",
        "description": "Drawn.",
        "licence": "none",
        "get": "It is drawn by the tests.",
        "task": {"name": "grade", "steepness": 2.0},
        "classes": list(GRADES),
        "counts": {"slides": 54},
        "source": {"kind": "features", "file": "features.npz", "dim": 4},
        "protocols": {"one": {"title": "one fold", "splits": "splits.csv"}},
        "default_protocol": "one",
        "inputs": [{"kind": "features"}],
    }
    (folder / "card.yaml").write_text(yaml.safe_dump(content | card))
    return folder


def test_a_task_in_one_file_is_trained_scored_and_ranked(bench, plugin: Path, tmp_path: Path) -> None:
    folder = write_graded_dataset(tmp_path / "graded")
    words = ("--plugin", str(plugin), "--method", "abmil", "--dataset", str(folder), "--set", "epochs=2")
    ran = bench("run", *words, "--set", "lr=0.01")
    assert ran.code == 0, ran.err
    (path,) = Path("runs/units").glob("*/record.json")
    record = json.loads(path.read_text())
    table = pd.read_parquet(path.parent / "predictions.parquet")
    expected = cohen_kappa_score(table.label, table.predicted, weights="quadratic")
    assert record["config"]["task"] == "grade" and record["config"]["steepness"] == 2.0
    assert record["selection"]["stages"]["train"]["selected_by"] == "quadratic_kappa"
    score = record["scores"]["quadratic_kappa"]
    assert score["value"] == pytest.approx(expected) and score["low"] <= expected <= score["high"]
    assert set(record["validation"]) == {"quadratic_kappa", *find_task("classification").metrics}
    assert np.allclose(table[[f"p_{grade}" for grade in GRADES]].sum(axis=1), 1)
    assert "val_quadratic_kappa" in (path.parent / "curve.csv").read_text().splitlines()[0]
    shown = bench("leaderboard", "show")
    assert shown.code == 0 and "ranked by quadratic_kappa" in shown.out and f"{expected:.3f}" in shown.out

    # Whoever reads the results without the plugin is told what is missing, and with it sees them.
    task_registry.cache_clear()
    bare = bench("leaderboard", "show")
    assert "'grade'" in bare.out + bare.err and "quadratic_kappa" not in bare.out


def test_a_task_waits_for_its_plugin_in_a_process_that_has_not_loaded_it(bench, plugin: Path, tmp_path: Path) -> None:
    use_plugin(str(plugin))
    task = load_dataset(write_graded_dataset(tmp_path / "graded")).task
    sent = pickle.dumps(task)
    assert pickle.loads(sent) == task
    registry.task_registry.cache_clear()
    waiting = pickle.loads(sent)
    assert isinstance(waiting, Waiting) and isinstance(pickle.loads(pickle.dumps(waiting)), Waiting)
    task_registry().use_plugin(str(plugin))
    assert ready(waiting) == task


@pytest.mark.parametrize(
    ("card", "field", "words"),
    [
        ({"task": "grad"}, "task", "'grade'"),
        ({"task": {"name": "grade", "stepness": 1.0}}, "stepness", "no such setting"),
        ({"task": "grade", "intervals": 3}, "intervals", "survival"),
        ({"task": {"name": "survival"}}, "task", "two ways"),
    ],
)
def test_mistakes_on_the_card(bench, plugin: Path, tmp_path: Path, card, field: str, words: str) -> None:
    folder = write_graded_dataset(tmp_path / "graded", **card)
    ran = bench("run", "--plugin", str(plugin), "--method", "abmil", "--dataset", str(folder), "--dry-run")
    problem, place, fix = ran.check_three_lines()
    assert ran.code and place.endswith(f"field {field}") and words in f"{problem} {fix}"


def test_a_method_with_a_loss_of_its_own_refuses_the_task(bench, plugin: Path, tmp_path: Path) -> None:
    folder = write_graded_dataset(tmp_path / "graded")
    ran = bench("run", "--plugin", str(plugin), "--method", "clam_sb", "--dataset", str(folder), "--dry-run")
    problem, _, fix = ran.check_three_lines()
    assert "cannot learn grade" in problem and "abmil" in fix


def test_a_task_that_lacks_a_member_is_named(bench, plugin: Path, tmp_path: Path) -> None:
    plugin.write_text('from harness import Task\n\nclass Grade(Task):\n    name = "grade"\n')
    folder = write_graded_dataset(tmp_path / "graded")
    ran = bench("run", "--plugin", str(plugin), "--method", "abmil", "--dataset", str(folder), "--dry-run")
    problem, _, _ = ran.check_three_lines()
    assert "lacks" in problem and "encode" in problem
