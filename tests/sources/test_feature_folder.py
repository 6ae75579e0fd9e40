"""A dataset of a folder of features: made in one command, run, verified, and refused where it is not what it seems."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from harness.cli.main import app
from harness.core.errors import BenchError
from harness.datasets.dataset import load_dataset

N = 12
SLIDES = [f"slide_{i}" for i in range(N)]
TRIDENT = {"patch_size": 256, "patch_size_level0": 512, "target_magnification": 20}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.delenv("BENCH_DATASETS", raising=False)
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    (tmp_path / "features").mkdir()
    for number, slide in enumerate(SLIDES):
        rows = rng.normal(size=(5 + number, 16)).astype(np.float32)
        rows[:, 0] += 3 * (number % 2)
        write(tmp_path / "features" / f"{slide}.h5", rows)
    table(tmp_path)
    return tmp_path


def write(path: Path, rows: np.ndarray, **about) -> None:
    with h5py.File(path, "w") as file:
        file["features"], file["coords"] = rows, np.arange(2 * len(rows)).reshape(-1, 2) * 512
        file["coords"].attrs.update(TRIDENT)
        file["features"].attrs.update(about)


def table(folder: Path, slides=SLIDES) -> None:
    lines = [f"case_{i},{slide},{('normal', 'tumor')[i % 2]}" for i, slide in enumerate(slides)]
    (folder / "labels.csv").write_text("\n".join(["case_id,slide_id,label", *lines]) + "\n")


def new(*words: str, name: str = "mine"):
    command = ["datasets", "new", name, "--features", "features", "--labels", "labels.csv", "--folds", "3", *words]
    return CliRunner().invoke(app, command)


def refused(*words: str) -> str:
    """What a refusal says; nothing is left behind."""
    done = new(*words)
    assert isinstance(done.exception, BenchError), done.output
    assert not Path("mine").exists()
    return f"{done.exception.problem} | {done.exception.place} | {done.exception.fix}"


def test_two_commands_give_a_score(place: Path) -> None:
    made = new("--encoder", "my_net")
    assert made.exit_code == 0, made.output
    assert "labels with features" in made.output
    card = yaml.safe_load((place / "mine" / "card.yaml").read_text())
    assert card["source"]["format"] == "trident"
    assert (card["source"]["encoder"], card["source"]["dim"], card["source"]["tile_px"]) == ("my_net", 16, 256)
    assert card["counts"]["tiles"] == sum(range(5, 5 + N))
    words = ["run", "--method", "abmil", "--dataset", "./mine", "--set", "epochs=2", "--fold", "0", "--out", "out"]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert list((place / "out").glob("units/*/predictions.parquet"))
    assert len(list((place / "cache" / "mine" / "features").iterdir())) == 1, "new and run share what is packed"


def test_verify_reads_every_file(place: Path) -> None:
    new()
    command = ["datasets", "verify", "./mine", "--open"]
    assert CliRunner().invoke(app, command).exit_code == 0
    write(place / "features" / "slide_3.h5", np.full((8, 16), np.nan, np.float32))
    (place / "features" / "slide_4.h5").unlink()
    broken = CliRunner().invoke(app, command)
    assert broken.exit_code == 2
    assert "slide_3" in broken.output
    assert "slide_4" in broken.output


def test_verify_reads_features_in_place_in_their_own_number_type(place: Path) -> None:
    write(place / "features" / "slide_3.h5", np.full((8, 16), 7e4, np.float32))
    assert new("--in-place").exit_code == 0
    done = CliRunner().invoke(app, ["datasets", "verify", "./mine", "--open"])
    assert done.exit_code == 0, done.output


def test_what_does_not_match_is_counted_and_named(place: Path) -> None:
    table(place, [*SLIDES[:-1], "other"])
    assert "1 of 12 slides of the table have no features: other" in refused()
    table(place, SLIDES[:-1])
    assert "1 of 12 slides with features are not in the table: slide_11" in refused()
    made = new("--partial")
    assert made.exit_code == 0, made.output
    assert "1 slides with features that are not in the table: slide_11. Left out with --partial" in made.stderr
    assert len(load_dataset(place / "mine").entries) == N - 1


def test_names_that_are_not_utf8(place: Path) -> None:
    write(place / "features" / os.fsdecode(b"S\xff99.h5"), np.ones((4, 16), np.float32))
    (place / "labels.csv").rename(place / os.fsdecode(b"lab\xff.csv"))
    command = ["datasets", "new", "mine", "--features", "features", "--folds", "3", "--partial"]
    made = CliRunner().invoke(app, [*command, "--labels", os.fsdecode(b"lab\xff.csv")])
    assert made.exit_code == 0, made.output
    (erratum,) = load_dataset(place / "mine").card.errata
    assert (erratum.slides, erratum.source) == (("S\\xff99",), "lab\\xff.csv")
    assert "lab\\xff.csv" in (place / "mine" / "README.md").read_text(encoding="utf-8")


def test_a_rule_is_offered_and_applied_on_request(place: Path) -> None:
    table(place, [slide.upper() for slide in SLIDES])
    assert "12 of 12 match if letter case is ignored: add --match case" in refused()
    assert new("--match", "case").exit_code == 0
    assert load_dataset(place / "mine").slides[0] == "slide_0"


def test_files_of_one_name_are_all_hashed(place: Path) -> None:
    rng = np.random.default_rng(0)
    for slide in SLIDES:
        (place / "features" / f"{slide}.h5").unlink()
        (place / "features" / slide).mkdir()
        np.save(place / "features" / slide / "features.npy", rng.normal(size=(4, 16)).astype(np.float32))
    made = new()
    assert made.exit_code == 0, made.output
    dataset = load_dataset(place / "mine")
    places, _ = dataset.card.source.data_places(dataset, None)
    assert places == {slide: place / "features" / slide / "features.npy" for slide in SLIDES}


def test_a_file_of_all_slides_is_hashed_once_under_its_name(place: Path) -> None:
    with h5py.File(place / "cohort.h5", "w") as file:
        for number, slide in enumerate(SLIDES):
            file[f"{slide}/feat"] = np.random.default_rng(number).normal(size=(4, 16)).astype(np.float16)
            file[slide].attrs["label"] = number % 2
    made = CliRunner().invoke(app, ["datasets", "new", "mine", "--features", "cohort.h5", "--folds", "3"])
    assert made.exit_code == 0, made.output
    dataset = load_dataset(place / "mine")
    assert dataset.card.source.data_places(dataset, None)[0] == {"cohort.h5": place / "cohort.h5"}


def test_one_label_for_all_slides_of_a_patient(place: Path) -> None:
    for number, slide in enumerate(SLIDES):
        new_name = f"TCGA-AA-{number // 2:04d}-01Z-00-DX{number % 2 + 1}.0a.h5"
        (place / "features" / f"{slide}.h5").rename(place / "features" / new_name)
    lines = [f"TCGA-AA-{i:04d},{('normal', 'tumor')[i % 2]}" for i in range(6)]
    (place / "labels.csv").write_text("\n".join(["case_id,label", *lines]) + "\n")
    made = new("--match", "barcode", "--slide-col", "case_id")
    assert made.exit_code == 0, made.output
    dataset = load_dataset(place / "mine")
    assert len(dataset.entries) == N
    assert set(dataset.patients.values()) == {f"TCGA-AA-{i:04d}" for i in range(6)}


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (np.full((4, 16), np.inf, np.float32), "not finite"),
        (np.ones((4, 20), np.float32), "20 columns, wanted 16"),
        (np.empty((0, 16), np.float32), "no tiles"),
        (np.full((4, 16), 7e4, np.float32), "--dtype float32"),
    ],
)
def test_a_slide_that_cannot_be_used_is_named_or_left_out(place: Path, rows, words: str) -> None:
    write(place / "features" / "slide_5.h5", rows)
    said = refused()
    assert "slide_5" in said
    assert words in said
    made = new("--partial")
    assert "slide_5" in made.stderr
    assert "slide_5" not in load_dataset(place / "mine").slides


def test_what_is_declared_must_be_what_files_say(place: Path) -> None:
    for slide in SLIDES:
        write(place / "features" / f"{slide}.h5", np.ones((4, 16), np.float32) * len(slide), encoder="net_a")
    said = refused("--encoder", "net_b")
    assert "net_a" in said
    assert "net_b" in said
    assert "512" in refused("--tile-px", "512")
    write(place / "features" / "slide_7.h5", np.ones((4, 16), np.float32), encoder="net_c")
    said = refused()
    assert "net_c" in said
    assert "slide_7" in said


def test_two_files_of_one_slide_are_refused(place: Path) -> None:
    (place / "features" / "again").mkdir()
    write(place / "features" / "again" / "slide_2.h5", np.ones((4, 16), np.float32))
    said = refused()
    assert "slide_2 has two files" in said
    assert "again/slide_2.h5" in said


@pytest.mark.parametrize("in_place", [False, True])
def test_copies_are_found_in_large_cohorts_too(place: Path, monkeypatch, in_place: bool) -> None:
    import torch

    from harness.datasets.card import InputSettings
    from harness.sources import open_feature_folder as opened
    from harness.sources.opening import Opening

    rng = np.random.default_rng(2)
    bags = {slide: rng.normal(size=(200, 16)).astype(np.float32) for slide in SLIDES}
    bags["slide_9"] = bags["slide_2"][::-1][:190]
    for slide, rows in bags.items():
        write(place / "features" / f"{slide}.h5", rows)
    new(*(["--in-place"] if in_place else []))
    dataset = load_dataset(place / "mine")
    opening = Opening(
        settings=InputSettings(kind="features"),
        slides=dataset.slides,
        data_root=None,
        cache=place / "cache",
        workers=1,
        device=torch.device("cpu"),
    )
    for all_rows in (opened.ALL_ROWS, 100):
        monkeypatch.setattr(opened, "ALL_ROWS", all_rows)
        found = dataset.card.source.open(dataset, opening).compare()
        assert {frozenset((pair.one, pair.other)) for pair in found.pairs} == {frozenset(("slide_2", "slide_9"))}


def test_labels_inside_the_files_are_compared(place: Path) -> None:
    rng = np.random.default_rng(1)
    for path in (place / "features").iterdir():
        path.unlink()
    with h5py.File(place / "features" / "cohort.h5", "w") as file:
        for number, slide in enumerate(SLIDES):
            file[f"{slide}/feat"] = rng.normal(size=(4, 16)).astype(np.float16)
            file[slide].attrs["label"] = (number % 2) if number != 6 else 1
    said = refused()
    assert "slide_6 ('1' in the file, 'normal' in the table)" in said


def test_labels_inside_the_files_do_without_a_table(place: Path) -> None:
    rng = np.random.default_rng(1)
    with h5py.File(place / "cohort.h5", "w") as file:
        for number, slide in enumerate(SLIDES):
            file[f"{slide}/feat"] = rng.normal(size=(4, 16)).astype(np.float16)
            file[slide].attrs["label"] = number % 2
    made = CliRunner().invoke(app, ["datasets", "new", "mine", "--features", "cohort.h5", "--folds", "3"])
    assert made.exit_code == 0, made.output
    assert load_dataset(place / "mine").card.classes == ("0", "1")
    none = CliRunner().invoke(app, ["datasets", "new", "other", "--features", "features"])
    assert "--labels" in none.exception.fix


def test_given_splits_are_used_and_audited(place: Path) -> None:
    (place / "splits").mkdir()
    parts = [SLIDES[:6], SLIDES[6:8], SLIDES[8:]]
    lines = [",".join([str(r), *(part[r] if r < len(part) else "" for part in parts)]) for r in range(6)]
    (place / "splits" / "splits_0.csv").write_text("\n".join([",train,val,test", *lines]) + "\n")
    assert new("--splits", "splits").exit_code == 0
    (fold,) = load_dataset(place / "mine").splits().folds
    assert [list(part) for _, part in fold.parts()] == parts
    text = (place / "labels.csv").read_text().replace("case_0,", "case_9,")
    (place / "labels.csv").write_text(text)
    done = new("--splits", "splits", name="leaking")
    assert "case_9" in str(done.exception)
    assert not (place / "leaking").exists()


def test_options_without_effect_are_refused(place: Path) -> None:
    both = CliRunner().invoke(app, ["datasets", "new", "x", "--labels", "labels.csv"])
    assert "give one of them" in str(both.exception)
    slides = ["datasets", "new", "x", "--labels", "labels.csv", "--slides", "features", "--encoder", "uni"]
    assert "--encoder" in str(CliRunner().invoke(app, slides).exception)
    assert "--tile-mpp" in refused("--mpp", "0.5")


def test_another_format_than_the_card_says_is_refused(place: Path) -> None:
    new()
    card = (place / "mine" / "card.yaml").read_text()
    (place / "mine" / "card.yaml").write_text(card.replace("format: trident", "format: stamp"))
    words = ["run", "--method", "abmil", "--dataset", "./mine", "--out", "out"]
    done = CliRunner().invoke(app, words)
    assert "trident" in str(done.exception)
    assert "stamp" in str(done.exception)


def with_columns(folder: Path, **columns) -> None:
    lines = (folder / "labels.csv").read_text().splitlines()
    cells = zip(*columns.values(), strict=True)
    more = [",".join(columns), *(",".join(map(str, line)) for line in cells)]
    (folder / "labels.csv").write_text("\n".join(f"{a},{b}" for a, b in zip(lines, more, strict=True)) + "\n")


def test_resolution_follows_from_that_of_the_slides(place: Path) -> None:
    with_columns(place, mpp=[0.25, 0.243] * (N // 2))
    assert new("--encoder", "mine").exit_code == 0
    assert load_dataset(Path("mine")).card.inputs[0].mpp == (0.5,)


def test_a_resolution_that_contradicts_is_refused(place: Path) -> None:
    with_columns(place, mpp=[0.25] * (N - 1) + [0.5])
    assert "0.5" in (said := refused("--encoder", "mine")) and "1.0" in said and SLIDES[-1] in said
    table(place)
    with_columns(place, mpp=["40x"] * N)
    assert "'40x' is no resolution" in refused()


def test_cells_with_several_slides_are_split_when_asked(place: Path) -> None:
    lines = [f"case_{i},{SLIDES[2 * i]}.svs; {SLIDES[2 * i + 1]}.svs,{'ab'[i % 2]}" for i in range(N // 2)]
    (place / "labels.csv").write_text("\n".join(["case_id,slide_id,label", *lines]) + "\n")
    assert "--split-slides" in (said := refused()) and "line 2" in said and "6 of 6 lines" in said
    done = new("--split-slides")
    assert done.exit_code == 0 and "6 lines with several slides" in done.output
    made = load_dataset(Path("mine"))
    assert sorted(made.slides) == sorted(SLIDES) and made.patients[SLIDES[0]] == made.patients[SLIDES[1]] == "case_0"


def test_folds_of_numbers_are_stratified_by_quantiles(place: Path) -> None:
    scores = np.arange(N) * 10.0
    lines = [f"case_{i},{slide},{scores[i]}" for i, slide in enumerate(SLIDES)]
    (place / "labels.csv").write_text("\n".join(["case_id,slide_id,score", *lines]) + "\n")
    assert new("--task", "regression", "--label-col", "score").exit_code == 0
    tests = [fold.test for fold in load_dataset(Path("mine")).splits().folds]
    thirds = [{SLIDES.index(slide) // 3 for slide in test} for test in tests]
    assert all(found == {0, 1, 2, 3} for found in thirds)
