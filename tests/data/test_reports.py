"""Reports: from a column, a table or text files; closed for test patients."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from support.toy import write_toy_dataset

from harness.data.reports import reports_fingerprint, reports_for
from harness.errors import DataError, LeakError
from harness.protocol.dataset import Dataset, load_dataset


def _with_reports(folder: Path, reports: dict[str, str]) -> Dataset:
    card = yaml.safe_load((folder / "card.yaml").read_text())
    (folder / "card.yaml").write_text(yaml.safe_dump(card | {"reports": reports}))
    return load_dataset(folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_toy_dataset(tmp_path / "toy", n_bags=6)


def _write_table(folder: Path, slides) -> None:
    (folder / "reports.csv").write_text("slide,text\n" + "".join(f'{s},"Report, of {s}"\n' for s in slides))


def test_a_column_of_a_table(folder):
    slides = load_dataset(folder).slides
    _write_table(folder, reversed(slides))
    dataset = _with_reports(folder, {"table": "reports.csv", "column": "text"})
    assert reports_for(dataset, slides[2:4]) == (f"Report, of {slides[2]}", f"Report, of {slides[3]}")


def test_a_column_of_the_label_table(folder):
    lines = (folder / "labels.csv").read_text().splitlines()
    (folder / "labels.csv").write_text("\n".join([lines[0] + ",note", *(f"{line},seen" for line in lines[1:])]))
    dataset = _with_reports(folder, {"column": "note"})
    assert reports_for(dataset, dataset.slides) == ("seen",) * 6


def test_text_files_by_patient(folder):
    (folder / "texts").mkdir()
    dataset = _with_reports(folder, {"files": "texts/{patient}.txt"})
    for patient in set(dataset.patients.values()):
        (folder / "texts" / f"{patient}.txt").write_text(f" about {patient}\n")
    assert reports_for(dataset, dataset.slides[:1]) == (f"about {dataset.patients[dataset.slides[0]]}",)


def test_test_slides_and_their_patients_are_closed(folder):
    slides = load_dataset(folder).slides
    lines = (folder / "labels.csv").read_text().splitlines()
    lines[1:3] = [line.split(",")[0] + ",same," + line.split(",")[2] for line in lines[1:3]]
    (folder / "labels.csv").write_text("\n".join(lines))
    _write_table(folder, slides)
    dataset = _with_reports(folder, {"table": "reports.csv", "column": "text"})
    assert len(reports_for(dataset, slides[1:], sealed=())) == 5
    with pytest.raises(LeakError, match=slides[0]):
        reports_for(dataset, slides[:1], sealed=slides[:1])
    with pytest.raises(LeakError, match=slides[1]):
        reports_for(dataset, slides[1:], sealed=slides[:1])


def test_missing_reports_are_named(folder):
    slides = load_dataset(folder).slides
    with pytest.raises(DataError, match="toy has no reports"):
        reports_for(load_dataset(folder), slides)
    _write_table(folder, slides[:4])
    dataset = _with_reports(folder, {"table": "reports.csv", "column": "text"})
    with pytest.raises(DataError, match=slides[4]):
        reports_for(dataset, slides)
    assert len(reports_for(dataset, slides[:4])) == 4


def test_the_fingerprint_follows_the_text(folder):
    slides = load_dataset(folder).slides
    _write_table(folder, slides)
    dataset = _with_reports(folder, {"table": "reports.csv", "column": "text"})
    before = reports_fingerprint(dataset)
    _write_table(folder, reversed(slides))
    assert reports_fingerprint(dataset) == before
    (folder / "reports.csv").write_text((folder / "reports.csv").read_text().replace("Report", "Finding"))
    assert reports_fingerprint(dataset) != before


@pytest.mark.parametrize(
    "reports",
    [
        {},
        {"column": "a", "files": "{slide}.txt"},
        {"files": "all.txt"},
        {"files": "{slide}{patient}.txt"},
        {"files": "{slide}{x}.txt"},
        {"table": "../reports.csv", "column": "text"},
    ],
)
def test_a_card_that_names_no_place_is_refused(folder, reports):
    with pytest.raises(DataError, match="reports"):
        _with_reports(folder, reports)
