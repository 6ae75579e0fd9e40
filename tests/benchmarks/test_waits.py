"""What a user waits for beside the training: help, scores, the audit of copies, MLflow.

Not part of the test run; start it with ``pytest tests/benchmarks``.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from pytest_benchmark.fixture import BenchmarkFixture
from support.evidence import fill

from harness.evaluation.study_scores import Predictions, study_scores
from harness.evaluation.survival import SurvivalPredictions
from harness.protocols.near_duplicates import compare_bags
from harness.results.publish import Publisher
from harness.results.store import RunStore


def test_help(benchmark: BenchmarkFixture) -> None:
    command = [sys.executable, "-c", "from harness.cli.main import main; main(['--help'])"]
    benchmark.pedantic(subprocess.run, (command,), {"check": True, "capture_output": True}, rounds=5)


def test_scores_of_fifty_folds(benchmark: BenchmarkFixture) -> None:
    """102 slides of as many patients, 5 repeats of 10 folds, 2,000 resamples."""
    rng = np.random.default_rng(0)
    slide = np.tile(np.arange(102), 5)
    second = rng.random(510)
    data = Predictions(
        repeat=np.repeat(np.arange(5), 102),
        fold=np.concatenate([rng.permutation(102) % 10 for _ in range(5)]),
        seed=np.zeros(510, int),
        patient=slide.astype(str),
        label=slide % 2,
        probabilities=np.stack([1 - second, second], 1),
        predicted=(second > 0.5).astype(int),
        slide=slide.astype(str),
    )
    benchmark(study_scores, data, resamples=2000)


def test_survival_scores_of_a_thousand_patients(benchmark: BenchmarkFixture) -> None:
    rng = np.random.default_rng(2)
    zero, event = np.zeros(1000), rng.random(1000) < 0.5
    data = SurvivalPredictions(
        zero, zero, zero, np.arange(1000), rng.exponential(size=1000), event, rng.normal(size=1000)
    )
    benchmark.pedantic(study_scores, (data,), rounds=2)


def test_copies_among_two_hundred_bags(benchmark: BenchmarkFixture) -> None:
    rows = np.random.default_rng(1).normal(size=(100_000, 64)).astype(np.float32)
    slides = [f"s{k}" for k in range(200)]
    benchmark.pedantic(compare_bags, (slides, lambda slide: rows[500 * int(slide[1:]) :][:500]), rounds=2)


def test_publishing_a_unit(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    store = RunStore(tmp_path / "runs")
    made = iter(fill(store, folds=8))
    publisher = Publisher(store)
    publisher.unit(next(made))  # makes the database
    benchmark.pedantic(lambda: publisher.unit(next(made)), rounds=5)
    assert not publisher.broken
