"""Splits that part the slides of patients: refused, or taken for a protocol that is never ranked."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from harness.datasets.dataset import load_dataset

N = 24


@pytest.fixture(autouse=True)
def data(bench) -> None:
    """Features, labels, and splits in which two patients leak, in the folder of the test."""
    Path("features").mkdir()
    rng = np.random.default_rng(0)
    lines, parts = ["case_id,slide_id,label"], ["slide_id,split"]
    for i in range(N):
        np.save(f"features/s{i}.npy", rng.normal(size=(6, 8)).astype(np.float32) + i // 2 % 2)
        lines.append(f"p{i // 2},s{i},{i // 2 % 2}")
        parts.append(f"s{i},{'train' if i < 11 else 'val' if i < 17 else 'test'}")
    Path("labels.csv").write_text("\n".join(lines) + "\n")
    Path("splits.csv").write_text("\n".join(parts) + "\n")


NEW = "datasets new mine --features features --labels labels.csv"


def test_splits_that_leak_are_refused_with_the_number_of_patients(bench) -> None:
    problem, _, fix = bench(f"{NEW} --splits splits.csv").check_three_lines()
    assert "2 of 12 patients" in problem and "--allow-leaks" in fix
    assert not Path("mine").exists()


def test_leaks_that_are_allowed_are_never_ranked(bench) -> None:
    made = bench(f"{NEW} --splits splits.csv --allow-leaks")
    assert (made.code, "2 of 12 patients" in made.out + made.err) == (0, True)
    protocol = load_dataset(Path("mine")).card.protocols["given"]
    assert (protocol.ranked, protocol.allow_leaks) == (False, True)
    assert "2 of 12 patients" in protocol.note
    checked = bench("datasets verify ./mine")
    assert checked.code == 0 and "which its protocol allows" in checked.out + checked.err
    run = bench("run --method mean_pool --dataset ./mine --set epochs=1 --device cpu")
    assert run.code == 0 and "2 patients leak" in run.out + run.err
    (study,) = Path("runs/studies").glob("*/study.json")
    content = json.loads(study.read_text())
    assert content["ranked"] is False
    assert content["audit"]["leaking_patients"] == 2
    (record,) = Path("runs/units").rglob("record.json")
    assert json.loads(record.read_text())["config"]["protocol_settings"]["allow_leaks"] is True
    assert "splits leak" in bench("leaderboard show").out


def test_a_protocol_that_allows_leaks_cannot_be_ranked(bench) -> None:
    assert bench(f"{NEW} --splits splits.csv --allow-leaks").code == 0
    card = yaml.safe_load(Path("mine/card.yaml").read_text())
    card["protocols"]["given"]["ranked"] = True
    Path("mine/card.yaml").write_text(yaml.safe_dump(card))
    assert "allows leaks and is ranked" in bench("datasets show ./mine").check_three_lines()[0]


def test_without_splits_there_is_nothing_to_allow(bench) -> None:
    assert bench(f"{NEW} --allow-leaks").check_three_lines()[1] == "--allow-leaks"
