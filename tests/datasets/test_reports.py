"""Reports: from a column, a table or text files; closed for test patients."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from support.toy import write_toy_dataset

from harness.core.errors import DataError, LeakError
from harness.datasets.dataset import Dataset, load_dataset
from harness.datasets.reports import reports_fingerprint, reports_for


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
    assert len(reports_for(dataset, slides[1:], held_out=())) == 5
    with pytest.raises(LeakError, match=slides[0]):
        reports_for(dataset, slides[:1], held_out=slides[:1])
    with pytest.raises(LeakError, match=slides[1]):
        reports_for(dataset, slides[1:], held_out=slides[:1])


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
        {"files": "../texts/{slide}.txt"},
        {"files": "texts/../../{slide}.txt"},
    ],
)
def test_a_card_that_names_no_place_is_refused(folder, reports):
    with pytest.raises(DataError, match="reports"):
        _with_reports(folder, reports)


def test_files_in_another_spelling_are_found(folder):
    slides = load_dataset(folder).slides
    (folder / "texts").mkdir()
    for slide in slides:
        (folder / "texts" / f"{slide.upper()}.TXT").write_text(f"of {slide}")
    dataset = _with_reports(folder, {"files": "texts/{slide}.txt"})
    assert reports_for(dataset, slides) == tuple(f"of {slide}" for slide in slides)
    with pytest.raises(DataError, match="have no report"):
        (folder / "texts" / f"{slides[0].upper()}.TXT").rename(folder / "texts" / f"{slides[0]}.2.txt")
        reports_for(dataset, slides)


@pytest.mark.parametrize("link", ["file", "folder", "dead"])
def test_links_that_lead_out_of_the_dataset_are_refused(folder, tmp_path, link):
    slides = load_dataset(folder).slides
    (tmp_path / "outside").mkdir()
    for slide in slides:
        (tmp_path / "outside" / f"{slide}.txt").write_text("private")
    if link == "folder":
        (folder / "texts").symlink_to(tmp_path / "outside")
    else:
        (folder / "texts").mkdir()
        target = tmp_path / "outside" / (f"{slides[0]}.txt" if link == "file" else "nowhere.txt")
        (folder / "texts" / f"{slides[0]}.txt").symlink_to(target)
    with pytest.raises(DataError, match="leads out of the folder") as error:
        reports_for(_with_reports(folder, {"files": "texts/{slide}.txt"}), slides[:1])
    assert slides[0] in error.value.problem
    assert str(tmp_path / "outside") in error.value.problem
    # A folder that the card declares may lie anywhere.
    declared = _with_reports(folder, {"files": f"{tmp_path}/outside/{{slide}}.txt"})
    assert reports_for(declared, slides[:1]) == ("private",)


def test_a_table_that_is_a_link_out_of_the_dataset_is_refused(folder, tmp_path):
    slides = load_dataset(folder).slides
    _write_table(folder, slides)
    (folder / "reports.csv").rename(tmp_path / "outside.csv")
    (folder / "reports.csv").symlink_to(tmp_path / "outside.csv")
    with pytest.raises(DataError, match="leads out of the folder"):
        reports_for(_with_reports(folder, {"table": "reports.csv", "column": "text"}), slides)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_report_that_is_no_regular_file_is_refused(folder):
    slides = load_dataset(folder).slides
    (folder / "texts").mkdir()
    os.mkfifo(folder / "texts" / f"{slides[0]}.txt")
    with pytest.raises(DataError, match=f"report of {slides[0]} cannot be read"):
        reports_for(_with_reports(folder, {"files": "texts/{slide}.txt"}), slides[:1])


def test_tables_in_another_spelling(folder):
    slides = load_dataset(folder).slides
    dataset = _with_reports(folder, {"table": "reports.csv", "column": "text"})
    _write_table(folder, [slide.upper() for slide in slides])
    assert reports_for(dataset, slides[:1]) == (f"Report, of {slides[0].upper()}",)
    _write_table(folder, [slides[0], slides[0], *slides[1:]])
    with pytest.raises(DataError, match="two reports"):
        reports_for(dataset, slides)
    _write_table(folder, [f"{slides[0]}\u200b", *slides[1:]])
    with pytest.raises(DataError, match="label table"):
        reports_for(dataset, slides)
    (folder / "reports.csv").write_text(f"slide;text\n{slides[0]};NA\n")
    with pytest.raises(DataError, match="have no report"):
        reports_for(dataset, slides[:1])
