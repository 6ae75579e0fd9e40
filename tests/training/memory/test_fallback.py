"""The order of memory fallbacks, and which of them can help."""

from __future__ import annotations

import json

import pytest

from harness.training.memory.fallback import EncoderUse, Fallback
from harness.training.memory.state import Memory


def _all(use: EncoderUse, *, bf16: bool = True) -> list[tuple[str, int]]:
    return [(one.kind, one.chunk) for one in use.fallbacks(bf16=bf16)]


def test_fallbacks_cost_time_first_and_numbers_last():
    use = EncoderUse()
    use.take_in(300, 0, divisible=True, recomputes=False, draws=False)
    assert _all(use) == [
        ("chunks", 256),
        ("chunks", 64),
        ("chunks", 16),
        ("recompute", 256),
        ("recompute", 64),
        ("recompute", 16),
        ("bf16", 16),
    ]
    positions = [one.position for one in use.fallbacks(bf16=True)]
    assert positions == sorted(positions)
    assert Fallback().position < positions[0]


def test_batch_norm_keeps_its_chunks():
    use = EncoderUse()
    use.take_in(300, 0, divisible=False, recomputes=False, draws=False)
    assert _all(use) == [("bf16", 0)]
    chunked = EncoderUse()
    chunked.take_in(300, 100, divisible=False, recomputes=False, draws=False)
    assert _all(chunked) == [("recompute", 0), ("bf16", 0)]


def test_what_is_configured_already_is_not_tried():
    use = EncoderUse()
    use.take_in(300, 20, divisible=True, recomputes=True, draws=False)
    assert _all(use, bf16=False) == [("chunks", 16)]
    assert _all(EncoderUse()) == [("bf16", 0)], "without an encoder there is lower precision alone"
    assert _all(EncoderUse(), bf16=False) == []


@pytest.mark.parametrize("text", ["{", "[]", '{"kind": "other", "chunk": 3}', '{"kind": "chunks", "chunk": "x"}', "{}"])
def test_a_damaged_file_counts_as_none(tmp_path, text):
    (tmp_path / "memory.json").write_text(text)
    memory = Memory()
    memory.load(tmp_path)
    assert memory.fallback == Fallback()


def test_an_interrupted_unit_continues_with_its_fallback(tmp_path):
    first, again = Memory(fallback=Fallback("recompute", 64)), Memory()
    first.save(tmp_path)
    again.load(tmp_path)
    assert again.fallback == first.fallback
    assert json.dumps(again.account())
    assert again.account()["fallback"] == "recompute"
