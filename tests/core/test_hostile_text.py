"""Names, cells and texts that somebody sent do no harm: not as paths, not on the terminal, not in tables and pages."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from support.evidence import fill, predictions, record

from harness.cli.main import main
from harness.core import console
from harness.core.errors import DataError, MethodError, UsageError
from harness.core.hashing import sha256_file
from harness.core.table_text import markdown_literal
from harness.datasets.dataset import load_dataset
from harness.results.leaderboard import leaderboard
from harness.results.staging import ARTEFACTS, CURVE, RECORD
from harness.results.store import RunStore
from harness.results.study_table import markdown
from harness.results.summary import summarise

HOSTILE = {
    "path": "../../x",
    "absolute": "/etc/passwd",
    "html": "<script>alert(1)</script>",
    "formula": "=cmd|' /C calc'!A0",
    "newline": "a\nb",
    "carriage": "a\rb",
    "escape": "\x1b[31mred\x1b]0;title\x07",
    "turned": "a\u202eb",
    "markup": "[red]a[/red]",
    "link": "[link=file:///etc/passwd]a[/link]",
    "emoji": ":skull:",
    "long": "x" * 5000,
    "nul": "a\x00b",
    "bytes": "a\udcffb",
    "quotes": "a'; DROP TABLE runs; --`\"",
    "math": "$\\frac{",
}
DANGEROUS = ("\x1b", "\x07", "\r", "\x00", "\u202e")


def clean(text: str) -> None:
    """What was printed holds nothing that a terminal obeys, and can be encoded."""
    assert not [sign for sign in DANGEROUS if sign in text]
    text.encode()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.delenv("BENCH_DEBUG", raising=False)

    def run(*words: str) -> tuple[int, str]:
        capsys.readouterr()
        code = main(words)
        answer = capsys.readouterr()
        clean(answer.out + answer.err)
        assert "Traceback" not in answer.err
        assert "unexpected" not in answer.err
        return code, answer.out + answer.err

    return run


def changed(folder: Path, **fields: object) -> Path:
    card = yaml.safe_load((folder / "card.yaml").read_text())
    (folder / "card.yaml").write_text(yaml.safe_dump(card | fields, allow_unicode=True), encoding="utf-8")
    return folder


# The terminal.


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("show", ["say", "note", "warn", "table", "error", "progress"])
def test_the_terminal_shows_text_and_obeys_none_of_it(text: str, show: str, capsys) -> None:
    if show == "table":
        console.table(text, [text], [[text]], caption=text)
    elif show == "error":
        console.error(UsageError(text, place=text, fix=text))
    elif show == "progress":
        with console.progress(text, 1, status=text) as bar:
            bar.advance(status=text)
    else:
        getattr(console, show)(text)
    answer = capsys.readouterr()
    clean(answer.out + answer.err)
    if show == "error":
        assert len(answer.err.splitlines()) == 3
    if show == "say" and text in {HOSTILE["markup"], HOSTILE["link"], HOSTILE["emoji"], HOSTILE["html"]}:
        assert answer.out == text + "\n"


def test_what_is_written_out_can_still_be_read() -> None:
    assert console.visible("Größe\t7\n中文 é 👩‍🔬") == "Größe\t7\n中文 é 👩‍🔬"
    assert console.visible("a\x1b[1mb") == "a\\x1b[1mb"
    assert console.visible("a \r\n  b", lines=False) == "a b"


# Label tables, split files and cards.


@pytest.mark.parametrize("column", ["slide", "label"])
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_label_tables(bench, toy_dataset: Path, tmp_path: Path, text: str, column: str) -> None:
    rows = list(csv.reader((toy_dataset / "labels.csv").read_text().splitlines()))
    rows[1][rows[0].index(column)] = text
    with (toy_dataset / "labels.csv").open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        csv.writer(file).writerows(rows)
    before = sorted(tmp_path.rglob("*"))
    try:
        load_dataset(toy_dataset)
    except DataError as error:
        assert "\n" not in error.problem
    bench("datasets", "verify", str(toy_dataset))
    assert sorted(tmp_path.rglob("*")) == before


def test_a_table_of_no_text(toy_dataset: Path) -> None:
    (toy_dataset / "labels.csv").write_bytes(b"slide,patient,label\n\xff\xfe,\x80,0\n")
    with pytest.raises(DataError, match="cannot be read"):
        load_dataset(toy_dataset)


FREE = ("title", "description", "licence", "get")


@pytest.mark.parametrize("text", [text for key, text in HOSTILE.items() if key != "bytes"])
def test_texts_on_cards(bench, toy_dataset: Path, text: str) -> None:
    errata = [{"slides": [text], "what": text, "action": text, "source": text}]
    changed(toy_dataset, **dict.fromkeys(FREE, text), errata=errata)
    code, shown = bench("datasets", "show", str(toy_dataset))
    assert code == 0
    assert "alert" not in shown or "<script>" in shown
    bench("datasets", "verify", str(toy_dataset))


@pytest.mark.parametrize("key", ["path", "absolute", "formula", "newline", "escape", "turned", "long", "nul"])
@pytest.mark.parametrize(
    "field",
    [
        lambda text: {"name": text},
        lambda text: {"labels": text},
        lambda text: {"source": {"kind": "features", "file": text, "dim": 4}},
        lambda text: {"protocols": {"cv2": {"title": "x", "splits": text}}},
        lambda text: {"default_protocol": text},
        lambda text: {"site": text},
        lambda text: {"not_duplicates": [[text, "toy_001"]]},
    ],
    ids=["name", "labels", "file", "splits", "default", "site", "pair"],
)
def test_names_and_paths_on_cards_are_refused_in_three_lines(bench, toy_dataset: Path, key: str, field) -> None:
    changed(toy_dataset, **field(HOSTILE[key]))
    code, shown = bench("datasets", "verify", str(toy_dataset))
    assert code == 2
    assert "root:" not in shown


@pytest.mark.parametrize("key", ["formula", "newline", "escape", "turned", "long", "nul"])
def test_classes_and_protocols_are_names(toy_dataset: Path, key: str) -> None:
    for fields in ({"classes": ["no", HOSTILE[key]]}, {"protocols": {HOSTILE[key]: {"title": "x", "splits": "s"}}}):
        changed(toy_dataset, **fields)
        with pytest.raises(DataError):
            load_dataset(toy_dataset)


def test_classes_with_harmless_signs_stay_possible(toy_dataset: Path) -> None:
    changed(toy_dataset, classes=["ER-/PR-", "<50 % [low]"])
    assert load_dataset(toy_dataset).card.classes == ("ER-/PR-", "<50 % [low]")


PATCHES = {
    "kind": "patches",
    "tables": ["t.csv"],
    "images": ["{image}"],
    "archive": "a.tar",
    "columns": {"image": "image", "slide": "slide", "patient": "patient", "instance_label": "y"},
    "tile_px": 8,
}


@pytest.mark.parametrize(
    "fields",
    [
        {"tables": ["../../etc/passwd"]},
        {"tables": ["/etc/passwd"]},
        {"archive": "../a.tar"},
        {"images": ["{image}{image.__class__}"]},
        {"images": ["{0}"]},
        {"slide_id": "{slide.__class__.__mro__}"},
        {"slide_id": "{slide:>99999999999}"},
        {"slide_id": "all"},
    ],
)
def test_patterns_of_patches(toy_dataset: Path, fields: dict[str, object]) -> None:
    changed(toy_dataset, source=PATCHES | fields)
    with pytest.raises(DataError, match=r"out of the dataset folder|exactly one"):
        load_dataset(toy_dataset)


def test_members_of_an_archive_lead_nowhere(toy_dataset: Path, tmp_path: Path) -> None:
    from harness.datasets.patches import open_patches

    data = tmp_path / "data"
    data.mkdir()
    (toy_dataset / "labels.csv").write_text("slide,patient,label\ns1,p1,0\ns2,p2,1\n")
    changed(toy_dataset, source=PATCHES, counts={"slides": 2})
    names = ["one.png", "../../two.png"]
    (data / "t.csv").write_text("image,slide,patient,y\none.png,s1,p1,0\n../../two.png,s2,p2,1\n")
    with tarfile.open(data / "a.tar", "w") as tar:
        for number, name in enumerate(["../../evil.png", "/etc/evil.png", *names]):
            file = io.BytesIO()
            Image.fromarray(np.full((8, 8, 3), 40 * number, np.uint8)).save(file, "PNG")
            member = tarfile.TarInfo(name)
            member.size = len(file.getvalue())
            file.seek(0)
            tar.addfile(member, file)
        for kind, name in ((tarfile.SYMTYPE, "one.png"), (tarfile.LNKTYPE, "one.png"), (tarfile.CHRTYPE, "one.png")):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            tar.addfile(member)
    patches = open_patches(load_dataset(toy_dataset), data, tmp_path / "cache")
    assert patches.bag("s1").mean() == 80
    assert patches.bag("s2").mean() == 120
    assert not list(tmp_path.parent.rglob("evil.png"))
    assert not list(tmp_path.rglob("two.png"))


# Slides.


@pytest.mark.parametrize("key", ["html", "formula", "newline", "escape", "turned", "markup", "bytes"])
def test_names_of_slides_in_a_folder(bench, tmp_path: Path, key: str) -> None:
    folder = tmp_path / "slides"
    folder.mkdir()
    name = HOSTILE[key].replace("/", "_")
    picture = np.full((256, 256, 3), 240, np.uint8)
    picture[64:192, 64:192] = (200, 120, 170)
    Image.fromarray(picture).save(folder / f"{name}.png")
    before = {path for path in tmp_path.rglob("*") if "cache" not in path.parts}
    words = ("prepare", str(folder), "--cache", str(tmp_path / "cache"), "--workers", "1", "--mpp", "1")
    code, shown = bench(*words, "--tile-mpp", "1", "--tile-px", "32")
    assert code == 0, shown
    assert {path for path in tmp_path.rglob("*") if "cache" not in path.parts} == before
    (table,) = (tmp_path / "cache").rglob("slides.csv")
    with table.open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["status"] == "ready"
    assert not row["slide"].startswith(("=", "+", "-", "@"))
    assert row["slide"].isprintable()


# Evidence: a runs folder that somebody sent.


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_units_and_studies_stay_in_their_folder(tmp_path: Path, text: str) -> None:
    store = RunStore(tmp_path / "a" / "runs")
    for folder in (store.unit_folder(text), store.study_folder(text)):
        assert folder.resolve().parent in {store.root / "units", store.root / "studies"}
        assert len(folder.name) < 160
        folder.mkdir(parents=True)


@pytest.mark.parametrize("field", ["method", "dataset", "protocol", "repeat", "classes"])
@pytest.mark.parametrize("key", ["path", "html", "escape", "bytes"])
def test_a_record_with_odd_names_stops_no_other(bench, tmp_path: Path, key: str, field: str) -> None:
    text = HOSTILE[key]
    store = RunStore(tmp_path / "runs")
    fill(store, study="good-toy-cv3-111111")
    made = fill(store, study="bad-toy-cv3-222222", method="max_pool")
    for one in made:
        path = store.unit_folder(one.unit_id) / RECORD
        value = json.loads(path.read_text())
        if field == "classes":
            value["classes"] = ["no", text]
        else:
            value["spec"][field] = text
        path.write_text(json.dumps(value))
    code, shown = bench("leaderboard", "show")
    assert code == 0
    assert "abmil" in shown
    leaderboard(store)


def test_tables_of_evidence_start_no_formula(tmp_path: Path) -> None:
    store = RunStore(tmp_path / "runs")
    curve = [{"stage": "=1+1", "=note": "@x\ny", "loss": -0.5, "epoch": 0, "text": "-0.5"}, {"stage": "b"}]
    store.write_unit(record(), predictions(), curve=curve)
    text = (store.unit_folder(record().unit_id) / CURVE).read_text()
    cells = [cell for row in csv.reader(text.splitlines()) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "@", "+"))]
    assert len(text.splitlines()) == 3
    assert store.curve(record().unit_id)[0]["loss"] == store.curve(record().unit_id)[0]["text"] == "-0.5"


def test_file_names_in_a_record_lead_nowhere(tmp_path: Path) -> None:
    store = RunStore(tmp_path / "runs")
    made = fill(store)[0]
    secret = tmp_path / "secret"
    secret.write_text("x")
    path = store.unit_folder(made.unit_id) / RECORD
    value = json.loads(path.read_text())
    names = ["../../../secret", str(secret), "..\\secret", "a\x00b", ""]
    value["files"] |= dict.fromkeys(names, sha256_file(secret))
    path.write_text(json.dumps(value))
    assert set(store.altered(made.unit_id)) == set(names)


def test_links_in_a_runs_folder_are_not_followed(tmp_path: Path) -> None:
    from harness.results.publish import unit_files

    store = RunStore(tmp_path / "runs")
    made = fill(store)[0]
    secret = tmp_path / "secret"
    secret.write_text("x")
    folder = store.unit_folder(made.unit_id)
    (folder / ARTEFACTS).mkdir(exist_ok=True)
    (folder / ARTEFACTS / "heatmap.png").symlink_to(secret)
    (folder / "log.txt").unlink(missing_ok=True)
    (folder / "log.txt").symlink_to(secret)
    found = unit_files(store, made)
    assert RECORD in found
    assert not [path for path in found.values() if path.resolve() == secret]


@pytest.mark.parametrize("text", [HOSTILE[key] for key in ("html", "newline", "escape", "bytes", "quotes")])
def test_pages_take_names_literally(tmp_path: Path, text: str) -> None:
    from dataclasses import replace

    store = RunStore(tmp_path / "runs")
    fill(store)
    study = store.studies()[0]
    summary = summarise(store, replace(study, method=text, dataset=text, protocol=text, config={"labels": [text]}))
    page = markdown(summary)
    clean(page)
    assert "<" not in page
    assert page.count("\n") == markdown(summarise(store, study)).count("\n")
    assert markdown_literal("a_b-c 1.5 <i>|`*x*`") == "a_b-c 1.5 &lt;i&gt;\\|\\`\\*x\\*\\`"


@pytest.mark.parametrize("key", ["path", "absolute", "newline", "nul", "bytes", "html"])
def test_stages_are_names_of_files(tmp_path: Path, key: str) -> None:
    from harness.training.checkpoint import Checkpoints

    with pytest.raises(MethodError, match="name of a stage"):
        Checkpoints(tmp_path, HOSTILE[key])


# The command line.


@pytest.mark.parametrize("key", ["path", "escape", "turned", "bytes", "long", "link"])
@pytest.mark.parametrize(
    "words",
    [
        ("run", "--method", "{}", "--dataset", "musk1"),
        ("run", "--method", "abmil", "--dataset", "{}"),
        ("run", "--method", "abmil", "--dataset", "musk1", "--protocol", "{}"),
        ("run", "--method", "abmil", "--dataset", "musk1", "--set", "{}=1"),
        ("methods", "show", "{}"),
        ("leaderboard", "show", "--dataset", "{}"),
    ],
    ids=lambda words: " ".join(words),
)
def test_words_on_the_command_line(bench, key: str, words: tuple[str, ...]) -> None:
    code, shown = bench(*(word.replace("{}", HOSTILE[key]) for word in words))
    assert code in {1, 2}
    assert len(shown.splitlines()) == 3
