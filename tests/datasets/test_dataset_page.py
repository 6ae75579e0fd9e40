"""Dataset pages: those in docs/ are up to date, and a page holds what the card says."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.datasets.catalog import find_dataset
from harness.datasets.dataset_page import dataset_page, write_pages

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = sorted(path.parent.name for path in (ROOT / "datasets").glob("*/card.yaml"))


def test_the_pages_in_docs_are_up_to_date(tmp_path):
    write_pages(tmp_path, SHIPPED)
    made = {path.name: path.read_text() for path in tmp_path.iterdir()}
    kept = {path.name: path.read_text() for path in (ROOT / "docs/datasets").iterdir()}
    stale = sorted(name for name in made.keys() | kept.keys() if made.get(name) != kept.get(name))
    assert not stale, "run `python -m harness.datasets.dataset_page docs/datasets`"


@pytest.mark.parametrize("name", SHIPPED)
def test_a_page_holds_the_whole_card(name):
    card = (dataset := find_dataset(name, place="")).card
    page = dataset_page(dataset)
    flat = " ".join(page.replace("\\|", "|").split())
    said = [card.title, card.description, card.get, card.licence]
    said += [text for one in card.errata for text in (one.what, one.action, one.source, ", ".join(one.slides) or "all")]
    said += [text for one in card.feature_sets.values() for text in (one.title, one.hub, one.licence, one.note)]
    said += [text for one in card.protocols.values() for text in (one.title, one.note)]
    assert not [text for text in said if " ".join(text.split()) not in flat]
    assert all(f"| `{one}`" in page for one in (*card.protocols, *card.feature_sets))
    widths = {line.count("|") - 2 * line.count("\\|") for line in page.splitlines() if line.startswith("| ")}
    assert len(widths) <= 3, "a row with another number of cells than its heads"
