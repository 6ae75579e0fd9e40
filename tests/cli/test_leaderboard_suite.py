"""The suite of the project's own leaderboard: every method on every dataset that it can learn."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from harness.api.registry import find_method
from harness.cli.options import config_file
from harness.cli.study_options import NAMES, merged, study_config
from harness.studies.resolve import resolve
from harness.studies.suite import NAMES as SUITE_NAMES
from harness.studies.suite import combinations

FILE = Path(__file__).resolve().parents[2] / "leaderboards" / "suite.yaml"


def test_every_method_that_can_learn_a_dataset_is_in_it_with_three_seeds_and_its_own_preset() -> None:
    every = combinations(merged({}, config_file(FILE, (*NAMES, *SUITE_NAMES))))
    assert Counter(one["dataset"] for one in every) == {
        "musk1": 10,
        "musk2": 10,
        "colon-nuclei": 12,
        "camelyon16-mini": 14,
    }
    assert {find_method(one["method"]).card.name for one in every} == {one["method"] for one in every}
    assert not any({"preset", "fold", "trials", "protocol"} & set(one) for one in every), "nothing is chosen here"
    # The rest differs from this one by its names alone; resolving all of them takes half a minute.
    study = resolve(study_config(every[-1]))
    assert study.seeds == (0, 1, 2) and study.protocol.ranked and len(study.folds) == len(study.splits.folds)
