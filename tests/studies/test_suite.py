"""From lists of names to the options of every study."""

from __future__ import annotations

from typing import Any

import pytest

from harness.core.errors import UsageError
from harness.studies.suite import combinations, name_of


def options(**given: Any) -> dict[str, Any]:
    return {"set": {}, "origins": {}, **given}


def pairs(found: list[dict[str, Any]]) -> list[tuple[Any, Any]]:
    return [(one["dataset"], one["method"]) for one in found]


def test_one_of_each_is_one_study_as_it_stands() -> None:
    given = options(method="abmil", dataset="musk1", set={"lr": 0.1}, fold="0")
    assert combinations(given) == [given]


def test_all_combinations_by_dataset_and_then_by_method() -> None:
    found = combinations(options(method="a, b", dataset=["x", "y"], seed="0-2"))
    assert pairs(found) == [("x", "a"), ("x", "b"), ("y", "a"), ("y", "b")]
    assert all(one["seed"] == "0-2" for one in found)


def test_encoders_and_presets_are_axes_too() -> None:
    found = combinations(options(method="a", dataset="x", preset="none,mini", set={"input.encoder": "p,q", "lr": 1}))
    assert [(one["set"], one["preset"]) for one in found] == [
        ({"input.encoder": encoder, "lr": 1}, preset) for encoder in "pq" for preset in ("none", "mini")
    ]
    assert name_of(found[0]) == "a on x (p, none)"


def test_a_name_that_stands_twice_counts_once() -> None:
    assert pairs(combinations(options(method="a,b,a", dataset="x"))) == [("x", "a"), ("x", "b")]


def test_paths_may_have_commas(tmp_path) -> None:
    folder = tmp_path / "a,b"
    folder.mkdir()
    found = combinations(options(method="m", dataset=str(folder), set={"input.encoder": "file:conv64=a,b.pt"}))
    assert pairs(found) == [(str(folder), "m")] and found[0]["set"]["input.encoder"] == "file:conv64=a,b.pt"


def test_exclusions_leave_out_what_has_all_that_they_name() -> None:
    given = options(method=["a", "b", "c"], dataset=["x", "y"])
    rules = [{"method": "a", "dataset": "y"}, {"method": ["b", "c"], "dataset": "x"}]
    assert pairs(combinations(given | {"exclude": rules})) == [("x", "a"), ("y", "b"), ("y", "c")]


def test_inclusions_add_studies_with_options_of_their_own() -> None:
    given = options(method=["a", "b"], dataset="x", set={"lr": 1, "epochs": 2})
    found = combinations(given | {"include": [{"method": "a", "set": {"lr": 3}}, {"method": "c", "dataset": "z"}]})
    assert pairs(found) == [("x", "a"), ("x", "b"), ("x", "a"), ("z", "c")]
    assert found[2]["set"] == {"lr": 3, "epochs": 2} and found[3]["set"] == {"lr": 1, "epochs": 2}


def test_a_file_may_list_its_studies_one_by_one() -> None:
    rules = [{"method": "a", "dataset": "x"}, {"method": "b", "dataset": "y"}]
    assert pairs(combinations(options(include=rules))) == [("x", "a"), ("y", "b")]


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"exclude": [{"method": "d"}]}, "fits no combination"),
        ({"exclude": [{"dataset": "x"}]}, "every combination is excluded"),
        ({"exclude": [{"fold": 1}]}, "unknown name in an exclusion"),
        ({"exclude": "transmil"}, "no list of combinations"),
        ({"include": [{}]}, "no list of combinations"),
        ({"include": [{"set": 3}]}, "not a mapping"),
        ({"method": "a,,b"}, "is not a name"),
        ({"method": []}, "no name is given"),
        ({"method": [1]}, "is not a name"),
    ],
)
def test_what_makes_no_sense_is_refused(more: dict[str, Any], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        combinations(options(method="a", dataset="x") | more)
