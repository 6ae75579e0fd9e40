"""Which sites stand in train and in test: reported, never refused."""

from __future__ import annotations

import pytest

from harness.data.verify import verify
from harness.errors import DataError
from harness.protocol.audit_study import audit_study
from harness.protocol.dataset import load_dataset
from harness.protocol.sites import sites_of


def test_without_a_site_column_nothing_is_said(tiny) -> None:
    assert sites_of(tiny, tiny.splits().folds) is None


def test_sites_on_both_sides(write) -> None:
    dataset = load_dataset(write(card={"site": "centre"}))
    sites = sites_of(dataset, dataset.splits().folds)
    assert sites is not None
    assert sites.train == {"A": 3, "B": 1}
    assert sites.test == {"B": 1, "None": 1}
    assert (sites.shared, sites.folds, sites.of, sites.unknown) == (("B",), 1, 1, 0)
    assert sites.words == ("sites (column centre): trained on A, B, tested on B, None; B on both sides of 1 of 1 folds")


def test_a_column_called_site_needs_no_word_on_the_card(write) -> None:
    labels = "slide,patient,label,site\nnormal_001,p1,normal,X\nnormal_002,p1,normal,X\ntumor_001,p2,tumor,X\n"
    labels += "tumor_002,p3,tumor,X\ntest_001,p4,normal,Y\ntest_002,p5,tumor,\n"
    dataset = load_dataset(write(labels=labels))
    sites = sites_of(dataset, dataset.splits().folds)
    assert sites is not None
    assert (sites.shared, sites.unknown) == ((), 1)
    assert sites.words.endswith("none shared; 1 slides without one")


def test_a_column_that_is_not_there(write) -> None:
    dataset = load_dataset(write(card={"site": "center"}))
    with pytest.raises(DataError, match="no column 'center'") as error:
        sites_of(dataset, dataset.splits().folds)
    assert "centre" in error.value.fix


def test_they_stand_in_report_evidence_and_verify(write, release) -> None:
    dataset = load_dataset(write(card={"site": "centre"}))
    report = audit_study(dataset, dataset.splits().folds, None)
    assert any("B on both sides of 1 of 1 folds" in line for line in report.lines)
    assert report.as_dict()["sites"]["shared"] == ("B",)
    assert any("B on both sides" in line for line in verify(dataset, release).checked)


@pytest.mark.parametrize("name", ["camelyon16", "camelyon16-mini"])
def test_the_shipped_cards_name_their_centres(name: str) -> None:
    from harness.protocol.catalog import find_dataset

    dataset = find_dataset(name)
    sites = sites_of(dataset, dataset.splits().folds)
    assert sites is not None
    assert sites.shared == ("RUMC", "UMCU")
