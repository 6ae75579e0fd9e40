"""The suite of the project's own leaderboard resolves: every method on every dataset that it can learn."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from harness.cli.options import config_file
from harness.cli.study_options import NAMES, merged
from harness.cli.suite import resolved
from harness.studies.suite import NAMES as SUITE_NAMES
from harness.studies.suite import combinations

FILE = Path(__file__).resolve().parents[2] / "leaderboards" / "suite.yaml"


def test_every_method_that_can_learn_a_dataset_is_in_it_with_three_seeds() -> None:
    studies = [one for one, _ in resolved(combinations(merged({}, config_file(FILE, (*NAMES, *SUITE_NAMES)))))]
    assert Counter(one.dataset.name for one in studies) == {
        "musk1": 10,
        "musk2": 10,
        "colon-nuclei": 12,
        "camelyon16-mini": 14,
    }
    assert all(one.seeds == (0, 1, 2) and one.protocol.ranked for one in studies)
    assert all(len(one.folds) == len(one.splits.folds) for one in studies), "whole protocols"
    assert all(one.preset == one.dataset.card.presets.get(one.method_card.name) for one in studies), "presets of cards"
    assert not any(one.tuning for one in studies)
