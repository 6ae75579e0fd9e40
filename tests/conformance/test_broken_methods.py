"""Every check finds what it is there to find, and nothing else: methods that break one promise each."""

from __future__ import annotations

import pytest
from support.broken import BROKEN, Good, WithoutAttention

from harness import UsageError
from harness.conformance import CHECKS, check_method_contract, conformance_tests

pytestmark = pytest.mark.filterwarnings("ignore:std\\(\\)")

UNNAMED = {"further_inputs": "the card names features only", "other_tasks": "the card names classification only"}
"""What the cards here do not name, and why it is skipped therefore."""


def failures(method, checks=()):
    return {one.check: one.detail for one in check_method_contract(method, checks) if one.status == "fail"}


def test_every_check_has_a_method_that_breaks_it():
    assert list(BROKEN) and set(BROKEN) == set(CHECKS)


@pytest.mark.parametrize("check", CHECKS)
def test_a_broken_method_fails_exactly_its_check(check):
    outcomes = list(check_method_contract(BROKEN[check]))
    assert [one.check for one in outcomes] == list(CHECKS)
    assert [one.check for one in outcomes if one.status == "fail"] == [check]
    skipped = {one.check: one.detail for one in outcomes if one.status == "skip"}
    for name, reason in UNNAMED.items():
        assert skipped.pop(name, reason) in {reason, f"cannot be checked: {check} failed"}
    assert all(detail.startswith(("cannot be checked: " + check, "training")) for detail in skipped.values())


@pytest.mark.parametrize("method", [Good, WithoutAttention])
def test_a_good_method_passes(method):
    assert not failures(method)


@pytest.mark.parametrize(
    ("check", "words"),
    [
        ("cpu_run", "broken.py, line"),
        ("parameters_move", "idle"),
        ("frozen_stay", "frozen.weight"),
        ("save_load", "something learnt is not in the state dict"),
        ("evaluation_mode", "drop (Dropout) is in training mode"),
        ("evaluation_changes_nothing", "predict() changes network.aggregator.seen"),
        ("params", "lr: the default 1.0 is outside 1e-05 to 0.01"),
        ("finite_loss", "the loss is nan at step 0 of stage train"),
        ("shapes", "with three classes"),
    ],
)
def test_a_failure_says_what_and_where(check, words):
    assert words in failures(BROKEN[check], [check])[check]


def test_a_single_check_brings_the_failure_in_its_way():
    outcomes = list(check_method_contract(BROKEN["evaluation_mode"], ["permutation"]))
    assert [(one.check, one.status) for one in outcomes] == [("evaluation_mode", "fail"), ("permutation", "skip")]


def test_an_unknown_check_is_named():
    with pytest.raises(UsageError, match="unknown check 'shape'"):
        list(check_method_contract(Good, ["shape"]))


TestGood = conformance_tests(Good, without=list(UNNAMED))
