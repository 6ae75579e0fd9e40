"""A runs folder of many units: the leaderboard, from the index, costs no more than in proportion.

Not part of the test run; start it with ``pytest tests/benchmarks/test_books.py``. ``BOOKS=10000`` makes the largest.
"""

from __future__ import annotations

import os

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from support.evidence import fill

from harness.results.comparison.two import compare_studies
from harness.results.leaderboard import leaderboard
from harness.results.store import RunStore

FOLDS = 10
SIZES = [size for size in (100, 1_000, 10_000) if size <= int(os.environ.get("BOOKS", "1000"))]


@pytest.fixture(scope="module", params=SIZES)
def books(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    store = RunStore(tmp_path_factory.mktemp(f"books-{request.param}"))
    for number in range(request.param // FOLDS):
        fill(store, study=f"s{number}", method=f"m{number % 14}", folds=FOLDS, honest=True)
    leaderboard(RunStore(store.root))
    return store


def test_leaderboard(benchmark: BenchmarkFixture, books: RunStore) -> None:
    """By a process that knows nothing: every round has a store of its own."""
    found = benchmark.pedantic(lambda: leaderboard(RunStore(books.root)), rounds=3)
    assert found.groups


def test_compare(benchmark: BenchmarkFixture, books: RunStore) -> None:
    first, second = books.studies()[:2]
    benchmark.pedantic(compare_studies, (books, first, second), rounds=3)
