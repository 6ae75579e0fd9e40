"""Comparing many studies: what is said of each pair, the margin, folds and tables in Python."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.evidence import fill, fill_survival

from harness import compare_studies
from harness.core.errors import DataError, UsageError
from harness.evaluation.non_inferiority import non_inferiority
from harness.evaluation.pairs import Pair
from harness.results.comparison.many import compare_many, letter
from harness.results.comparison.words import sentence
from harness.results.store import RunStore


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> RunStore:
    store = RunStore(tmp_path_factory.mktemp("many") / "runs")
    for name, signal in (("a", 0.05), ("b", 0.9), ("c", 0.06)):
        fill(store, study=f"{name}-toy-cv3-{name * 6}", signal=signal, repeats=2)
    return store


def pair(value: float, low: float, high: float, p: float, *, detectable: float = 0.05) -> Pair:
    return Pair(0, 1, value, low, high, low, high, p, p, detectable)


def test_sentences_say_who_is_better_or_what_could_have_been_found():
    def said(one: Pair, margin: float | None = None, *, lower: bool = False, pairs: int = 1) -> str:
        judged = None
        if margin is not None:
            judged = tuple(
                non_inferiority(low, high, margin, lower_is_better=lower)
                for low, high in ((one.low, one.high), (-one.high, -one.low))
            )
        return sentence(one, ("A", "B"), "auc", judged, lower=lower, patients=12, pairs=pairs)

    better = pair(0.031, 0.004, 0.058, 0.02)
    assert said(better) == "B is better than A by 0.031 auc [0.004, 0.058], p = 0.020."
    assert said(better, lower=True).startswith("A is better than B by 0.031")
    assert said(pair(-0.031, -0.058, -0.004, 0.0001), pairs=3) == (
        "A is better than B by 0.031 auc [0.004, 0.058], p < 0.001 among 3 pairs."
    )
    same = said(pair(0.005, -0.02, 0.03, 0.6))
    assert same.startswith("A and B cannot be told apart (p = 0.600): B - A lies between -0.020 and +0.030 auc")
    assert same.endswith("with these 12 patients a difference of 0.050 would be found four times in five.")
    assert said(pair(0.005, -0.02, 0.03, 0.6), 0.025).endswith("B is not worse than A by 0.025 auc or more.")
    assert said(pair(0.005, -0.02, 0.03, 0.6), 0.04).endswith("They are equivalent: they differ by less than 0.04 auc.")
    assert said(pair(0.1, -0.2, 0.3, 0.6), 0.02).endswith("Neither is shown to be within 0.02 auc of the other.")
    assert "A is worse than B by more than 0.02" in said(pair(0.1, 0.05, 0.2, 0.001), 0.02)
    assert "cannot be compared" in said(pair(float("nan"), 0, 0, 1.0))


def test_every_pair_is_compared_in_both_directions_of_the_margin(store):
    studies = [store.study(f"{name}-toy-cv3-{name * 6}") for name in "abc"]
    found = compare_many(store, studies, margin=0.5, resamples=200)
    assert [(one.pair.first, one.pair.second) for one in found.statements] == [(0, 1), (0, 2), (1, 2)]
    assert found.statements[0].text.startswith("B is better than A") and found.metric == "auc"
    assert found.statements[0].margin[0].non_inferior and not found.statements[0].margin[0].inferior
    assert len(found.folds) == 7 and found.folds[-1]["fold"] is None
    assert set(found.folds[0]) == {"repeat", "fold", "seed", "A", "B", "C"}
    assert letter(27) == "B1"


def test_what_does_not_fit_is_refused(store):
    a, b = (store.study(f"{name}-toy-cv3-{name * 6}") for name in "ab")
    with pytest.raises(UsageError, match="one study alone"):
        compare_many(store, [a])
    with pytest.raises(UsageError, match="the same study"):
        compare_many(store, [a, b, a])
    with pytest.raises(UsageError, match="unknown metric"):
        compare_many(store, [a, b], metric="dice")
    with pytest.raises(UsageError, match="unknown test"):
        compare_many(store, [a, b], test="wilcoxon")
    with pytest.raises(UsageError, match="above 0"):
        compare_many(store, [a, b], margin=-1.0)
    with pytest.raises(DataError, match="DeLong's test is one of the AUC"):
        compare_many(store, [a, b], metric="accuracy", test="delong")
    with pytest.raises(DataError, match="how many slides were trained on"):
        compare_many(store, [a, b], test="resampled-t")


def test_tables_in_python(store, tmp_path: Path):
    found = compare_studies("aaa", "bbb", "ccc", runs=store.root, test="delong")
    assert found.pairs[["first", "second"]].to_numpy().tolist()[0] == ["a-toy-cv3-aaaaaa", "b-toy-cv3-bbbbbb"]
    assert (found.pairs["p_value"] >= found.pairs["p_alone"]).all()
    assert found.folds["b-toy-cv3-bbbbbb"].notna().all() and len(found.costs) == 3
    assert "B is better than A" in str(found)


def test_survival_studies_have_pairs_too(tmp_path: Path):
    store = RunStore(tmp_path)
    for name in ("a-lived-cv3-1", "b-lived-cv3-2"):
        fill_survival(store, study=name)
    found = compare_many(store, list(store.studies()), resamples=50)
    assert found.metric == "c_index" and found.statements[0].pair.value == 0
