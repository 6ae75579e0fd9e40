from __future__ import annotations

import pytest

from harness.core.errors import DataError, UsageError
from harness.datasets.dataset import Dataset, load_dataset


def test_entries_in_order_with_labels_by_name_or_number(tiny: Dataset) -> None:
    assert [entry.label for entry in tiny.entries] == [0, 0, 1, 1, 0, 1]
    assert tiny.patients["normal_002"] == "p1"
    assert tiny.by_slide["tumor_002"].extra == {"centre": "B"}


def test_the_word_none_stays_a_word(tiny: Dataset) -> None:
    assert tiny.by_slide["test_002"].extra["centre"] == "None"


def test_byte_order_mark_and_spaces_are_no_part_of_names(write) -> None:
    folder = write(labels="\ufeffslide, patient ,label\nnormal_001 , p1, normal\ntumor_001,p2,tumor\n")
    assert load_dataset(folder).slides == ("normal_001", "tumor_001")


def test_protocol_by_name_and_by_default(tiny: Dataset) -> None:
    assert tiny.protocol() == tiny.protocol("official")
    with pytest.raises(UsageError, match="unknown protocol 'oficial'") as error:
        tiny.protocol("oficial")
    assert "'official'" in error.value.fix


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ("slide,patient,lable\na,p,normal\n", ["no column 'label'", "'lable' for 'label'", "labels.csv, line 1"]),
        ("slide,patient,label\na,p,cancer\n", ["'cancer' is not a class", "normal, tumor", "line 2"]),
        ("slide,patient,label\na,p,2\n", ["'2' is not a class"]),
        ("slide,patient,label\na,p,²\n", ["'²' is not a class"]),
        ("slide,patient,label\na,p,01\n", ["'01' is not a class"]),
        (f"slide,patient,label\na,p,{'1' * 5000}\n", ["is not a class"]),
        ("slide,patient,label\na,p,normal\nb,q,Tumor \n", ["'Tumor' is not a class", "'tumor' for 'Tumor'", "line 3"]),
        ("slide,patient,label\na,P01,normal\nb,p01,tumor\n", ["'P01' and 'p01'", "one patient", "lines 2 and 3"]),
        ("slide,patient,label\na,007,normal\nb,7,tumor\n", ["'007' and '7'", "distinct_ids"]),
        ("slide,patient,label\na,17,normal\nb,17.0,tumor\n", ["'17' and '17.0'"]),
        ("slide,patient,label\na,ä,normal\nb,a\u0308,tumor\n", ["\\xe4", "\\u0308"]),
        ("slide,patient,label\nS1,p,normal\nS01,q,tumor\n", ["'S1' and 'S01'", "one slide"]),
        ("slide,patient,label,site\na,p,normal,RUMC\nb,q,tumor,rumc\n", ["'RUMC' and 'rumc'", "one site"]),
        ("slide,patient,label\na,NA,normal\nb,q,tumor\nc,n/a,tumor\n", ["2 of 3 lines have no patient", "lines 2, 4"]),
        ("slide,patient,label\na,p,None\nb,q,\n", ["2 of 2 lines have no label", "'None'", "an empty cell"]),
        ("slide,patient,label\na,p,normal\na,p,tumor\n", ["slide a stands twice", "lines 2 and 3"]),
        ("slide,patient,label\na,p,normal\nA,p,tumor\n", ["'a' and 'A'", "one slide", "lines 2 and 3"]),
        ("slide,patient,label\na,,normal\n", ["no patient", "an empty cell", "line 2, column patient"]),
        ("slide,patient,label\n../../etc/passwd,p,normal\n", ["cannot be the name of a slide"]),
        ("slide,patient,label\na,p,normal,what\n", ["4 cells where the header has 3 columns", "line 2"]),
        ("slide,patient,label,label\na,p,normal,tumor\n", ["column 'label' stands twice"]),
        ("slide,patient,label\n", ["has no lines"]),
        ("", ["no column 'slide'"]),
        ('slide,patient,label\n"a,p,normal\n', ["cannot be read"]),
    ],
)
def test_wrong_label_tables_are_refused_with_line_and_column(write, labels: str, words: list[str]) -> None:
    with pytest.raises(DataError) as error:
        load_dataset(write(labels=labels))
    for word in words:
        assert word in str(error.value)


def test_a_card_declares_what_looks_wrong(write) -> None:
    labels = "slide,patient,label,site\na,P1,NA,x\nb,p1,None,X\nA1,q,na,NA\nA01,r,NA,-\n"
    dataset = load_dataset(write(labels=labels, card={"classes": ["NA", "None", "na"], "distinct_ids": True}))
    assert [entry.label for entry in dataset.entries] == [0, 1, 2, 0]
    assert len(set(dataset.patients.values())) == 4
    assert [entry.extra["site"] for entry in dataset.entries] == ["x", "X", "", ""]
    with pytest.raises(DataError, match="one slide"):
        load_dataset(write(labels=labels.replace("A01", "a1"), card={"classes": ["NA", "None", "na"]}))


def test_numbers_that_are_classes_are_no_indices(write) -> None:
    dataset = load_dataset(write(labels="slide,patient,label\na,p,1\nb,q,2\n", card={"classes": ["1", "2"]}))
    assert [entry.label for entry in dataset.entries] == [0, 1]
    with pytest.raises(DataError, match="'0' is not a class"):
        load_dataset(write(labels="slide,patient,label\na,p,0\nb,q,1\n", card={"classes": ["1", "2"]}))


def test_label_table_that_is_no_text(write) -> None:
    folder = write()
    (folder / "labels.csv").write_bytes("slide,patient,label\nä,p,normal\n".encode("latin-1"))
    with pytest.raises(DataError, match="UTF-8"):
        load_dataset(folder)


def test_missing_label_table_and_missing_card(write, tmp_path) -> None:
    folder = write()
    (folder / "labels.csv").unlink()
    with pytest.raises(DataError, match="does not exist"):
        load_dataset(folder)
    with pytest.raises(DataError, match=r"no card\.yaml"):
        load_dataset(tmp_path / "nothing")
