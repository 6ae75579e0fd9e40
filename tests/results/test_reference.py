"""Reference scores: none without source and protocol."""

from __future__ import annotations

import pytest

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


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("a,auc,0.9,,published,,test", "needs source"),
        ("a,auc,0.9,,published,paper,", "needs source"),
        ("a,auc,90,,published,paper,test", "between 0 and 1"),
        ("a,auc,0.9,,remembered,paper,test", "needs source"),
        ("a,auc,high,,published,paper,test", "no number"),
    ],
)
def test_a_score_without_evidence_is_refused(row, problem, tmp_path, monkeypatch):
    (tmp_path / "x.csv").write_text(f"method,metric,value,spread,kind,source,protocol\n{row}\n")
    monkeypatch.setattr(reference, "package_data", lambda _: tmp_path)
    with pytest.raises(DataError, match=problem) as error:
        reference.read_references("x")
    assert error.value.place.endswith("line 2")
