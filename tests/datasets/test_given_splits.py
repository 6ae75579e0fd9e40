"""Splits of other code: CLAM, TransMIL, ACMIL, PANTHER, Patho-Bench, columns of words and of numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.core.errors import DataError, LeakError
from harness.datasets.given_splits import read_given_splits
from harness.datasets.new_labels import LabelledSlide
from harness.protocols.audit import audit
from harness.protocols.audit_repeats import audit_repeats

ROWS = [LabelledSlide(f"S{i:02d}", f"P{i // 2:02d}", "ab"[i // 2 % 2], i + 2) for i in range(20)]
TRAIN, VAL, TEST = ([row.slide for row in ROWS[a:b]] for a, b in ((0, 12), (12, 16), (16, 20)))


def write(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def padded(number: int, columns: list[list[str]]) -> list[str]:
    return [",".join([str(r), *(c[r] if r < len(c) else "" for c in columns)]) for r in range(number)]


def parts(place: Path, **options):
    found = read_given_splits(place, ROWS, **options)
    return [(list(fold.train), list(fold.val), list(fold.test)) for fold in found.folds]


def test_clam_columns(tmp_path: Path) -> None:
    for number in (0, 1, 10):
        write(tmp_path / f"splits_{number}.csv", ",train,val,test", *padded(12, [TRAIN, VAL, TEST]))
        write(tmp_path / f"splits_{number}_descriptor.csv", ",train,val,test", "a,6,2,2")
        write(tmp_path / f"splits_{number}_bool.csv", ",train,val,test", "S00,True,False,False")
    assert parts(tmp_path) == [(TRAIN, VAL, TEST)] * 3


def test_clam_flags(tmp_path: Path) -> None:
    lines = [f"{slide},{slide in TRAIN},{slide in VAL},{slide in TEST}" for slide in (*TRAIN, *VAL, *TEST)]
    write(tmp_path / "splits_0_bool.csv", ",train,val,test", *lines)
    assert parts(tmp_path) == [(TRAIN, VAL, TEST)]


def test_ids_with_extensions_folders_and_as_decimal_numbers(tmp_path: Path) -> None:
    rows = [LabelledSlide(str(i), f"P{i}", "ab"[i % 2], i + 2) for i in range(6)]
    place = write(tmp_path / "splits_0.csv", ",train,val,test", "0,/data/0.svs,2.0,3.0", "1,1.h5,,")
    found = read_given_splits(place, rows, partial=True).folds[0]
    assert (found.train, found.val, found.test) == (("0", "1"), ("2",), ("3",))


def test_transmil_has_labels_beside(tmp_path: Path) -> None:
    columns = [TRAIN, ["0"] * 12, VAL, ["0.0"] * 4, TEST, ["1.0"] * 4]
    write(tmp_path / "fold0.csv", ",train,train_label,val,val_label,test,test_label", *padded(12, columns))
    assert parts(tmp_path) == [(TRAIN, VAL, TEST)]


def test_acmil_and_panther(tmp_path: Path) -> None:
    content = {"train_names": TRAIN, "val_names": VAL, "test_names": TEST}
    write(tmp_path / "a" / "split_0.json", json.dumps(content))
    for name, slides in (("train", TRAIN), ("val", VAL), ("test", TEST)):
        write(tmp_path / "b" / f"{name}.csv", "case_id,slide_id", *(f"x,{slide}" for slide in slides))
    assert parts(tmp_path / "a") == parts(tmp_path / "b") == [(TRAIN, VAL, TEST)]


def test_a_column_of_words(tmp_path: Path) -> None:
    lines = [f"x,{s},{'train' if s in TRAIN else 'val' if s in VAL else 'test'}" for s in (*TRAIN, *VAL, *TEST)]
    for name in ("split", "fold", "Set"):
        assert parts(write(tmp_path / f"{name}.csv", f"case,slide,{name}", *lines)) == [(TRAIN, VAL, TEST)]


def test_patho_bench_has_no_validation_slides(tmp_path: Path) -> None:
    lines = [f"{row.patient}\t{row.slide}\ta\t{'test' if row.slide in TEST else 'train'}" for row in ROWS]
    place = write(tmp_path / "k=all.tsv", "case_id\tslide_id\tX\tfold_0", *lines)
    found = read_given_splits(place, ROWS)
    (fold,) = found.folds
    assert list(fold.test) == TEST
    assert set(fold.train) | set(fold.val) == set(TRAIN) | set(VAL)
    assert fold.val
    assert any("validates" in note for note in found.notes)
    audit(fold, {row.slide: row.patient for row in ROWS}, None)


def test_nnmil_has_slides_or_patients_in_its_plan(tmp_path: Path) -> None:
    slides = {
        part: {"slide_info": [{"slide_id": s} for s in ids]}
        for part, ids in zip(("train", "val", "test"), (TRAIN, VAL, TEST), strict=True)
    }
    patients = {
        part: {"patient_ids": sorted({f"P{int(s[1:]) // 2:02d}" for s in ids})}
        for part, ids in (("train", TRAIN), ("val", VAL), ("test", TEST))
    }
    official = {"evaluation_setting": "official_split", "data_splits": {"official_split": slides, "fold_0": {}}}
    folds = {
        "evaluation_setting": "5fold",
        "data_splits": {"fold_1": patients, "fold_0": patients, "official_split": {}},
    }
    write(tmp_path / "a" / "dataset_plan.json", json.dumps(official))
    write(tmp_path / "b.json", json.dumps(folds))
    assert parts(tmp_path / "a") == [(TRAIN, VAL, TEST)]
    assert parts(tmp_path / "b.json") == [(TRAIN, VAL, TEST)] * 2
    with pytest.raises(DataError, match="data_splits"):
        parts(write(tmp_path / "c.json", json.dumps({"labels": {}})))


def test_torchmil_and_tables_of_any_name(tmp_path: Path) -> None:
    lines = [f"{s},{'train' if s in TRAIN else 'val' if s in VAL else 'test'}" for s in (*TRAIN, *VAL, *TEST)]
    write(tmp_path / "a" / "splits.csv", "bag_name,split", *lines)
    write(tmp_path / "a" / "other.csv", "x,y", "1,2")
    assert parts(tmp_path / "a") == [(TRAIN, VAL, TEST)]
    head = "train_slide_path,train_slide_label,val_slide_path,val_slide_label,test_slide_path,test_slide_label"
    cells = [[f"/data/{s}.pt" for s in part] for part in (TRAIN, VAL, TEST)]
    rows = [",".join(f"{c[r]},0" if r < len(c) else "," for c in cells) for r in range(12)]
    for number in (1, 2, 10):
        write(tmp_path / "b" / f"fold_{number}_of_10.csv", head, *rows)
    assert parts(tmp_path / "b") == [(TRAIN, VAL, TEST)] * 3


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_splits_in_other_encodings(tmp_path: Path, encoding: str) -> None:
    lines = [f"{s};{'train' if s in TRAIN else 'val' if s in VAL else 'test'};ä" for s in (*TRAIN, *VAL, *TEST)]
    (tmp_path / "s.csv").write_bytes("\n".join(["slide;split;note", *lines]).encode(encoding))
    assert parts(tmp_path / "s.csv") == [(TRAIN, VAL, TEST)]


def test_random_splits_are_repeats_and_no_cross_validation(tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path / f"splits_{number}.csv", ",train,val,test", *padded(12, [TRAIN, VAL, TEST]))
    found = read_given_splits(tmp_path, ROWS)
    assert [(fold.repeat, fold.fold) for fold in found.folds] == [(0, 0), (1, 0), (2, 0)]
    audit_repeats(found.folds, {row.slide: row.patient for row in ROWS})


def test_a_cross_validation_that_leaks_is_still_one(tmp_path: Path) -> None:
    place = write(tmp_path / "folds.csv", "slide_id,fold", *(f"{row.slide},{i % 5}" for i, row in enumerate(ROWS)))
    assert [(fold.repeat, fold.fold) for fold in read_given_splits(place, ROWS).folds] == [(0, k) for k in range(5)]


def test_own_splits_stay_as_they_are_numbered(tmp_path: Path) -> None:
    lines = []
    for repeat, fold in ((0, 0), (0, 1), (1, 0), (1, 1)):
        test, train = (ROWS[:10], ROWS[10:]) if fold else (ROWS[10:], ROWS[:10])
        lines += [f"{repeat},{fold},{row.slide},train" for row in train] + [
            f"{repeat},{fold},{row.slide},test" for row in test
        ]
    found = read_given_splits(write(tmp_path / "cv.csv", "repeat,fold,slide,part", *lines), ROWS)
    assert [(fold.repeat, fold.fold) for fold in found.folds] == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_minus_one_is_trained_on_in_every_fold(tmp_path: Path) -> None:
    lines = [f"{row.slide},{i // 4 - 1}.0" for i, row in enumerate(ROWS)]
    found = parts(write(tmp_path / "folds.csv", "slide_id,fold", *lines))
    assert len(found) == 4
    assert all({row.slide for row in ROWS[:4]} <= set(train) for train, _, _ in found)


def test_numbers_of_folds(tmp_path: Path) -> None:
    place = write(tmp_path / "folds.csv", "slide_id,fold", *(f"{row.slide},{i // 4}" for i, row in enumerate(ROWS)))
    found = parts(place)
    assert [test for _, _, test in found] == [[row.slide for row in ROWS[k : k + 4]] for k in range(0, 20, 4)]
    assert found[0][1] == found[1][2]


def test_patients_stand_for_their_slides(tmp_path: Path) -> None:
    lines = [f"P{i:02d},{'train' if i < 6 else 'val' if i < 8 else 'test'}" for i in range(10)]
    assert parts(write(tmp_path / "x.csv", "case_id,split", *lines)) == [(TRAIN, VAL, TEST)]


def test_unknown_slides_are_refused_or_left_out(tmp_path: Path) -> None:
    place = write(tmp_path / "splits_0.csv", ",train,val,test", *padded(13, [[*TRAIN, "X9"], VAL, TEST]))
    with pytest.raises(DataError, match="X9"):
        read_given_splits(place, ROWS)
    assert read_given_splits(place, ROWS, partial=True).left_out == ("X9",)


def test_repeated_training_rows_count_once_and_leaks_stay_for_the_audit(tmp_path: Path) -> None:
    train = [*TRAIN, "S00", "S16"]
    place = write(tmp_path / "splits_0.csv", ",train,val,test", *padded(14, [train, VAL, TEST]))
    found = read_given_splits(place, ROWS)
    assert found.folds[0].train == (*TRAIN, "S16")
    assert any("several times" in note for note in found.notes)
    with pytest.raises(LeakError, match="S16"):
        audit(found.folds[0], {row.slide: row.patient for row in ROWS}, None)


@pytest.mark.parametrize(
    "lines", [("slide_id,label", "S00,a"), ("id,split", "S00,train"), ("slide,split", "S00,later")]
)
def test_what_is_no_split_is_said(tmp_path: Path, lines) -> None:
    with pytest.raises(DataError, match="no splits"):
        read_given_splits(write(tmp_path / "x.csv", *lines), ROWS)
