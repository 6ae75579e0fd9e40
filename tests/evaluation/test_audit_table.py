"""Auditing printed results: no honest table is accused, and changed digits are found at a known rate."""

from __future__ import annotations

import numpy as np
import pytest
from support.printed_tables import count

from harness.evaluation.audit_table import Design, audit
from harness.evaluation.printed import Printed


def verdict(metric: str, value: str, std: str | None = None, **design) -> str:
    spread = None if std is None else Printed.of(std)
    return audit(metric, Printed.of(value), spread, Design(**design)).verdict


def test_no_honest_table_is_accused():
    """200 tables; ``python -m support.printed_tables 10000`` audits as many as the documentation says."""
    honest, changed = count(200, seed=5)
    assert honest["impossible"] == 0 and honest["possible"] == 200 * 6
    assert 0.3 < changed["impossible"] / 200 < 0.5


def test_most_changed_last_digits_of_one_test_set_are_found():
    rng = np.random.default_rng(3)
    found = []
    for n in rng.integers(20, 80, size=200).tolist():
        text = f"{rng.integers(n // 2, n) / n:.3f}"
        digit = (int(text[-1]) + int(rng.integers(1, 10))) % 10
        found.append(verdict("accuracy", f"{text[:-1]}{digit}", n=n) == "impossible")
    assert np.mean(found) > 0.9


def test_accuracies_of_one_test_set_and_of_folds():
    assert verdict("accuracy", ".875", n=40) == "possible"
    assert verdict("accuracy", ".883", n=40) == "impossible"
    assert verdict("accuracy", ".883", n=40, repeats=3) == "possible"  # 106 of 120
    assert verdict("accuracy", ".9024", n=41) == "possible"  # 37 of 41
    # Folds of 11, 10, 10, 10: the mean over folds of 10/11, 9/10, 9/10, 9/10.
    assert verdict("accuracy", ".9023", n=41, folds=4) == "possible"
    assert verdict("accuracy", ".9023", n=41, folds=4, average="pooled") == "impossible"
    assert verdict("accuracy", ".9023", n=41, folds=4, fold_sizes=(20, 7, 7, 7)) == "impossible"
    assert verdict("accuracy", "1.2", n=40) == "impossible"
    assert verdict("accuracy", ".88") == "not checked"


def test_areas_are_counts_of_pairs():
    assert verdict("auc", "0.9318", n=40, n_pos=18) == "possible"
    assert verdict("auc", "0.9319", n=40, n_pos=18) == "impossible"
    assert verdict("auc", "0.9319", n=40) == "not checked"
    folds = {"n": 40, "n_pos": 20, "folds": 5}  # 16 pairs in each fold
    assert verdict("auc", "0.9312", **folds, stratified=True) == "possible"
    assert verdict("auc", "0.9316", **folds, stratified=True, average="folds") == "impossible"
    assert verdict("auc", "0.9316", **folds, average="folds") == "not checked"
    two = {"n": 40, "n_pos": 20, "folds": 2, "average": "folds"}  # 75 pairs in each fold, or 100
    assert verdict("auc", "0.9333", **two, fold_sizes=(20, 20), fold_pos=(5, 15)) == "possible"
    assert verdict("auc", "0.9333", **two, stratified=True) == "impossible"


def test_spreads_that_cannot_be():
    assert verdict("accuracy", "0.95", "0.16", n=40, folds=4) == "impossible"
    assert verdict("accuracy", "0.95", "0.10", n=40, folds=4) == "possible"
    # Two runs on 10 slides with mean .85 have .8 and .9 (or .7 and 1.0, ...): .07, .21 and so on.
    assert verdict("accuracy", "0.850", "0.071", n=10, repeats=2) == "possible"
    assert verdict("accuracy", "0.850", "0.050", n=10, repeats=2) == "possible"  # of the population
    assert verdict("accuracy", "0.850", "0.100", n=10, repeats=2) == "impossible"
    assert verdict("f1", "0.95", "0.40") == "impossible"
    assert verdict("f1", "0.95", "0.10") == "possible"
    # Nobody says over what: the score may be of any number of runs.
    assert verdict("accuracy", ".883", ".02", n=40) == "possible"


def test_what_is_found_is_explained():
    found = audit("accuracy", Printed.of(".883"), None, Design(n=40))
    assert found.nearest == ("0.875", "0.900") and found.sensitivity == 1.0
    cut = audit("accuracy", Printed.of(".666"), None, Design(n=30))
    assert "cut off" in cut.reason and cut.nearest[1] == "0.667"
    assert audit("kappa", Printed.of(".666"), None, Design(n=30)).verdict == "not checked"


@pytest.mark.parametrize("average", ["pooled", "folds", None])
def test_balanced_accuracies_and_recalls(average):
    design = {"n": 12, "n_pos": 4, "folds": 2, "stratified": True, "average": average}
    assert verdict("sensitivity", "0.75", **design) == "possible"
    assert verdict("sensitivity", "0.80", **design) == "impossible"
    assert verdict("specificity", "0.875", **design) == "possible"
    assert verdict("balanced_accuracy", "0.8125", **design) == "possible"
    assert verdict("balanced_accuracy", "0.8", **design) == "possible"
    assert verdict("balanced_accuracy", "0.8000", **design) == "impossible"
