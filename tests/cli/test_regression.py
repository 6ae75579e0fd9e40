"""A number per slide: learned, scored, ranked, and refused where the label table holds none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import r2_score

from harness.tasks.regression import Regression
from harness.tasks.truth import Truth


def write_numbers(folder: Path, **task: object) -> Path:
    """Bags of 4-d features whose mean rises with the slide's number; 48 patients."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    targets = np.linspace(100, 300, 48)[rng.permutation(48)]
    bags = [rng.normal((target - 200) / 50, 0.5, size=(5, 4)).astype(np.float32) for target in targets]
    np.savez(folder / "features.npz", X=np.concatenate(bags), bag=np.repeat(np.arange(1, 49), 5), y=np.zeros(48, int))
    slides = [f"numbers_{number:03d}" for number in range(1, 49)]
    lines = [f"{slide},p{slide},{target:.3f}\n" for slide, target in zip(slides, targets, strict=True)]
    (folder / "labels.csv").write_text("slide,patient,target\n" + "".join(lines))
    parts = [("train", "train", "val", "test")[number % 4] for number in range(48)]
    split = [f"0,0,{slide},{part}\n" for slide, part in zip(slides, parts, strict=True)]
    (folder / "splits.csv").write_text("repeat,fold,slide,part\n" + "".join(split))
    card = {
        "name": "numbers",
        "title": "Drawn numbers",
        "description": "Drawn.",
        "licence": "none",
        "get": "It is drawn by the tests.",
        "task": {"name": "regression", **task},
        "counts": {"slides": 48},
        "source": {"kind": "features", "file": "features.npz", "dim": 4},
        "protocols": {"one": {"title": "one fold", "splits": "splits.csv"}},
        "default_protocol": "one",
        "inputs": [{"kind": "features"}],
    }
    (folder / "card.yaml").write_text(yaml.safe_dump(card))
    return folder


def test_numbers_are_learned_scored_and_ranked(bench, tmp_path: Path) -> None:
    folder = write_numbers(tmp_path / "numbers", objective="huber")
    words = ("--method", "abmil", "--dataset", str(folder), "--set", "epochs=12", "--set", "lr=0.003")
    ran = bench("run", *words, "--set", "select_metric=mae")
    assert ran.code == 0, ran.err
    (path,) = Path("runs/units").glob("*/record.json")
    record = json.loads(path.read_text())
    table = pd.read_parquet(path.parent / "predictions.parquet")
    assert np.array_equal(table.p_target, table.predicted)
    expected = r2_score(table.target, table.predicted)
    score = record["scores"]["r2"]
    assert score["value"] == pytest.approx(expected) and score["low"] <= expected <= score["high"]
    assert expected > 0.5, "the mean feature gives the number away"
    assert record["config"]["task"] == "regression" and record["config"]["objective"] == "huber"
    assert 150 < record["selection"]["mean"] < 250 and record["selection"]["std"] > 30
    curve, stage = pd.read_csv(path.parent / "curve.csv"), record["selection"]["stages"]["train"]
    assert curve.val_mae[stage["best_epoch"]] == curve.val_mae.min() and stage["selected_by"] == "mae"
    shown = bench("leaderboard", "show")
    assert shown.code == 0 and "ranked by r2" in shown.out and f"{expected:.3f}" in shown.out


@pytest.mark.parametrize(
    ("change", "place", "words"),
    [
        (lambda folder: _edit(folder / "labels.csv", "p1", "a lot"), "column target", "is not a number"),
        (lambda folder: _edit(folder / "card.yaml", "regression", "regression\n  objective: l3"), "field", "l1"),
        (lambda folder: _edit(folder / "card.yaml", "counts", "classes: [a, b]\ncounts"), "field", "leave them out"),
    ],
)
def test_mistakes_are_named_with_their_place(bench, tmp_path: Path, change, place: str, words: str) -> None:
    folder = write_numbers(tmp_path / "numbers")
    change(folder)
    ran = bench("run", "--method", "abmil", "--dataset", str(folder), "--dry-run")
    lines = ran.check_three_lines()
    assert ran.code == 2 and place in lines[1] and words in " ".join(lines)


def _edit(path: Path, old: str, new: str) -> None:
    if path.suffix == ".csv":
        first, line, *rest = path.read_text().splitlines(keepends=True)
        path.write_text("".join([first, f"{line.rpartition(',')[0]},{new}\n", *rest]))
    else:
        path.write_text(path.read_text().replace(old, new, 1))


@pytest.mark.parametrize("objective", ["mse", "l1", "huber"])
def test_the_loss_of_training_is_that_of_validation_in_standard_deviations(objective: str) -> None:
    import torch

    from harness.api.output import BagOutput

    truth = Truth(tuple("abcd"), {"target": np.array([10.0, 20.0, 30.0, 60.0])})
    task = Regression(("target",), objective=objective).fitted(truth, place="here")
    labels, logits = task.encode(truth), torch.tensor([[0.1], [-2.0], [0.4], [0.9]])
    assert labels.mean() == pytest.approx(0, abs=1e-6) and labels.std() == pytest.approx(1)
    loss = task.loss(BagOutput(logits), torch.from_numpy(labels), lambda *_: torch.zeros(()))
    numbers = task.probabilities(logits).numpy()
    assert float(loss) == pytest.approx(task.validation_loss(labels, numbers), rel=1e-5)
    assert numbers[0, 0] == pytest.approx(0.1 * task.std + task.mean)
