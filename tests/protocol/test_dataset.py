from __future__ import annotations

import pytest

from harness.errors import DataError, UsageError
from harness.protocol.dataset import Dataset, load_dataset


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
        ("slide,patient,label\na,p,normal\na,p,tumor\n", ["slide a listed twice"]),
        ("slide,patient,label\na,p,normal\nA,p,tumor\n", ["slides a and A listed twice"]),
        ("slide,patient,label\na,,normal\n", ["patient", "empty", "line 2, column patient"]),
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
