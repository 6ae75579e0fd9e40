"""``bench doctor``: every line is fine or comes with its fix; what every run needs decides about the exit code."""

from __future__ import annotations

import re

import pytest

from harness.cli import doctor


def lines(answer) -> dict[str, tuple[str, str]]:
    """What was looked at → (state, the rest of the line)."""
    found = {}
    for line in answer.out.splitlines():
        if match := re.match(r"(ok|note|WRONG) +(\S+(?: \S+)*?)  +(.*)", line):
            found.setdefault(match[2], (match[1], match[3]))
    return found


def test_every_line_is_fine_or_has_a_fix(bench):
    answer = bench("doctor")
    assert answer.code == 0, answer.out
    found = lines(answer)
    for what in ("Python", "torch", "OpenSlide", "MLflow", "timm", "cache", "runs folder", "methods"):
        assert found[what][0] in {"ok", "note"}, found[what]
    text = answer.out.splitlines()
    for number, line in enumerate(text):
        if line.startswith(("note", "WRONG")):
            assert text[number + 1].strip().startswith("fix:"), line


def test_a_library_that_does_not_import_is_wrong_and_stops_no_other_check(bench, monkeypatch):
    def broken():
        raise ImportError("libopenslide.so.1 not found")
        yield

    monkeypatch.setattr(doctor, "_openslide", broken)
    answer = bench("doctor")
    assert answer.code == 1
    found = lines(answer)
    assert found["OpenSlide"] == ("WRONG", "ImportError: libopenslide.so.1 not found")
    assert found["MLflow"][0] == "ok"


def test_a_folder_that_cannot_be_written_is_wrong(tmp_path, monkeypatch):
    def refuse(**kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("harness.core.folders.tempfile.TemporaryFile", refuse)
    (finding,) = doctor._folder("cache", tmp_path / "not" / "yet" / "there")
    assert finding.state == "wrong"
    assert str(tmp_path) in finding.detail
    assert "--cache" in finding.fix


def test_little_space_is_a_note(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "_LITTLE_SPACE_GIB", 1e9)
    (finding,) = doctor._folder("runs folder", tmp_path)
    assert finding.state == "note"
    assert "--out" in finding.fix


@pytest.mark.parametrize(
    ("given", "state", "detail"),
    [(None, "note", "no data root"), ("missing", "note", "is not a folder"), ("data", "ok", "datasets: camelyon16")],
)
def test_data_folders(tmp_path, monkeypatch, given, state, detail):
    (tmp_path / "data" / "camelyon16").mkdir(parents=True)
    monkeypatch.delenv("BENCH_DATA", raising=False)
    if given:
        monkeypatch.setenv("BENCH_DATA", str(tmp_path / given))
    (finding,) = doctor._data(None)
    assert finding.state == state
    assert detail in finding.detail


def test_the_report_is_one_block_of_text_with_the_versions_of_the_dependencies(bench):
    answer = bench("doctor", "--report")
    text = answer.out.strip().splitlines()
    assert (text[0], text[-1]) == ("```text", "```")
    assert text[1].startswith("wsibench ")
    assert any(re.fullmatch(r"numpy \d\S*", line) for line in text)
