"""``bench features extract``: features made by themselves, used by studies, their cost shared between them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.toy_slides import write_toy_slides

from harness.results.store import RunStore


@pytest.fixture
def specimens(tmp_path: Path) -> str:
    return str(write_toy_slides(tmp_path / "specimens"))


def test_a_run_uses_what_was_extracted_and_shares_its_cost(bench, specimens: str, tmp_path: Path) -> None:
    words = (specimens, "--encoder", "conv64", "--cache", str(tmp_path / "cache"), "--workers", "2")
    made = bench("features", "extract", *words, "--batch", "7")
    assert made.code == 0, made.err
    (folder,) = (tmp_path / "cache/specimens/features").iterdir()
    assert folder.name.startswith("conv64-1mpp-32px-") and folder.name in made.out and "CPU-hours" in made.out
    cost = (folder / "cost.json").read_bytes()
    assert "cost" in bench("features", "show", folder.name, "--cache", str(tmp_path / "cache")).out
    assert bench("features", "extract", *words).code == 0

    run = ("run", "--method", "mean_pool", "--dataset", specimens, "--cache", str(tmp_path / "cache"), "--fold", "0")
    answer = bench(*run, "--set", "epochs=1", "--encoder", "conv64")
    assert answer.code == 0, answer.err
    assert (folder / "cost.json").read_bytes() == cost, "nothing was made again"
    assert "features, shared" in answer.out
    (record,) = RunStore(Path("runs")).records()
    account = json.loads(cost)["account"]
    assert record.compute["shared"]["features"] == account and account["wall_s"] > 0
    (row,) = json.loads(bench("leaderboard", "show", "--json").out)
    assert row["shared_wall_s"] == account["wall_s"] and row["shared_gpu_hours"] is None
    assert row["wall_s"] == record.compute["wall_s"], "what is shared is in no other number"


def test_another_precision_is_another_set(bench, specimens: str, tmp_path: Path) -> None:
    words = (specimens, "--encoder", "conv64", "--cache", str(tmp_path / "cache"))
    for more in (("--precision", "bf16"), ("--dtype", "float32", "--devices", "2", "--device", "cpu")):
        assert bench("features", "extract", *words, *more).code == 0
    manifests = [json.loads(path.read_text()) for path in tmp_path.glob("cache/specimens/features/*/manifest.json")]
    assert {(one["precision"], one["dtype"]) for one in manifests} == {("bf16", "float16"), ("fp32", "float32")}


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        (("--encoder", "virchow2"), "virchow2@cls+mean"),
        (("--encoder", "ctranspath"), "file:ctranspath=PATH"),
        (("--encoder", "path_foundation"), "bench datasets new"),
        (("--encoder", "conv64", "--precision", "fp8"), "fp32"),
        (("--encoder", "conv64", "--tile-px", "27"), "conv27"),
    ],
)
def test_what_cannot_be_done_is_said_before_slides_are_prepared(
    bench, specimens: str, tmp_path: Path, words: tuple[str, ...], fix: str
) -> None:
    answer = bench("features", "extract", specimens, *words, "--cache", str(tmp_path / "cache"))
    assert answer.code and fix in answer.check_three_lines()[2]
    assert not (tmp_path / "cache").exists()


def test_datasets_without_tiles_are_refused(bench) -> None:
    answer = bench("features", "extract", "musk1", "--encoder", "conv64")
    assert answer.code and "choose a dataset" in answer.check_three_lines()[2]


def test_another_resolution_than_the_encoders_is_noted(bench, specimens: str, tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(b"none")
    words = ("--encoder", f"file:ctranspath={tmp_path / 'w.pth'}", "--cache", str(tmp_path / "cache"), "--mpp", "2")
    assert "ctranspath is used at 1 microns" in " ".join(bench("features", "extract", specimens, *words).err.split())
