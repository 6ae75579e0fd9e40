"""``bench datasets new`` with tables as people have them, at the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli.main import app
from harness.core.errors import BenchError
from harness.datasets.dataset import Dataset, load_dataset
from harness.datasets.reports import reports_for

N = 18
ROWS = [(f"{i:03d}", f"{i // 2:02d}", i // 2 % 2) for i in range(N)]
"""Slide, patient, class."""
PLUGIN = """
from dataclasses import dataclass

from harness import Classification


@dataclass(frozen=True)
class Grade(Classification):
    name = "grade"
    truth = {"label": "class", "certainty": "number"}

    def read(self, cells, place):
        return super().read(cells, place) | {"certainty": float(cells["certainty"])}
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with slides below another one."""
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("BENCH_DATASETS", raising=False)
    # A package without datasets, so that looking through the catalogue takes no time.
    monkeypatch.setattr("harness.datasets.catalog.package_data", lambda name: tmp_path / "package")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "package").mkdir()
    (tmp_path / "slides" / "batch").mkdir(parents=True)
    for slide, _, _ in ROWS:
        (tmp_path / "slides" / "batch" / f"{slide}.svs").write_bytes(b"II*\0")
    return tmp_path


def write(name: str, head: str, line: str, encoding: str = "utf-8") -> str:
    """A table with a line per slide: ``line`` is a format of slide, patient, label and numbers made of them."""
    values = [{"s": s, "p": p, "c": c, "t": 30 * int(p) + 5, "e": int(int(p) % 3 > 0)} for s, p, c in ROWS]
    Path(name).write_bytes("\n".join([head, *(line.format(**one) for one in values), ""]).encode(encoding))
    return name


def new(*words: str):
    return CliRunner().invoke(app, ["datasets", "new", "mine", "--slides", "slides", "--folds", "3", *words])


def made(*words: str) -> Dataset:
    done = new(*words)
    assert done.exit_code == 0, f"{done.output} {done.exception}"
    return load_dataset(Path("mine"))


def refused(*words: str) -> BenchError:
    error = new(*words).exception
    assert isinstance(error, BenchError)
    assert not Path("mine").exists()
    return error


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
@pytest.mark.parametrize(
    ("head", "line"),
    [
        ("case_id,slide_id,label,site", "{p},/data/x/{s}.svs,{c}.0,Köln"),
        ("sep=;\nPATIENT;FILENAME;target;site;;", "{p};batch\\{s}.svs;{c};Köln;;"),
        ("patient\tslide\tlabel\tsite", "{p}\t{s}\t{c}\tKöln"),
    ],
)
def test_tables_as_people_have_them(encoding: str, head: str, line: str) -> None:
    dataset = made("--labels", write("labels.csv", head, line, encoding))
    assert [(e.slide, e.patient, str(e.label)) for e in dataset.entries] == [(s, p, str(c)) for s, p, c in ROWS]
    assert dataset.card.classes == ("0", "1")
    assert {entry.extra["site"] for entry in dataset.entries} == {"Köln"}


def test_what_was_assumed_is_said() -> None:
    done = new("--labels", write("labels.csv", "patient,slide,label,site", "{p},{s},{c}.0,Köln", "latin-1"))
    assert "Windows-1252" in done.output and "Köln" in done.output
    assert "0.0, 1.0" in done.output


def test_other_columns_are_carried_over() -> None:
    head, line = "patient,slide,label,center,scanner,report,mpp,fold", '{p},{s},{c},RUMC,AT2,"Tumour,\nsmall",0.25,{c}'
    dataset = made("--labels", write("labels.csv", head, line))
    assert dict(dataset.entries[0].extra) == {
        "center": "RUMC",
        "scanner": "AT2",
        "report": "Tumour,\nsmall",
        "mpp": "0.25",
        "fold": "0",
    }
    assert dataset.card.site == "center"
    assert reports_for(dataset, ["000"]) == ("Tumour,\nsmall",)


def test_columns_of_the_dataset_are_not_doubled() -> None:
    dataset = made("--labels", write("labels.csv", "case,file,label,slide", "{p},{s},{c},x"), *_columns("file", "case"))
    assert dict(dataset.entries[0].extra) == {}


def _columns(slide: str, patient: str) -> tuple[str, ...]:
    return "--slide-col", slide, "--patient-col", patient


@pytest.mark.parametrize(
    ("head", "line", "words"),
    [
        ("case_id,slide_id,OS.time,OS", "{p},{s},{t}.0,{e}.0", ["--task", "survival"]),
        ("case_id,slide_id,OS_MONTHS,OS_STATUS", "{p},{s},{t},{e}:x", ["--task", "survival"]),
        ("case_id,slide_id,t,e", "{p},{s},{t},{e}", ["--time-col", "t", "--event-col", "e"]),
        ("case_id,slide_id,t,e", "{p},{s},{t},{e}", ["--task", "survival", "--col", "time=t", "--col", "event=e"]),
    ],
)
def test_survival(head: str, line: str, words: list[str]) -> None:
    path = Path(write("labels.csv", head, line))
    path.write_text(path.read_text().replace("1:x", "1:DECEASED").replace("0:x", "0:LIVING"))
    dataset = made("--labels", str(path), *words)
    assert dataset.task.name == "survival"
    assert [entry.truth for entry in dataset.entries] == [
        {"time": 30 * int(p) + 5, "event": int(int(p) % 3 > 0)} for _, p, _ in ROWS
    ]


def test_how_follow_up_ended_in_words() -> None:
    path = Path(write("labels.csv", "patient,slide,time,vital_status", "{p},{s},{t},<{e}>"))
    path.write_text(path.read_text().replace("<1>", "Dead").replace("<0>", "Alive"))
    assert [entry.truth["event"] for entry in made("--labels", str(path), "--task", "survival").entries] == [
        int(int(p) % 3 > 0) for _, p, _ in ROWS
    ]


def test_a_column_of_censoring_is_no_column_of_events() -> None:
    path = write("labels.csv", "patient,slide,time,censorship", "{p},{s},{t},{e}")
    error = refused("--labels", path, "--time-col", "time", "--event-col", "censorship")
    assert "censorship" in error.problem and "1 for an event" in error.fix


def test_a_dataset_of_numbers() -> None:
    dataset = made("--labels", write("labels.csv", "patient,slide,score", "{p},{s},{t}.25"), "--task", "regression")
    assert dataset.task.name == "regression"
    assert dataset.entries[2].truth == {"target": 35.25}
    assert dataset.card.counts == {"slides": N, "patients": N // 2}
    assert {slide for fold in dataset.splits().folds for slide in fold.test} == set(dataset.slides)


def test_a_task_of_a_plugin_says_which_columns_it_needs() -> None:
    Path("grade.py").write_text(PLUGIN)
    path = write("labels.csv", "patient,slide,label,sure", "{p},{s},g{c},0.5")
    error = refused("--labels", path, "--plugin", "grade.py", "--task", "grade")
    assert "no column 'certainty'" in error.problem and "--col certainty=COLUMN" in error.fix
    dataset = made("--labels", path, "--plugin", "grade.py", "--task", "grade", "--col", "certainty=sure")
    assert (dataset.card.task, dataset.card.classes) == ("grade", ("g0", "g1"))
    assert dataset.entries[0].truth == {"label": 0, "certainty": 0.5}


def test_numbers_stand_for_classes_that_are_named_in_order() -> None:
    path = write("labels.csv", "patient,slide,label", "{p},{s},{c}.0")
    dataset = made("--labels", path, "--classes", "normal,tumor")
    assert dataset.card.classes == ("normal", "tumor")
    assert [entry.label for entry in dataset.entries] == [c for _, _, c in ROWS]
    assert Path("mine/labels.csv").read_text().splitlines()[1].endswith("normal")


def test_numbers_with_a_decimal_comma() -> None:
    path = write("labels.csv", "patient;slide;age", "{p};{s};{t},5")
    assert made("--labels", path, "--task", "regression", "--label-col", "age").entries[0].truth == {"target": 5.5}


@pytest.mark.parametrize(
    ("head", "line", "hint"),
    [("slide,label", "{s},{c}", "--patient-col slide"), ("s,l", "{s},{c}", "names of the columns")],
)
def test_columns_that_are_missing(head: str, line: str, hint: str) -> None:
    assert hint in refused("--labels", write("labels.csv", head, line)).fix


@pytest.mark.parametrize(
    ("words", "at"),
    [
        (["--task", "regresion"], "--task"),
        (["--task", "survival", "--label-col", "label"], "--label-col"),
        (["--col", "label"], "--col"),
        (["--col", "time=t"], "--col"),
    ],
)
def test_options_that_fit_no_task(words: list[str], at: str) -> None:
    assert refused("--labels", write("labels.csv", "patient,slide,label", "{p},{s},{c}"), *words).place == at


@pytest.mark.parametrize("blank", ["", "NA", "nan", "N/A", "not reported"])
def test_missing_labels_are_named_and_left_out_by_choice(blank: str) -> None:
    path = Path(write("labels.csv", "patient,slide,label", "{p},{s},{c}"))
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:4], lines[4].rpartition(",")[0] + f",{blank}", *lines[5:]]) + "\n")
    error = refused("--labels", str(path))
    assert "1 of 18 lines have no label" in error.problem and "line 5" in error.place and "--drop-missing" in error.fix
    assert made("--labels", str(path), "--drop-missing").card.classes == ("0", "1")


def test_two_tables_as_stamp_keeps_them() -> None:
    patients = {p: c for _, p, c in ROWS}
    Path("clini.csv").write_text(
        "PATIENT;isMSI;AGE\n" + "".join(f"{p};{('low', 'MSI')[c]};50\n" for p, c in patients.items())
    )
    slides = write("slides.csv", "PATIENT,FILENAME", "{p},batch/{s}.h5")
    words = ["--labels", "clini.csv", "--slide-table", slides, "--label-col", "isMSI", "--classes", "low,MSI"]
    dataset = made(*words)
    assert [(e.slide, e.patient, e.label) for e in dataset.entries] == [(s, p, c) for s, p, c in ROWS]
    assert dataset.entries[0].extra == {"AGE": "50"}


def test_splits_for_slides_and_a_column_that_may_hold_some() -> None:
    path = write("labels.csv", "patient,slide,label,fold", "{p},{s},{c},{c}")
    lines = Path(path).read_text().splitlines()
    lines = [lines[0], *(f"{line.rpartition(',')[0]},{int(ROWS[i][1]) % 3}" for i, line in enumerate(lines[1:]))]
    Path(path).write_text("\n".join(lines) + "\n")
    done = new("--labels", path)
    assert done.exit_code == 0 and "column fold may hold splits" in done.output
    dataset = load_dataset(Path("mine"))
    assert list(dataset.card.protocols) == ["cv"]
    done = CliRunner().invoke(
        app, ["datasets", "new", "other", "--slides", "slides", "--labels", path, "--splits", path]
    )
    assert done.exit_code == 0, done.exception
    folds = load_dataset(Path("other")).splits("given").folds
    assert [{int(slide) // 2 % 3 for slide in fold.test} for fold in folds] == [{0}, {1}, {2}]
