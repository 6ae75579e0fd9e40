"""What compared scores vary by, and how many seeds would tell: as the components of each study say."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.evidence import predictions, record

from harness.evaluation.variance import seeds_needed, study_variance
from harness.results.comparison.many import compare_many
from harness.results.comparison.variance import compare_variance, seed_sentences, variance_rows
from harness.results.store import RunStore
from harness.results.summary import study_predictions


def fill(store: RunStore, study: str, seeds: int, signal: float) -> None:
    for seed in range(seeds):
        for fold in range(3):
            made = predictions(fold=fold, seed=seed, folds=3, signal=signal + 0.1 * seed)
            store.write_unit(record(study=study, fold=fold, seed=seed), made)


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path)


def test_components_and_seeds_are_those_of_the_studies(store):
    fill(store, "a-toy-cv3-1", 3, 0.1)
    fill(store, "b-toy-cv3-2", 3, 0.4)
    found = compare_many(store, store.studies(), resamples=50)
    split = compare_variance(store, found)
    each = [study_variance(study_predictions(store, study), "auc") for study in store.studies()]
    assert list(split.studies) == each
    rows = variance_rows(found, split)
    assert [row["sd_seed"] ** 2 for row in rows] == pytest.approx([one.seed for one in each])
    difference = abs(found.statements[0].pair.value)
    assert split.seeds[0, 1] == (difference, seeds_needed(difference, (each[0].seed, each[1].seed), 3))
    assert compare_variance(store, found, margin=0.01).seeds[0, 1][0] == 0.01
    assert "seeds per fold, on these test slides" in seed_sentences(split)[0]


def test_one_seed_tells_nothing_of_seeds(store):
    fill(store, "a-toy-cv3-1", 1, 0.1)
    fill(store, "b-toy-cv3-2", 1, 0.4)
    found = compare_many(store, store.studies(), resamples=50)
    split = compare_variance(store, found)
    assert variance_rows(found, split)[0]["sd_seed"] is None
    assert "run two seeds or more" in seed_sentences(split)[0]
