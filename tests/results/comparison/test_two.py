"""Comparing studies: intervals of equal studies, survival, and which settings differ."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.evidence import fill, fill_survival

from harness.core.errors import DataError
from harness.results.comparison.two import changed, compare_studies
from harness.results.store import RunStore


def test_equal_predictions_differ_by_nothing_in_every_resample(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    for name in ("a-toy-cv3-1", "b-toy-cv3-2"):
        fill(store, study=name, repeats=2)
    found = compare_studies(store, store.study("a-toy-cv3-1"), store.study("b-toy-cv3-2"), resamples=200)
    for difference in found.differences.values():
        assert (difference.value, difference.interval.low, difference.interval.high) == (0, 0, 0)
        assert difference.p_value == 1.0
    assert found.changed == {}


def test_survival_studies_compare_and_never_with_classes(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    fill_survival(store, study="a-lived-cv3-1")
    fill_survival(store, study="b-lived-cv3-2")
    first, second = store.study("a-lived-cv3-1"), store.study("b-lived-cv3-2")
    assert list(compare_studies(store, first, second, resamples=50).differences) == ["c_index"]
    fill(store, study="c-toy-cv3-3")
    with pytest.raises(DataError, match="the studies differ"):
        compare_studies(store, first, store.study("c-toy-cv3-3"))


def test_settings_that_differ_are_named_with_both_values(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    fill(store, study="a-toy-cv3-1")
    fill(store, study="b-toy-cv3-2", method="max_pool", protocol="cv5")
    found = changed(store.study("a-toy-cv3-1"), store.study("b-toy-cv3-2"))
    assert found == {"method": ("abmil", "max_pool"), "protocol": ("cv3", "cv5")}
