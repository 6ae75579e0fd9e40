"""The contract suite as tests of pytest, for the test files of a plugin."""

from __future__ import annotations

from collections.abc import Collection
from typing import ClassVar

from harness.api.method import Method
from harness.conformance.suite import CHECKS, ContractSuite


def conformance_tests(method: type[Method], *, without: Collection[str] = ()) -> type:
    """A test class with one test per check. Give it a name that pytest collects::

        TestContract = conformance_tests(MyMethod)

    A check that does not apply to the method is a skipped test with the reason.

    Args:
        method: the method's class.
        without: checks to leave out.
    """
    import pytest

    class TestContract:
        suite: ClassVar[ContractSuite]

        @classmethod
        def setup_class(cls) -> None:
            cls.suite = ContractSuite(method)

        @classmethod
        def teardown_class(cls) -> None:
            cls.suite.close()

        @pytest.mark.parametrize("check", [name for name in CHECKS if name not in without])
        def test_contract(self, check: str) -> None:
            outcome = self.suite.outcome(check)
            if outcome.status == "skip":
                pytest.skip(outcome.detail)
            if outcome.status == "fail":
                pytest.fail(f"{method.card.name} breaks {check}: {outcome.detail}", pytrace=False)

    TestContract.__doc__ = f"The contract of the method {method.card.name}."
    return TestContract
