from __future__ import annotations

from types import SimpleNamespace

import pytest

from harness.core.errors import DataError
from harness.datasets.dataset import load_dataset
from harness.datasets.reports import reports_fingerprint
from harness.studies.planned_unit import _check_reports


def test_reports_that_changed_since_the_unit_was_named_are_refused(toy_dataset) -> None:
    card = toy_dataset / "card.yaml"
    card.write_text(card.read_text() + "\nreports: {files: 'reports/{slide}.txt'}\n")
    (toy_dataset / "reports").mkdir()
    dataset = load_dataset(toy_dataset)
    report = toy_dataset / "reports" / f"{dataset.slides[0]}.txt"
    report.write_text("No tumour.")
    unit = SimpleNamespace(spec=SimpleNamespace(input={"reports": reports_fingerprint(dataset)}))
    _check_reports(unit, dataset)
    report.write_text("A tumour..")
    with pytest.raises(DataError, match="reports changed"):
        _check_reports(unit, dataset)
    _check_reports(SimpleNamespace(spec=SimpleNamespace(input={})), dataset)
