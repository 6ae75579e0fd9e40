"""``bench run --features``: a feature set that exists already is read, in the folds that may use it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support.toy_slides import write_toy_slides

from harness.results.store import RunStore


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A folder with twelve drawn slides, and the cache of everything that is made of them."""
    folder = tmp_path_factory.mktemp("home")
    write_toy_slides(folder / "specimens")
    return folder


@pytest.fixture
def words(home, tmp_path: Path):
    """A function that gives the words of ``bench run`` with a small method on these slides."""

    def make(out: str, *more: str, method: str = "abmil") -> list[str]:
        place = ["--dataset", str(home / "specimens"), "--out", str(tmp_path / out), "--cache", str(home / "cache")]
        return ["run", "--method", method, *place, "--device", "cpu", "--set", "epochs=2", *more]

    return make


@pytest.fixture
def made(bench, words, home, tmp_path):
    """A copy of the features that a run has made, and the run's folder."""
    if not (home / "made").exists():
        assert bench(*words("made")).code == 0
        shutil.copytree(tmp_path / "made", home / "made")
    (folder,) = (home / "cache/specimens/features").iterdir()
    return Path(shutil.copytree(folder, tmp_path / "set")), home / "made"


def edited(folder: Path, **changes) -> None:
    """Change the manifest of a set."""
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def predictions(out: Path) -> dict[str, list]:
    store = RunStore(out)
    table = store.predictions([record.unit_id for record in store.records()]).drop(columns="unit_id")
    return table.sort_values(["fold", "slide"]).to_dict("list")


def test_the_same_features_give_the_same_predictions_as_another_study(bench, words, made, tmp_path):
    folder, first = made
    answer = bench(*words("again", "--features", str(folder)))
    assert answer.code == 0, answer.err
    assert predictions(tmp_path / "again") == predictions(first)
    # A manifest without training slides may be that of a frozen encoder, or one that was stripped.
    assert "not checked: whether the encoder of features set has been trained on these slides" in " ".join(
        answer.err.split()
    )
    plan = next((tmp_path / "again" / "studies").glob("**/study.json"))
    assert any("names no training slides" in text for text in json.loads(plan.read_text())["audit"]["not_checked"])
    (one,), (other,) = RunStore(first).studies(), RunStore(tmp_path / "again").studies()
    assert one.study_id != other.study_id
    assert {len(record.spec["input"]["features"]) for record in other.records} == {64}
    # Where the set lies is no part of what it is.
    moved = folder.rename(tmp_path / "moved")
    assert "2 of 2 units done already" in bench(*words("again", "--features", str(moved))).err


def test_what_a_fold_has_shaped_serves_that_fold_and_no_other(bench, words, made):
    folder, _ = made
    trained_on = [f"specimen_{k:02d}" for k in range(4, 11)]
    edited(folder, encoder_trained_on={"slides": trained_on, "chosen_on": [], "fold": "r0f0", "unit": ""})
    assert bench(*words("out", "--features", str(folder), "--fold", "0")).code == 0
    answer = bench(*words("out", "--features", str(folder)))
    assert answer.code != 0
    assert "specimen_10 (test)" in answer.err and "features set" in answer.err
    assert "repeat 0, fold 1" in answer.err


def test_what_does_not_fit_is_said_before_anything_is_opened(bench, words, made):
    folder, _ = made
    for changes, more, said in (
        ({}, ["--encoder", "conv64"], "the set has input.encoder 'random:conv64', and 'conv64' is asked for"),
        ({}, ["--input", "tiles"], "the set has input.kind 'features', and 'tiles' is asked for"),
        ({"slides": {}}, [], "the set has no features of specimen_0"),
        ({"format": 9}, [], "the manifest has format 9"),
    ):
        edited(folder, **changes)
        answer = bench(*words("out", "--features", str(folder), *more))
        assert (answer.code, said in answer.err) == (2, True), answer.err
        assert str(folder) in answer.err and "fix: " in answer.err


def test_features_of_other_tiles_and_damaged_ones_are_refused_by_name(bench, words, made):
    folder, _ = made
    slides = json.loads((folder / "manifest.json").read_text())["slides"]
    edited(folder, slides=slides | {"specimen_03": slides["specimen_03"] | {"fingerprint": "0" * 64}})
    answer = bench(*words("out", "--features", str(folder)))
    assert answer.code != 0 and "features of other tiles than the dataset has: specimen_03" in answer.err
    edited(folder, slides=slides)
    damaged = bytearray((folder / "features.bin").read_bytes())
    damaged[0] ^= 1
    (folder / "features.bin").write_bytes(damaged)
    answer = bench(*words("out", "--features", str(folder)))
    first = min(slides, key=lambda slide: slides[slide]["start"])
    assert answer.code != 0 and f"features have changed on disk since they were made: {first}" in answer.err


def test_features_that_icmil_leaves_train_another_method(bench, words, tmp_path):
    coupled = ("--fold", "0", "--set", "distil_steps=4")
    assert bench(*words("coupled", *coupled, method="icmil")).code == 0
    (folder,) = tmp_path.glob("coupled/units/*/features/*")
    answer = bench(*words("out", "--features", str(folder), "--fold", "0"))
    assert answer.code == 0, answer.err
    answer = bench(*words("out", "--features", str(folder), "--fold", "1"))
    assert (answer.code, "the set has no features of specimen_11, used by r0f1" in answer.err) == (2, True)
