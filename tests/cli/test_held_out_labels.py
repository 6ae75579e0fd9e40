"""A method that hunts for test labels, in everything that it can reach, finds none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.toy import PLUGIN, write_toy_dataset

THIEF = (
    PLUGIN.replace('name="tiny"', 'name="thief"')
    + """
    def fit(self, train, val, run):
        super().fit(train, val, run)
        import gc, json, os
        from pathlib import Path
        import numpy as np
        loot = {}
        for root in json.loads(os.environ["HUNT"]):
            for path in Path(root).rglob("*"):
                if path.is_file() and path.stat().st_size:
                    loot[str(path)] = path.stat().st_size
        open_ids = set(train.ids) | set(val.ids)
        held = []
        for item in gc.get_objects():
            if isinstance(item, dict) and any(str(key).startswith("toy_") and key not in open_ids for key in item):
                held.append(sorted(map(str, item))[:3])
            if type(item).__name__ in ("Dataset", "Entry", "Scorer", "Inputs", "Splits"):
                held.append(type(item).__name__)
        found = {"files": loot, "held": held, "fold": run.fold.test, "work": str(run.workdir)}
        (Path(os.environ["LOOT"]) / f"{run.fold.name}.json").write_text(json.dumps(found))
"""
)


def test_a_thief_finds_no_label_in_objects_files_or_earlier_evidence(bench, tmp_path: Path, monkeypatch):
    dataset = write_toy_dataset(tmp_path / "toy")
    plugin = tmp_path / "thief_plugin.py"
    plugin.write_text(THIEF)
    out = tmp_path / "runs"
    monkeypatch.setenv("LOOT", str(tmp_path))
    monkeypatch.setenv("HUNT", json.dumps([str(dataset), str(out)]))
    answer = bench("run", "--method", "thief", "--dataset", str(dataset), "--plugin", str(plugin), "--out", str(out))
    assert answer.code == 0, answer.err
    loots = [json.loads((tmp_path / f"r0f{fold}.json").read_text()) for fold in range(2)]
    for loot in loots:
        record = json.loads((Path(loot["work"]).parent / "record.json").read_text())
        assert loot["held"] == []
        assert all(name.startswith("test-") for name in loot["fold"])
        if record["extra"]["sandbox"] != "labels withheld, their files hidden":
            pytest.skip(f"files cannot be hidden here: {record['extra']['sandbox']}")
        # Of the whole dataset folder and all evidence it sees its own scratch space, and nothing else.
        assert all(Path(name).is_relative_to(loot["work"]) for name in loot["files"]), loot["files"]


def test_the_access_log_counts_every_use_of_the_test_labels(bench, tmp_path: Path):
    dataset = write_toy_dataset(tmp_path / "toy")
    plugin = tmp_path / "tiny_plugin.py"
    plugin.write_text(PLUGIN)
    out = tmp_path / "runs"
    words = ("run", "--method", "tiny", "--dataset", str(dataset), "--plugin", str(plugin), "--out", str(out))
    assert bench(*words).code == 0
    assert bench(*words).code == 0
    lines = [json.loads(line) for line in (out / "test_accesses.jsonl").read_text().splitlines()]
    assert len(lines) == 2
    assert {line["accessor"] for line in lines} == {path.name for path in (out / "units").iterdir()}
    # That somebody removes a result and runs again does not stay hidden.
    unit = sorted((out / "units").iterdir())[0]
    (unit / "record.json").unlink()
    assert bench(*words).code == 0
    assert json.loads((unit / "record.json").read_text())["extra"]["test_accesses"] == 2
    frame = pd.read_parquet(unit / "predictions.parquet")
    assert not frame["slide"].str.startswith("test-").any()


def test_near_duplicates_on_two_sides_are_refused_before_anything_is_trained(bench, tmp_path: Path):
    dataset = write_toy_dataset(tmp_path / "toy")
    plugin = tmp_path / "tiny_plugin.py"
    plugin.write_text(PLUGIN)
    with np.load(dataset / "features.npz") as content:
        arrays = dict(content)
    rows = {number: np.flatnonzero(arrays["bag"] == number) for number in (1, 3)}
    # Bags 1 and 3 are of different patients and parts: let the second share nearly all of the first one's rows.
    size = min(len(rows[1]), len(rows[3]))
    arrays["X"][rows[3][:size]] = arrays["X"][rows[1][:size]] + 1e-7
    keep = np.ones(len(arrays["bag"]), bool)
    keep[rows[3][size:]] = keep[rows[1][size:]] = False
    np.savez(dataset / "features.npz", X=arrays["X"][keep], bag=arrays["bag"][keep], y=arrays["y"])
    out = tmp_path / "runs"
    words = ("run", "--method", "tiny", "--dataset", str(dataset), "--plugin", str(plugin), "--out", str(out))
    problem = bench(*words).check_three_lines()[0]
    assert "toy_001" in problem
    assert "toy_003" in problem
    assert not list(out.glob("units/*"))
    card = dataset / "card.yaml"
    card.write_text(card.read_text() + "not_duplicates:\n- [toy_001, toy_003]\n")
    answer = bench(*words)
    assert answer.code == 0, answer.err
    assert "declared different: toy_001 and toy_003" in answer.err
    (plan,) = (out / "studies").glob("*/study.json")
    assert json.loads(plan.read_text())["audit"]["declared_different"][0]["slides"] == ["toy_001", "toy_003"]
