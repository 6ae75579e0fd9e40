"""The test-set access log: every access is counted, whoever wrote its line and whenever."""

from __future__ import annotations

import json

import numpy as np
import pytest

from harness.results.access_log import AccessLog


@pytest.mark.parametrize("count", [1, 4])
def test_the_log_counts_accesses_that_are_made_at_once(tmp_path, count):
    log = AccessLog(tmp_path)
    one = np.full((3, 2), 0.5)
    assert log.note("a", ["x", "y", "z"], one) == 1
    assert log.note("a", ["x", "y", "z"], np.stack([one] * count)) == 1 + count
    assert log.note("b", ["x"], one[:1]) == 1
    with (tmp_path / "test_accesses.jsonl").open("a") as file:
        file.write('{"accessor": "a", "accesses": -5}\n[1]\n{"accessor": "a", "accesses": "many"}\n{"acc')
    assert log.note("a", ["x", "y", "z"], one) == 3 + count
    assert log.counts() == {"a": 3 + count, "b": 1}


def test_accesses_of_an_earlier_version_count(tmp_path):
    lines = [{"asker": "a", "slides": 3}, {"asker": "a", "slides": 3, "questions": 4}, {"asker": "b", "slides": 3}]
    (tmp_path / "questions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    log = AccessLog(tmp_path)
    assert log.counts() == {"a": 5, "b": 1}
    assert log.note("a", ["x"], np.full((1, 2), 0.5)) == 6
    assert log.counts() == {"a": 6, "b": 1}
