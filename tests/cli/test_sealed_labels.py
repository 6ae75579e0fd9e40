"""A method that hunts for test labels, in everything that it can reach, finds none."""

from __future__ import annotations

import json
from pathlib import Path

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
        (run.workdir.parent / "loot.json").write_text(json.dumps({"files": loot, "held": held, "fold": run.fold.test}))
"""
)


def test_a_thief_finds_no_label_in_objects_files_or_earlier_evidence(bench, tmp_path: Path, monkeypatch):
    dataset = write_toy_dataset(tmp_path / "toy")
    plugin = tmp_path / "thief_plugin.py"
    plugin.write_text(THIEF)
    out = tmp_path / "runs"
    monkeypatch.setenv("HUNT", json.dumps([str(dataset), str(out)]))
    answer = bench("run", "--method", "thief", "--dataset", str(dataset), "--plugin", str(plugin), "--out", str(out))
    assert answer.code == 0, answer.err
    loots = sorted(out.glob("units/*/loot.json"))
    assert len(loots) == 2
    for path in loots:
        loot = json.loads(path.read_text())
        record = json.loads((path.parent / "record.json").read_text())
        assert loot["held"] == []
        assert all(name.startswith("test-") for name in loot["fold"])
        if record["extra"]["seal"] != "labels withheld, their files hidden":
            pytest.skip(f"files cannot be hidden here: {record['extra']['seal']}")
        # Of the whole dataset folder and all evidence it sees its own scratch space, and nothing else.
        assert all(Path(name).is_relative_to(path.parent / "work") for name in loot["files"]), loot["files"]


def test_the_book_of_questions_counts_every_look_at_the_test_labels(bench, tmp_path: Path):
    dataset = write_toy_dataset(tmp_path / "toy")
    plugin = tmp_path / "tiny_plugin.py"
    plugin.write_text(PLUGIN)
    out = tmp_path / "runs"
    words = ("run", "--method", "tiny", "--dataset", str(dataset), "--plugin", str(plugin), "--out", str(out))
    assert bench(*words).code == 0
    assert bench(*words).code == 0
    lines = [json.loads(line) for line in (out / "questions.jsonl").read_text().splitlines()]
    assert len(lines) == 2
    assert {line["asker"] for line in lines} == {path.name for path in (out / "units").iterdir()}
    # Somebody who removes a result and runs again is seen to have asked twice.
    unit = sorted((out / "units").iterdir())[0]
    (unit / "record.json").unlink()
    assert bench(*words).code == 0
    assert json.loads((unit / "record.json").read_text())["extra"]["scorer_asked"] == 2
    frame = pd.read_parquet(unit / "predictions.parquet")
    assert not frame["slide"].str.startswith("test-").any()
