from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from harness.core.errors import BenchError, DataError, UsageError
from harness.core.resources import package_data
from harness.datasets.catalog import find_dataset
from harness.datasets.dataset import Dataset
from harness.datasets.locate import locate
from harness.datasets.new_labels import NewDataset
from harness.protocols.audit import audit
from harness.protocols.verify import verify
from harness.slides.discover import discover_slides
from harness.sources import new_dataset as making

N = 18
HEAD = "file,who,diagnosis\n"
ROWS = [f"s{i:02d}.svs,p{i // 2:02d},{'benign' if i % 3 else 'malignant'}" for i in range(N)]


@pytest.fixture(autouse=True)
def small_catalogue(monkeypatch, tmp_path: Path) -> None:
    """A package with one dataset, so that looking through the catalogue takes no time."""
    package = tmp_path / "package"
    shutil.copytree(package_data("datasets") / "colon-nuclei", package / "colon-nuclei")
    monkeypatch.setattr("harness.datasets.catalog.package_data", lambda name: package)
    monkeypatch.delenv("BENCH_DATASETS", raising=False)


@pytest.fixture
def options(tmp_path: Path) -> NewDataset:
    slides = tmp_path / "slides"
    (slides / "batch 1").mkdir(parents=True)
    for i in range(N):
        (slides / ("batch 1" if i % 2 else ".") / f"S{i:02d}.SVS").write_bytes(b"II*\0")
    (tmp_path / "labels.csv").write_text(HEAD + "\n".join(ROWS) + "\n", encoding="utf-8-sig")
    return NewDataset(
        name="mine",
        slides=slides,
        labels=tmp_path / "labels.csv",
        slide_column="file",
        columns={"label": "diagnosis"},
        patient_column="who",
        folds=3,
        into=tmp_path / "datasets",
    )


def new_dataset(options: NewDataset) -> Dataset:
    return making.new_dataset(options).dataset


def rewrite(options: NewDataset, *rows: str, head: str = HEAD) -> NewDataset:
    options.labels.write_text(head + "\n".join(rows) + "\n", encoding="utf-8")
    return options


def refusal(options: NewDataset) -> BenchError:
    with pytest.raises(BenchError) as error:
        new_dataset(options)
    assert not (options.into / options.name).exists(), "nothing is left behind"
    assert not options.into.exists() or list(options.into.iterdir()) == []
    assert "\n" not in error.value.problem + error.value.place + error.value.fix
    return error.value


def test_it_becomes_a_dataset_like_any_other(options: NewDataset, monkeypatch) -> None:
    made = new_dataset(options)
    assert made.folder == options.into / "mine"
    assert {path.name for path in made.folder.iterdir()} == {"card.yaml", "labels.csv", "splits", "README.md"}
    assert made.card.classes == ("benign", "malignant")
    assert made.card.counts == {"slides": 18, "patients": 9, "benign": 12, "malignant": 6}
    assert verify(made, None).findings == ()
    monkeypatch.setenv("BENCH_DATASETS", str(options.into))
    for found in (find_dataset("mine"), find_dataset(str(made.folder))):
        assert found.slides == tuple(f"s{i:02d}" for i in range(N))
        assert locate(found, None)["s01"].name == "S01.SVS"


def test_folds_keep_patients_together_and_hold_every_class(options: NewDataset) -> None:
    made = new_dataset(options)
    folds = made.splits().folds
    assert len(folds) == 3
    assert sorted(slide for fold in folds for slide in fold.test) == sorted(made.slides)
    for fold in folds:
        audit(fold, made.patients, None)
        for _, part in fold.parts():
            assert {made.by_slide[slide].label for slide in part} == {0, 1}


def test_the_same_options_gives_the_same_folds_and_another_seed_others(options: NewDataset, tmp_path: Path) -> None:
    one, two, other = (
        new_dataset(replace(options, into=tmp_path / place, seed=seed)).splits().sha256
        for place, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert one == two
    assert one != other


def test_patients_may_have_slides_of_both_classes(options: NewDataset) -> None:
    made = new_dataset(options)
    labels = {patient: {e.label for e in made.entries if e.patient == patient} for patient in made.patients.values()}
    assert {0, 1} in labels.values()


def test_each_slide_its_own_patient(options: NewDataset) -> None:
    made = new_dataset(replace(options, patient_column="file"))
    assert made.patients == {slide: slide for slide in made.slides}


def test_class_order(options: NewDataset) -> None:
    assert new_dataset(replace(options, classes=("malignant", "benign"))).card.classes == ("malignant", "benign")


def test_numbers_and_odd_words_are_classes_too(options: NewDataset) -> None:
    for name, words in (("a", ("10", "9")), ("b", ("yes", "no")), ("c", ("None", "null")), ("d", ("slides", "tiles"))):
        rewrite(options, *(row.replace("benign", words[0]).replace("malignant", words[1]) for row in ROWS))
        made = new_dataset(replace(options, name=name, classes=words if name == "c" else None))
        assert set(made.card.classes) == set(words)
        assert made.by_slide["s01"].label == made.card.classes.index(words[0])
        if name == "a":
            assert made.card.classes == ("9", "10")


def test_misspelt_columns_are_answered_with_the_nearest(options: NewDataset) -> None:
    error = refusal(replace(options, columns={"label": "diagnose"}, patient_column="patient"))
    assert "no column 'diagnose' and no column 'patient'" in error.problem
    assert "did you mean 'diagnosis' for 'diagnose'" in error.fix
    assert "--label-col" in error.fix


def test_slides_without_a_file(options: NewDataset) -> None:
    (options.slides / "S04.SVS").rename(options.slides / "S004.SVS")
    error = refusal(options)
    assert error.problem == "1 of 18 slides of the table have no file: s04"
    assert "S004.SVS has the id S004" in error.fix
    (options.slides / "S004.SVS").rename(options.slides / "X04.SVS")
    assert "did you mean 'X04' for 's04'?" in refusal(options).fix


@pytest.mark.parametrize("name", ["S04.2.SVS", "S04-a.SVS", "S04 2.SVS", "XS04.SVS", "S4.SVS", "S04.0b1c-uuid.SVS"])
@pytest.mark.parametrize("also_in_table", [True, False])
def test_a_slide_gets_no_file_of_another_name(options: NewDataset, name: str, also_in_table: bool) -> None:
    (options.slides / "S04.SVS").rename(options.slides / name)
    rewrite(options, *ROWS, *([f"{name},p99,benign"] * also_in_table))
    error = refusal(options)
    # S4 and S04 cannot both stand in a table.
    assert "no file: s04" in error.problem or (name == "S4.SVS" and "one slide" in error.problem)


def test_ids_with_dots_find_their_own_files(options: NewDataset) -> None:
    for name in ("S04.2.SVS", "S04.2.3.SVS"):
        (options.slides / name).write_bytes(b"II*\0")
    made = new_dataset(rewrite(options, *ROWS, "S04.2,p98,benign", "S04.2.3,p99,benign"))
    paths = locate(made, None)
    assert [paths[slide].name for slide in ("s04", "S04.2", "S04.2.3")] == ["S04.SVS", "S04.2.SVS", "S04.2.3.SVS"]
    (options.slides / "S04.SVS").unlink()
    with pytest.raises(DataError, match="missing: s04") as error:
        locate(made, None)
    assert "has the id S04.2" in error.value.fix


def test_names_in_another_unicode_form(options: NewDataset) -> None:
    (options.slides / "S04.SVS").rename(options.slides / "Pra\u0308p.SVS")
    made = new_dataset(rewrite(options, *(row.replace("s04", "präp") for row in ROWS)))
    assert locate(made, None)["präp"].name == "Pra\u0308p.SVS"


def test_files_without_a_label(options: NewDataset) -> None:
    (options.slides / "extra.svs").write_bytes(b"II*\0")
    (options.slides / "S01.jpg").write_bytes(b"thumbnail")
    (options.slides / "notes.txt").write_text("hello")
    assert refusal(options).problem == "1 slides in the folder are not in the table: extra"


def test_partial_leaves_out_what_has_no_counterpart(options: NewDataset) -> None:
    (options.slides / "extra.svs").write_bytes(b"II*\0")
    (options.slides / "S04.SVS").unlink()
    made = new_dataset(replace(options, partial=True))
    assert "s04" not in made.slides
    assert len(made.slides) == 17
    assert [erratum.slides for erratum in made.card.errata] == [("s04",), ("extra",)]
    assert all("--partial" in erratum.action for erratum in made.card.errata)


def test_names_that_are_not_utf8(options: NewDataset, tmp_path: Path) -> None:
    (options.slides / os.fsdecode(b"S\xff99.svs")).write_bytes(b"II*\0")
    labels = options.labels.rename(tmp_path / os.fsdecode(b"lab\xff.csv"))
    made = new_dataset(replace(options, labels=labels, partial=True))
    (erratum,) = made.card.errata
    assert erratum.slides == ("S\\xff99",) and erratum.source == "lab\\xff.csv"
    slides = options.slides.rename(tmp_path / os.fsdecode(b"slides\xff"))
    error = refusal(replace(options, labels=labels, slides=slides, partial=True, into=tmp_path / "other"))
    assert "UTF-8" in error.problem and "rename" in error.fix


def test_what_has_no_effect_on_survival_is_refused(options: NewDataset) -> None:
    error = refusal(replace(followed(options, *FOLLOWED), classes=("0", "1")))
    assert "no effect on a dataset of survival" in error.problem
    error = refusal(replace(followed(options, *FOLLOWED), columns={"label": "died"}))
    assert error.place == "--col" and "event" in error.fix


def test_partial_still_refuses_when_nothing_fits(options: NewDataset, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    error = refusal(replace(options, slides=tmp_path / "empty", partial=True))
    assert "18 of 18 slides of the table have no file" in error.problem


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("../..,p,benign", "cannot be the name of a slide"),
        ("batch 1/S01.SVS,p,benign", "one slide"),
        ('"a\nb",p,benign', "line break"),
        ("=HYPERLINK(1),p,benign", "formula"),
        ("x,@cmd,benign", "cannot be the name of a patient"),
        ("x,p,=1+1", "cannot be the name of a class"),
        ("x,,benign", "empty"),
        ("x,p,", "empty"),
        ("S00,p,benign", "one slide"),
        ("s 00,p,benign", "one slide"),
        ("s00.svs,p,benign", "stands twice"),
    ],
)
def test_hostile_and_double_rows_are_refused_with_their_line(options: NewDataset, row: str, words: str) -> None:
    error = refusal(rewrite(options, *ROWS, row))
    assert words in error.problem
    assert "line" in error.place


@pytest.mark.parametrize("name", ["../evil", "a/b", "Mine", "", "-x", "a b", "a\n", "ä", "x" * 65, "."])
def test_dataset_names(options: NewDataset, name: str) -> None:
    with pytest.raises(UsageError):
        new_dataset(replace(options, name=name))
    assert not options.into.exists()


PATIENTS = [
    ("P{:02d}", "p{:02d}"),
    ("{:03d}", "{:d}"),
    ("{:d}", "{:d}.0"),
    ("Ä{:02d}", "A\u0308{:02d}"),
    ("P {:02d}", "P{:02d}"),
    ("P-{:02d}", "P\u2013{:02d}"),
    ("P{:02d}", "\uff30{:02d}"),
]


@pytest.mark.parametrize(("one", "other"), PATIENTS)
def test_patients_in_two_spellings_are_kept_together(options: NewDataset, one: str, other: str) -> None:
    rows = [f"s{i:02d},{(other if i % 2 else one).format(i // 2)},{'ab'[i // 2 % 2]}" for i in range(N)]
    made = new_dataset(rewrite(options, *rows))
    assert len(set(made.patients.values())) == N // 2
    (erratum,) = made.card.errata
    assert "lines 2 and 3" in erratum.what
    assert erratum.slides == tuple(f"s{i:02d}" for i in range(1, N, 2))
    for fold in made.splits().folds:
        for _, part in fold.parts():
            assert {f"s{int(slide[1:]) ^ 1:02d}" for slide in part} == set(part)
    apart = new_dataset(replace(options, name="apart", distinct_ids=True))
    assert (len(set(apart.patients.values())), apart.card.distinct_ids, apart.card.errata) == (N, True, ())


@pytest.mark.parametrize(
    "words", [("Benign", "benign"), ("benign", "be nign"), ("benign", "\uff42enign"), ("1", "1.0")]
)
def test_classes_in_two_spellings_are_refused_unless_named(options: NewDataset, words: tuple[str, str]) -> None:
    rows = [f"s{i:02d},p{i},{(*words, 'other')[i % 3]}" for i in range(N)]
    error = refusal(rewrite(options, *rows))
    assert "one class" in error.problem
    assert "lines 2 and 3" in error.place
    assert new_dataset(replace(options, classes=(*words, "other"))).card.classes == (*words, "other")


@pytest.mark.parametrize("text", ["", "NA", "nan", "None", "#N/A", "-", "?", "unknown", "\u2013"])
@pytest.mark.parametrize("column", ["patient", "label", "slide"])
def test_missing_values_are_refused_or_dropped(options: NewDataset, text: str, column: str) -> None:
    rows = [row.split(",") for row in ROWS]
    for i in (4, 7):
        rows[i][("slide", "patient", "label").index(column)] = text
    error = refusal(rewrite(options, *map(",".join, rows)))
    assert f"2 of 18 lines have no {column}" in error.problem
    assert "lines 6, 9" in error.place
    assert "--drop-missing" in error.fix
    # What lacks a name in the table has a file without a line.
    made = new_dataset(replace(options, drop_missing=True, partial=column == "slide"))
    assert made.slides == tuple(f"s{i:02d}" for i in range(N) if i not in {4, 7})
    erratum, *others = made.card.errata
    assert [other.slides for other in others] == ([("S04", "S07")] if column == "slide" else [])
    assert f"2 of 18 lines have no {column}" in erratum.what
    assert erratum.slides == (() if column == "slide" else ("s04", "s07"))
    assert "lines 6, 9" in (made.folder / "README.md").read_text()
    assert verify(made, None).ok


def test_missing_follow_up(options: NewDataset) -> None:
    options = followed(options, *(row.replace("s02.svs,p01,2", "s02.svs,p01,NA") for row in FOLLOWED))
    assert "1 of 18 lines have no time: 'NA'" in refusal(options).problem
    assert len(new_dataset(replace(options, drop_missing=True)).slides) == N - 1


def test_a_spreadsheet_with_decimal_commas(options: NewDataset) -> None:
    rows = [row.replace(",", ";").replace(";2;", ";2,5;") for row in FOLLOWED]
    options = replace(
        rewrite(options, *rows, head="sep=;\nfile;who;months;died\n"),
        task="survival",
        columns={"time": "months", "event": "died"},
    )
    assert new_dataset(options).by_slide["s02"].truth["time"] == 2.5


def test_taken_names_and_folders(options: NewDataset) -> None:
    with pytest.raises(UsageError, match="there is a dataset 'colon-nuclei' already"):
        new_dataset(replace(options, name="colon-nuclei"))
    first = new_dataset(options)
    before = (first.folder / "labels.csv").read_bytes()
    with pytest.raises(UsageError, match="exists already"):
        new_dataset(options)
    assert (first.folder / "labels.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"folds": 7}, "7 folds cannot be made: class 'malignant' has slides of 6 patients"),
        ({"folds": 2}, "2 folds cannot be made"),
        ({"classes": ("benign", "malign")}, "unknown class 'malignant'"),
        ({"classes": ("benign", "malignant", "other")}, "no slide has the class 'other'"),
        ({"classes": ("benign", "malignant", "benign")}, "stands twice"),
        ({"columns": {"label": "file"}}, "different labels for 18 slides"),
        ({"slides": Path("nowhere")}, "no such folder"),
        ({"labels": Path("nowhere.csv")}, "does not exist"),
    ],
)
def test_wrong_options(options: NewDataset, change: dict[str, object], words: str) -> None:
    assert words in refusal(replace(options, **change)).problem


def test_a_single_class(options: NewDataset) -> None:
    error = refusal(rewrite(options, *(row.replace("malignant", "benign") for row in ROWS)))
    assert error.problem == "all slides have the label 'benign'"


def test_files_that_are_no_slides_yet(options: NewDataset) -> None:
    (options.slides / "S02.SVS").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    assert "s02 (pointer to large-file storage" in refusal(options).problem


def test_two_files_for_a_slide(options: NewDataset) -> None:
    (options.slides / "batch 1" / "s00.tif").write_bytes(b"II*\0")
    assert "slide s00 has 2 files" in refusal(options).problem


def test_flat_images_need_a_resolution(options: NewDataset) -> None:
    (options.slides / "S00.SVS").rename(options.slides / "S00.png")
    error = refusal(options)
    assert error.place == "--mpp"
    made = new_dataset(replace(options, mpp=0.5))
    assert yaml.safe_load((made.folder / "card.yaml").read_text())["source"]["mpp"] == 0.5
    assert locate(made, None)["s00"].name == "S00.png"


def test_thumbnails_beside_slides_are_ignored(options: NewDataset) -> None:
    for i in range(N):
        (options.slides / f"S{i:02d}.jpg").write_bytes(b"thumbnail")
    (options.slides / "thumbnails").mkdir()
    for name in ("S01_thumbnail.png", "S02-label.jpg", "S03_mask.tif", "thumbnails/all.png", "S04 (macro).jpeg"):
        (options.slides / name).write_bytes(b"II*\0")
    assert set(discover_slides(options.slides)) == {f"S{i:02d}" for i in range(N)}
    assert verify(new_dataset(options), None).findings == ()


def test_a_table_may_name_what_looks_like_a_companion(options: NewDataset) -> None:
    (options.slides / "S04_mask.tif").write_bytes(b"II*\0")
    assert "S04_mask" in new_dataset(rewrite(options, *ROWS, "S04_mask,p99,benign")).slides


def test_longer_file_names_and_dicom_folders(options: NewDataset) -> None:
    uuid = "0B1C2D3E-0000-4444-8888-0123456789AB"
    (options.slides / "S00.SVS").rename(options.slides / f"S00.{uuid}.SVS")
    (options.slides / "S04.SVS").rename(options.slides / "S04.ome.tiff")
    (options.slides / "S02.SVS").unlink()
    for k in range(3):
        (options.slides / "deep" / "s02").mkdir(parents=True, exist_ok=True)
        (options.slides / "deep" / "s02" / f"{k}.dcm").write_bytes(b"DICM")
    made = new_dataset(options)
    paths = locate(made, None)
    assert paths["s00"].name == f"S00.{uuid}.SVS"
    assert paths["s04"].name == "S04.ome.tiff"
    assert paths["s02"] == options.slides / "deep/s02"
    assert verify(made, None).findings == ()


def test_a_failure_on_the_way_leaves_nothing(options: NewDataset, monkeypatch) -> None:
    def fail(*args: object) -> None:
        raise DataError("disk full", place="disk", fix="free it")

    monkeypatch.setattr("harness.sources.new_dataset.write_splits", fail)
    assert refusal(options).problem == "disk full"


FOLLOWED = [f"s{i:02d}.svs,p{i // 2:02d},{1 + i // 2},{int(i // 2 % 5 > 0)}" for i in range(N)]


def followed(options: NewDataset, *rows: str) -> NewDataset:
    options = rewrite(options, *rows, head="file,who,months,died\n")
    return replace(options, task="survival", columns={"time": "months", "event": "died"})


def test_a_dataset_of_survival(options: NewDataset) -> None:
    dataset = new_dataset(followed(options, *FOLLOWED))
    # Seven of nine patients with an event: two to three are trained on in each fold.
    assert (dataset.card.task, dataset.card.intervals, dataset.card.classes) == ("survival", 2, ("censored", "event"))
    assert [(e.slide, e.truth["time"], e.label) for e in dataset.entries[:3]] == [
        ("s00", 1, 0),
        ("s01", 1, 0),
        ("s02", 2, 1),
    ]
    assert dataset.card.counts == {"slides": 18, "patients": 9, "censored": 4, "event": 14}
    for fold in dataset.splits().folds:
        audit(fold, dataset.patients, None)
        for _, part in fold.parts():
            assert any(dataset.by_slide[slide].label for slide in part)
    assert all(finding.kind != "split" for finding in verify(dataset, None).findings)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("s02.svs,p01,2,1", "s02.svs,p01,soon,1", "no follow-up time"),
        ("s02.svs,p01,2,1", "s02.svs,p01,2,yes", "whether the event was seen"),
        ("s02.svs,p01,2,1", "s02.svs,p01,3,1", "patient p01 has two follow-ups"),
    ],
)
def test_follow_up_that_cannot_be_used(options: NewDataset, old: str, new: str, words: str) -> None:
    error = refusal(followed(options, *(row.replace(old, new) for row in FOLLOWED)))
    assert words in error.problem
    assert str(options.labels) in error.place


def test_too_few_events_and_half_of_them_are_refused(options: NewDataset) -> None:
    assert (
        "class 'event' has slides of 0 patients"
        in refusal(followed(options, *(f"{r[:-1]}0" for r in FOLLOWED))).problem
    )
    same = [f"{row.rsplit(',', 2)[0]},7,1" for row in FOLLOWED]
    assert "2 intervals cannot be cut" in refusal(followed(options, *same)).problem
    half = refusal(replace(followed(options, *FOLLOWED), columns={"time": "months"}))
    assert "no column 'event'" in half.problem and "--col event=COLUMN" in half.fix
