"""Words: names of methods elsewhere, protocols and their differences, the command that runs a study again."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from support.made_up import made_up_store

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
    words = shlex.split(command(study))
    options = dict(zip(words[2::2], words[3::2], strict=True))
    assert words[:2] == ["bench", "run"] and options["--method"] == "abmil" and options["--protocol"] == "cv5"
    assert options["--trials"] == "20" and "--set" not in options  # of a tuned study, no value is set
