"""Examples of attention: the small pictures that units left, and nothing else."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import html5lib
import pytest
from support.made_up import made_up_store

from harness.leaderboard_site.build import build
from harness.leaderboard_site.pictures import LARGEST, pictures_of
from harness.results.store import RunStore

PNG = b"\x89PNG\r\n\x1a\n"
FIRST = {"attention-a.png": PNG + b"1", "attention-b.png": PNG + b"2", "tiles-a.csv": b"x"}
SECOND = {"attention-c.png": PNG + bytes(LARGEST), "attention-d.png": b"GIF89a", "tier_2-e.png": PNG + b"3"}


def leave(store: RunStore, unit_id: str, files: dict[str, bytes]) -> None:
    """Put files beside the predictions of a unit, and into its record."""
    folder = store.unit_folder(unit_id)
    record = json.loads((folder / "record.json").read_text())
    (folder / "artefacts").mkdir()
    for name, content in files.items():
        (folder / "artefacts" / name).write_bytes(content)
        record["files"][f"artefacts/{name}"] = hashlib.sha256(content).hexdigest()
    (folder / "record.json").write_text(json.dumps(record))


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    """A study whose first two units have left something."""
    found = made_up_store(tmp_path / "runs", methods=("abmil",), datasets=("colon-nuclei",))
    (study,) = found.studies()
    for record, files in zip(study.records, (FIRST, SECOND), strict=False):
        leave(found, record.unit_id, files)
    return found


def test_small_pictures_are_found_and_what_is_large_or_no_picture_is_not(store: RunStore) -> None:
    (study,) = store.studies()
    found = pictures_of(study, store)
    assert [one.content for one in found] == [PNG + b"1", PNG + b"2", PNG + b"3"]
    assert found[0].text == "attention on test slide a, fold 0" and found[2].text == "tier_2 on test slide e, fold 1"


def test_they_are_on_the_page_with_words_for_those_who_do_not_see_them(store: RunStore, tmp_path: Path) -> None:
    site = build([store], tmp_path / "site", title="x")
    (entry,) = site.content.boards[0].entries
    tree = html5lib.parse((site.folder / entry.page).read_text(), namespaceHTMLElements=False)
    images = list(tree.iter("img"))
    assert images[0].get("alt") == "attention on test slide a, fold 0"
    assert [(site.folder / "studies" / one.get("src", "")).read_bytes()[-1:] for one in images] == [b"1", b"2", b"3"]
