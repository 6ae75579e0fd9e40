"""Entries are folders of text that read like a runs folder."""

from __future__ import annotations

import pytest

from harness.bundles.archive import write_folder
from harness.bundles.entries import EntryStore, entries
from harness.core.errors import DataError
from harness.results.leaderboard import leaderboard


def test_entries_are_ranked_like_runs(made, tmp_path) -> None:
    write_folder(made.members, tmp_path / "entries" / "toy" / made.study.study_id)
    (found,) = entries(tmp_path / "entries")
    assert found.study_id == made.study.study_id and not found.signed
    store = EntryStore([found])
    (study,) = store.studies()
    assert study.complete and study.study_id == made.study.study_id
    (there,), (here,) = (leaderboard(one).groups for one in (store, made.store))
    assert [row.value for row in there.rows] == [row.value for row in here.rows]
    assert store.curve(study.records[0].unit_id) == made.store.curve(study.records[0].unit_id)


def test_without_a_folder_there_are_none(tmp_path) -> None:
    assert list(entries(tmp_path / "nothing")) == []


def test_an_edited_entry_is_refused(made, tmp_path) -> None:
    write_folder(made.members, tmp_path / "toy")
    table = tmp_path / "toy" / "predictions.csv"
    table.write_text(table.read_text().replace("0.1", "0.2", 1).replace("0.3", "0.4", 1))
    with pytest.raises(DataError, match=r"its bytes were changed"):
        entries(tmp_path)
