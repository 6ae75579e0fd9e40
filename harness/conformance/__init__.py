"""The contract suite: named checks that any method, built-in or third-party, has to pass.

From the command line it is ``bench test METHOD``; in a test file of your own::

    from harness.conformance import conformance_tests
    from my_package import MyMethod

    test_contract = conformance_tests(MyMethod)
"""

from __future__ import annotations

from harness.conformance.outcome import BrokenPromise, Check, NotApplicable, Outcome
from harness.conformance.pytest_tests import conformance_tests
from harness.conformance.suite import CHECKS, check_method_contract

__all__ = ["CHECKS", "BrokenPromise", "Check", "NotApplicable", "Outcome", "check_method_contract", "conformance_tests"]
