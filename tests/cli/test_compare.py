"""``bench compare``: the paired difference of two studies, and what it refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from support.evidence import fill

from harness.evaluation.metrics import macro_auc
from harness.results.store import RunStore

WEAK, STRONG = "abmil-toy-cv3-111111aaaaaa", "abmil-toy-cv3-222222bbbbbb"
SETTINGS = {"dataset_fingerprint": "12" * 32, "split_sha256": "34" * 32}


@pytest.fixture
def store(bench, tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


@pytest.fixture
def two(store: RunStore) -> RunStore:
    """A weak and a strong study on the same 24 slides."""
    fill(store, study=WEAK, signal=0.05)
    fill(store, study=STRONG, signal=0.9)
    return store


def alter(store: RunStore, study: str, **settings: object) -> None:
    """Change settings in the specs of a study's records."""
    for path in store.root.glob(f"units/{study}*/record.json"):
        value = json.loads(path.read_text())
        params = {name: settings[name] for name in settings if name in value["spec"]["params"]}
        value["spec"] |= {name: item for name, item in settings.items() if name not in params}
        value["spec"]["params"] |= params
        path.write_text(json.dumps(value))


def auc_of(store: RunStore, study: str) -> float:
    """Mean over folds, by hand."""
    frame = store.predictions([record.unit_id for record in store.study(study).records])
    return float(
        np.mean(
            [
                macro_auc(part["label"].to_numpy(), part[["p_no", "p_yes"]].to_numpy())
                for _, part in frame.groupby("fold")
            ]
        )
    )


def test_it_prints_both_scores_and_the_second_minus_the_first(bench, two: RunStore) -> None:
    alter(two, STRONG, lr=0.01)
    answer = bench("compare", WEAK, STRONG)
    assert answer.code == 0, answer.err
    (line,) = [line for line in answer.out.splitlines() if re.match(r"│ auc\b", line)]
    numbers = [float(text) for text in re.findall(r"[+-]?\d\.\d+", line)]
    (first, _, _, second, _, _, difference, low, high, p) = numbers
    weak, strong = auc_of(two, WEAK), auc_of(two, STRONG)
    assert (first, second) == (pytest.approx(weak, abs=6e-4), pytest.approx(strong, abs=6e-4))
    assert difference == pytest.approx(strong - weak, abs=6e-4)
    assert low <= difference <= high and 0 < p < 0.2
    assert f"A  {WEAK} (3/3 units)" in answer.out
    assert "A → B: lr 0.0005 → 0.01\n" in answer.out
    assert "12 patients" in answer.out
    swapped = bench("compare", STRONG, WEAK)
    assert f"{-difference:+.3f}" in swapped.out


def test_a_study_is_named_by_a_beginning_or_by_its_hash(bench, two: RunStore) -> None:
    whole = bench("compare", WEAK, STRONG)
    assert bench("compare", "111", "abmil-toy-cv3-2").out == whole.out
    elsewhere = bench("compare", "111", "222", "--out", str(two.root))
    assert elsewhere.out == whole.out


def test_ambiguous_and_unknown_names_are_answered_with_studies(bench, two: RunStore) -> None:
    answer = bench("compare", "abmil-toy", STRONG)
    assert answer.code == 2
    problem, place, fix = answer.check_three_lines()
    assert "'abmil-toy' stands for 2 studies" in problem and "FIRST" in place
    assert WEAK in fix and STRONG in fix
    problem, place, fix = bench("compare", WEAK, "abmil-toy-cv3-222223").check_three_lines()
    assert "unknown study" in problem and "SECOND" in place and STRONG in fix
    problem, _, _ = bench("compare", "111", WEAK).check_three_lines()
    assert "same study" in problem


@pytest.mark.parametrize("name", SETTINGS)
def test_other_content_or_splits_are_refused(bench, two: RunStore, name: str) -> None:
    alter(two, STRONG, **{name: SETTINGS[name]})
    answer = bench("compare", WEAK, STRONG)
    assert answer.code == 2
    problem, place, fix = answer.check_three_lines()
    assert "differ in their " in problem and SETTINGS[name][:12] in problem
    assert WEAK in place and "same slides" in fix


def test_other_datasets_and_units_are_refused(bench, two: RunStore) -> None:
    fill(two, study="abmil-second-cv3-333333", dataset="second")
    problem, _, _ = bench("compare", WEAK, "333").check_three_lines()
    assert "differ in their dataset: toy and second" in problem
    fill(two, study="abmil-toy-cv3-444444", done=2)
    problem, _, fix = bench("compare", WEAK, "444").check_three_lines()
    assert f"not the same units done: r0f2 seed 0 in {WEAK} only" in problem and "--fold" in fix
    fill(two, study="abmil-toy-cv3-555555", done=0)
    problem, _, _ = bench("compare", "555", WEAK).check_three_lines()
    assert "no finished unit" in problem


def test_an_empty_runs_folder_is_told(bench, store: RunStore) -> None:
    answer = bench("compare", "a", "b")
    assert answer.code == 2
    problem, place, _ = answer.check_three_lines()
    assert (problem, place) == ("there is no study in the runs folder", "runs")


def test_labels_beyond_those_of_slides_are_said(bench, store: RunStore) -> None:
    fill(store, study=WEAK, labels=["slides"])
    fill(store, study=STRONG, labels=["slides", "masks"], signal=0.9)
    answer = bench("compare", WEAK, STRONG)
    assert "(3/3 units, learnt from slides + masks)" in answer.out
    assert f"{WEAK} (3/3 units)" in answer.out


def test_what_differs_is_said_in_words_where_it_has_any(bench, two: RunStore) -> None:
    alter(two, STRONG, input={"kind": "features", "encoder": "uni_v1", "mpp": [0.5], "features": "ab" * 32})
    plan = two.plan(STRONG)
    two.write_study({**plan, "config": {**plan["config"], "preset": "published"}})
    out = bench("compare", WEAK, STRONG).out
    (line,) = [line for line in out.splitlines() if line.startswith("A → B")]
    assert "preset unset → published" in line and "input.mpp [] → [0.5]" in line and "uni_v1" in line
    assert "abab" not in line


def test_more_than_two_studies_are_shown_pair_by_pair(bench, two: RunStore) -> None:
    fill(two, study="abmil-toy-cv3-333333cccccc", signal=0.07)
    answer = bench("compare", "111", "222", "333", "--margin", "0.5")
    assert answer.code == 0, answer.err
    for said in ("B - A", "C - A", "C - B", "p corrected for 3 pairs (Holm)", "B is better than A by", "Cost"):
        assert said in answer.out
    rows = json.loads(bench("compare", "111", "222", "333", "--json").out)
    assert [row["pair"] for row in rows] == ["B - A", "C - A", "C - B"]
    assert rows[0]["study_b"] == STRONG and rows[0]["means"].startswith("B is better than A")
    folds = json.loads(bench("compare", "111", "222", "333", "--table", "folds", "--json").out)
    assert len(folds) == 4 and folds[-1]["unit"] == "pooled"


def test_options_of_a_comparison_that_make_no_sense_are_refused(bench, two: RunStore) -> None:
    for words, said in (
        (("--table", "scoers"), "unknown table"),
        (("--test", "t"), "unknown test"),
        (("--margin", "0"), "above 0"),
        (("--budget", "1h"), "nothing is run"),
        (("--until-decided",), "there is no budget"),
        (("--until-decided", "--budget", "1h", "--test", "delong"), "cannot be looked at after every run"),
    ):
        problem, _, _ = bench("compare", WEAK, STRONG, *words).check_three_lines()
        assert said in problem
    problem, _, _ = bench("compare", WEAK).check_three_lines()
    assert "one study alone" in problem
