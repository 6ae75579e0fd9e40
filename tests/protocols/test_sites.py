"""Which sites stand in train and in test: reported, never refused."""

from __future__ import annotations

import pytest

from harness.core.errors import DataError
from harness.datasets.dataset import load_dataset
from harness.protocols.audit_study import audit_study
from harness.protocols.sites import sites_of
from harness.protocols.verify import verify


def test_without_a_site_column_nothing_is_said(tiny) -> None:
    assert sites_of(tiny, tiny.splits().folds) is None


def test_sites_on_both_sides(write) -> None:
    dataset = load_dataset(write(card={"site": "centre"}))
    sites = sites_of(dataset, dataset.splits().folds)
    assert sites is not None
    assert sites.train == {"A": 3, "B": 1}
    assert sites.test == {"B": 1}
    assert (sites.shared, sites.folds, sites.of, sites.unknown) == (("B",), 1, 1, 1)
    assert "trained on A, B, tested on B; B on both sides of 1 of 1 folds" in sites.words


def test_a_column_called_site_needs_no_word_on_the_card(write) -> None:
    labels = "slide,patient,label,site\nnormal_001,p1,normal,X\nnormal_002,p1,normal,X\ntumor_001,p2,tumor,X\n"
    labels += "tumor_002,p3,tumor,X\ntest_001,p4,normal,Y\ntest_002,p5,tumor,\n"
    dataset = load_dataset(write(labels=labels))
    sites = sites_of(dataset, dataset.splits().folds)
    assert sites is not None
    assert (sites.shared, sites.unknown) == ((), 1)
    assert "none shared; 1 slides without one" in sites.words


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


def confounded(write, sites: list[str]):
    """Twenty-four slides, every second one a tumour, with these sites: one fold of 12, 6 and 6."""
    labels = "slide,patient,label,site\n"
    labels += "".join(f"s{k},p{k},{('normal', 'tumor')[k % 2]},{sites[k]}\n" for k in range(24))
    part = ["train"] * 12 + ["val"] * 6 + ["test"] * 6
    splits = "repeat,fold,slide,part\n" + "".join(f"0,0,s{k},{part[k]}\n" for k in range(24))
    return load_dataset(write(labels=labels, splits=splits, card={"counts": {"slides": 24}}))


def test_a_site_that_equals_the_label_is_said(write, release) -> None:
    dataset = confounded(write, ["A", "B"] * 12)
    report = audit_study(dataset, dataset.splits().folds, None)
    assert report.sites is not None
    assert report.sites.association == pytest.approx(1.0)
    assert report.sites.by_part == pytest.approx({"train": 1.0, "val": 1.0, "test": 1.0})
    assert report.sites.high == ("dataset", "train")  # six slides may fall together by chance
    assert len(report.warnings) == 1
    assert "recognises the site" in report.warnings[0]
    assert report.as_dict()["sites"]["association"] == pytest.approx(1.0)
    found = [one for one in verify(dataset, release).findings if one.kind == "sites"]
    assert [one.severity for one in found] == ["warning"]


def test_a_site_that_equals_the_label_in_training_alone(write) -> None:
    dataset = confounded(write, ["A", "B"] * 6 + ["A", "A", "B", "B"] * 3)
    sites = sites_of(dataset, dataset.splits().folds)
    assert sites is not None
    assert "train" in sites.high
    assert (sites.by_part["val"] or 0) < 0.5


@pytest.mark.parametrize("sites", [["A"] * 24, [""] * 24, ["A", "A", "B", "B"] * 6])
def test_sites_that_say_nothing_about_the_label(write, sites: list[str]) -> None:
    dataset = confounded(write, sites)
    report = audit_study(dataset, dataset.splits().folds, None)
    assert report.sites is not None
    assert report.sites.association == (None if len(set(sites)) == 1 else pytest.approx(0.0))
    assert report.warnings == ()
    assert "Cramér's V of label and site" in report.sites.words


@pytest.mark.parametrize("name", ["camelyon16", "camelyon16-mini"])
def test_the_shipped_cards_name_their_centres(name: str) -> None:
    from harness.datasets.catalog import find_dataset

    dataset = find_dataset(name)
    sites = sites_of(dataset, dataset.splits().folds)
    assert sites is not None
    assert sites.shared == ("RUMC", "UMCU")
