"""Records are told once where they are equal, and come back as they were."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.bundles.record_lines import read_record_lines, record_lines
from harness.core.errors import DataError
from harness.core.hashing import canonical_json

LEAF = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.0, 1.0, 0.5]) | st.text("ab", max_size=2)


def _deeper(inner):
    return st.dictionaries(st.sampled_from("abc"), inner, max_size=3) | st.lists(inner, max_size=2)


RECORD = st.dictionaries(st.sampled_from("abcd"), st.recursive(LEAF, _deeper, max_leaves=6), max_size=4)


@given(st.lists(RECORD, min_size=1, max_size=4))
def test_any_records_come_back(records) -> None:
    found = read_record_lines(record_lines(records), "x")
    assert list(map(canonical_json, found)) == list(map(canonical_json, records))


def test_what_is_shared_stands_once() -> None:
    same = {"os": "x" * 1000, "cores": 2}
    text = record_lines([{"environment": same, "spec": {"method": "a", "fold": fold}} for fold in range(50)])
    assert len(text) < 3000 and text.count("x" * 1000) == 1 and text.count('"method"') == 1


def test_another_way_to_write_the_same_is_refused() -> None:
    with pytest.raises(DataError, match="not written"):
        read_record_lines('{}\n{"a":1}\n{"a":1}\n', "x")
