"""DRE-SLCL where the first step with gradients of the encoder does not fit into memory."""

from __future__ import annotations

from support.short_of_memory import check_that_fallbacks_are_exact


def test_fallbacks_of_contrast_are_recorded_and_exact(make_method, make_bags, make_run, monkeypatch):
    def trained(run):
        # Without warm-up, whose batch norm keeps its chunks.
        method = make_method(
            encode_chunk=0, recompute=False, epochs=1, downstream="probe", probe_epochs=2, warm_epochs=0
        )
        method.fit(make_bags(6), None, run)
        return method.predict(make_bags(4, first=200, held_out=True), run).probabilities

    check_that_fallbacks_are_exact(monkeypatch, make_run, trained)
