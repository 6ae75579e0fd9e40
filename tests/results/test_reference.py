"""Reference scores: none without source and protocol."""

from __future__ import annotations

import pytest

from harness.api.registry import find_method
from harness.core.errors import DataError
from harness.datasets.catalog import find_dataset
from harness.evaluation.metrics import METRICS
from harness.results import reference


@pytest.mark.parametrize("dataset", reference.datasets_with_references())
def test_every_shipped_score_is_of_a_known_dataset_and_metric(dataset):
    assert find_dataset(dataset).name == dataset
    rows = reference.read_references(dataset)
    assert rows
    assert {row.metric for row in rows} <= set(METRICS)
    assert len({(row.method, row.metric, row.source) for row in rows}) == len(rows)


@pytest.mark.parametrize("dataset", reference.datasets_with_references())
def test_what_is_ours_is_a_method_here_with_settings_that_it_has(dataset):
    for row in reference.read_references(dataset):
        name, *settings = row.ours.split() or [""]
        if name:
            method = find_method(name)
            params = dict(setting.split("=") for setting in settings)
            assert row.is_of(name, method.Params.build(params, place="test").as_dict())
            assert not row.is_of("other", params)


def test_settings_tell_studies_of_one_method_apart():
    row = reference.Reference("DTFD + ICMIL", "icmil bag_model=dtfd", "auc", 0.9, None, "published", "paper", "test")
    assert row.is_of("icmil", {"bag_model": "dtfd", "lr": 0.1}) and not row.is_of("icmil", {"bag_model": "abmil"})
    assert not reference.Reference("x", "", "auc", 0.9, None, "published", "paper", "test").is_of("", {})


def test_a_file_without_our_names_is_refused(tmp_path, monkeypatch):
    (tmp_path / "x.csv").write_text("method,metric,value,spread,kind,source,protocol\na,auc,0.9,,published,p,t\n")
    monkeypatch.setattr(reference, "package_data", lambda _: tmp_path)
    with pytest.raises(DataError, match="no column ours"):
        reference.read_references("x")


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("a,b,auc,0.9,,published,,test", "needs source"),
        ("a,b,auc,0.9,,published,paper,", "needs source"),
        ("a,b,auc,90,,published,paper,test", "between 0 and 1"),
        ("a,b,auc,0.9,,remembered,paper,test", "needs source"),
        ("a,b,auc,high,,published,paper,test", "no number"),
    ],
)
def test_a_score_without_evidence_is_refused(row, problem, tmp_path, monkeypatch):
    (tmp_path / "x.csv").write_text(f"method,ours,metric,value,spread,kind,source,protocol\n{row}\n")
    monkeypatch.setattr(reference, "package_data", lambda _: tmp_path)
    with pytest.raises(DataError, match=problem) as error:
        reference.read_references("x")
    assert error.value.place.endswith("line 2")
