"""Ten thousand resamples of ten thousand slides: the AUC from counts beside a plain loop over resamples.

Not part of the test run; start it with ``pytest tests/benchmarks/test_bootstrap.py``. They make different numbers of
resamples: compare ``seconds_per_10000`` of ``--benchmark-json``.
"""

from __future__ import annotations

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from sklearn.metrics import roc_auc_score

from harness.evaluation.auc_bootstrap import auc_draws
from harness.evaluation.bootstrap import draws
from harness.evaluation.metrics import roc_auc

SLIDES = 10_000


@pytest.mark.parametrize("way", ["counts", "weights", "plain loop"])
def test_resamples_of_the_auc(benchmark: BenchmarkFixture, way: str) -> None:
    rng = np.random.default_rng(0)
    labels, patients = rng.integers(0, 2, SLIDES), np.arange(SLIDES)
    scores = rng.normal(size=SLIDES) + labels
    resamples = {"counts": 1000, "weights": 200, "plain loop": 20}[way]

    def loop() -> list[float]:
        picked = [rng.integers(0, SLIDES, SLIDES) for _ in range(resamples)]
        return [float(roc_auc_score(labels[rows], scores[rows])) for rows in picked]

    def weights() -> object:
        return draws(lambda w: {"auc": roc_auc(labels, scores, w)}, patients, resamples=resamples, strata=labels)

    def counts() -> object:
        return auc_draws(labels, scores, patients, resamples=resamples)

    benchmark.group = "resamples of the AUC of 10,000 slides"
    benchmark.extra_info["resamples"] = resamples
    benchmark.pedantic({"counts": counts, "weights": weights, "plain loop": loop}[way], rounds=3, warmup_rounds=1)
    benchmark.extra_info["seconds_per_10000"] = benchmark.stats.stats.min / resamples * 10_000
