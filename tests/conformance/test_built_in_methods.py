"""Every registered method keeps the contract: the built-in ones, and whatever else is installed beside them."""

from __future__ import annotations

import pytest

from harness.api.registry import Registry
from harness.conformance import check_method_contract

ENTRIES = Registry().entries()


@pytest.mark.parametrize("name", [entry.name for entry in ENTRIES])
def test_a_registered_method_keeps_the_contract(name):
    outcomes = list(check_method_contract(Registry().find(name)))
    assert not [f"{one.check}: {one.detail}" for one in outcomes if one.status == "fail"]
    reasons = {one.detail for one in outcomes if one.status == "skip"}
    assert not [reason for reason in reasons if reason.startswith("cannot be checked")]
