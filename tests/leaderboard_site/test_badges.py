"""Badges: what is known of the evidence stands beside the number."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from support.made_up import made_up_store

from harness.bundles.archive import write_folder
from harness.bundles.entries import EntryStore, entries
from harness.bundles.submit import bundle_of
from harness.leaderboard_site.build import build


def test_a_reviewed_entry_is_self_reported_and_ranked_with_the_rest(tmp_path: Path) -> None:
    place = {"datasets": ("camelyon16-mini",)}
    here = made_up_store(tmp_path / "here", methods=("abmil",), **place)
    there = made_up_store(tmp_path / "there", methods=("dsmil",), **place)
    (study,) = there.studies()
    write_folder(bundle_of(there, study), tmp_path / "entries" / "dsmil")
    store = EntryStore(entries(tmp_path / "entries"))
    (board,) = build([here, store], tmp_path / "site", title="x").content.boards
    texts = {entry.method: [badge.text for badge in entry.badges] for entry in board.entries}
    assert texts == {"abmil": ["verified"], "dsmil": ["verified", "self-reported"]}
    assert all(entry.rank for entry in board.entries)


def test_of_two_seeds_what_is_missing_are_units_and_of_one_they_are_folds(tmp_path: Path) -> None:
    for seeds, words in ((1, "incomplete 4/5 folds"), (2, "incomplete 9/10 units")):
        root = tmp_path / str(seeds)
        store = made_up_store(root, methods=("abmil",), datasets=("colon-nuclei",), seeds=seeds)
        (study,) = store.studies()
        shutil.rmtree(store.unit_folder(study.records[0].unit_id))
        (board,) = build([store], tmp_path / f"site{seeds}", title="x").content.boards
        (badge,) = [one for one in board.entries[0].badges if one.kind == "warning"]
        assert badge.text == words


def test_an_encoder_that_saw_the_test_slides_is_named_in_the_table_and_by_a_badge(tmp_path: Path) -> None:
    store = made_up_store(tmp_path / "runs", methods=("abmil",), datasets=("camelyon16-mini",))
    (study,) = store.studies()
    seen = {"tcga": "yes", "camelyon16": "unknown", "paip": "no"}
    for path in (store.study_folder(study.study_id) / "study.json", *tmp_path.glob("runs/units/*/record.json")):
        value = json.loads(path.read_text())
        value["config"] |= {"pretraining_overlap": seen, "pretraining_cohorts": ["gtex", "tcga"]}
        path.write_text(json.dumps(value))
    site = build([store], tmp_path / "site", title="x")
    (entry,) = site.content.boards[0].entries
    words = "pre-trained on TCGA; perhaps pre-trained on CAMELYON16; known pre-training data: GTEX"
    assert entry.pretraining == words
    assert "test slides seen" in [badge.text for badge in entry.badges]
    page = (site.folder / "boards" / "camelyon16-mini-official.html").read_text()
    assert "pre-trained on TCGA" in page and "data-seen" in page and "test slides not seen in pre-training" in page
