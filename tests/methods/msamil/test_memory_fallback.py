"""MsaMIL-Net where the first step of its bag stage does not fit into memory."""

from __future__ import annotations

from support.short_of_memory import check_that_fallbacks_are_exact


def test_fallbacks_of_the_bag_stage_are_recorded_and_exact(slides, make_method, make_run, monkeypatch):
    def trained(run):
        method = make_method(encode_chunk=0, recompute=False, dropout=0.0, epochs=1, segment=False)
        method.fit(slides(4, seed=1), None, run)
        return method.predict(slides(4, seed=3, held_out=True), run).probabilities

    check_that_fallbacks_are_exact(monkeypatch, make_run, trained)
