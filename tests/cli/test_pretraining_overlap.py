"""A study with an encoder that has seen the slides says so, wherever its scores are shown."""

from __future__ import annotations

import json
from pathlib import Path

import yaml


def test_it_is_in_the_record_in_the_output_and_on_the_leaderboard(
    bench, toy_dataset: Path, tiny_plugin: Path, tmp_path: Path
) -> None:
    card = toy_dataset / "card.yaml"
    content = yaml.safe_load(card.read_text())
    inputs = [{"kind": "features", "encoder": "phikon"}]
    card.write_text(yaml.safe_dump(content | {"cohorts": ["tcga"], "inputs": inputs}))
    words = ("--plugin", str(tiny_plugin), "--method", "tiny", "--dataset", str(toy_dataset), "--set", "epochs=1")
    ran = bench("run", *words, "--fold", "0")
    assert ran.code == 0, ran.err
    assert "pre-trained on TCGA" in ran.out
    (record,) = (json.loads(path.read_text()) for path in Path("runs/units").glob("*/record.json"))
    assert record["config"]["pretraining_overlap"] == {"tcga": "yes"}
    assert record["config"]["pretraining_cohorts"] == ["tcga"]
    assert "pre-trained on TCGA" in bench("leaderboard", "show").out
    (row,) = json.loads(bench("leaderboard", "show", "--json").out)
    assert row["pretraining_overlap"] == "pre-trained on TCGA"

    card.write_text(yaml.safe_dump(content | {"cohorts": ["tcga"]}))  # no encoder is named: nothing is known
    assert "pretraining_overlap" not in bench("run", *words, "--fold", "0", "--dry-run").out
