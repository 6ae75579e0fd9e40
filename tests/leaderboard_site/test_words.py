"""Words: names of methods elsewhere, protocols and their differences, the command that runs a study again."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from support.made_up import made_up_store

from harness.leaderboard_site import words
from harness.leaderboard_site.build import build
from harness.leaderboard_site.commands import command
from harness.leaderboard_site.words import difference_words, protocol_words
from harness.results.reference import read_references
from harness.results.studies import Study


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    root: Path = tmp_path_factory.mktemp("words") / "runs"
    (found,) = made_up_store(root, methods=("abmil",), datasets=("colon-nuclei",)).studies()
    return found


def test_the_difference_says_what_both_did(study: Study) -> None:
    reference = next(one for one in read_references("colon-nuclei") if one.ours == "abmil")
    text = difference_words(reference, study)
    assert reference.protocol in text and "protocol cv5, 5 folds, one seed" in text
    assert "epoch is chosen on validation slides" in protocol_words(study)
    assert "No study of abmil is on" in difference_words(reference, None)


def test_the_command_has_what_the_study_is_made_of(study: Study) -> None:
    typed = shlex.split(command(study))
    options = dict(zip(typed[2::2], typed[3::2], strict=True))
    assert typed[:2] == ["bench", "run"] and options["--method"] == "abmil" and options["--protocol"] == "cv5"
    assert options["--trials"] == "20" and "--set" not in options  # of a tuned study, no value is set


def test_no_path_or_user_of_this_machine_is_on_the_site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, study: Study
) -> None:
    monkeypatch.setattr(words, "_names", lambda: frozenset({"plantuser"}))
    store = made_up_store(tmp_path / "runs", methods=("abmil", "dsmil"), datasets=("camelyon16-mini",))
    private = {"teacher": "/mnt/planted place/teacher.pt", "by": "plantuser"}
    for folder in (tmp_path / "runs" / "units").iterdir():
        record = json.loads((folder / "record.json").read_text())
        record["spec"]["params"] |= private
        record["spec"]["tuning"] = None
        (folder / "record.json").write_text(json.dumps(record))
    broken = tmp_path / "runs" / "units" / "broken-r0f0-s0-000000000000"
    broken.mkdir()
    (broken / "record.json").write_text('{"unit_id": "/mnt/planted place"}')
    site = build([store], tmp_path / "site", title="x")
    assert site.content.damaged and site.content.boards[0].entries[0].params["teacher"] == "(left out)"
    for path in site.folder.rglob("*.*"):
        assert not re.search(rb"planted place|plantuser", path.read_bytes()), path
