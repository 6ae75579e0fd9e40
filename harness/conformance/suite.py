"""The contract suite: all checks in order, and running them on one method."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Self

from harness.api.method import Method
from harness.conformance import card, edges, outputs, prediction, training
from harness.conformance.error_text import error_text
from harness.conformance.outcome import BrokenPromise, Check, NotApplicable, Outcome
from harness.conformance.tested_method import TestedMethod
from harness.core.suggest import unknown

CHECKS: dict[str, Check] = {
    check.name: check
    for checks in (
        card.CHECKS,
        training.FIRST,
        outputs.FIRST,
        training.REST,
        outputs.REST,
        prediction.CHECKS,
        edges.CHECKS,
    )
    for check in checks
}
"""All checks by name, in the order in which they are run."""


class ContractSuite:
    """The checks of one method. Use it as a context; a check is run once, however often it is asked for.

    Args:
        method: the method's class.
    """

    def __init__(self, method: type[Method]) -> None:
        self.tested = TestedMethod(method)
        self._outcomes: dict[str, Outcome] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove scratch folders."""
        self.tested.close()

    def outcome(self, name: str) -> Outcome:
        """The outcome of check ``name``.

        Raises:
            UsageError: there is no such check.
        """
        if name not in CHECKS:
            raise unknown("check", name, CHECKS, place="--check", listing="bench test --list")
        if name not in self._outcomes:
            self._outcomes[name] = self._run(CHECKS[name])
        return self._outcomes[name]

    def _run(self, check: Check) -> Outcome:
        for earlier in check.after:
            # What is broken already says nothing about this promise; the check that found it has the reason.
            if (before := self.outcome(earlier)).status == "fail":
                return Outcome(check.name, "skip", f"cannot be checked: {earlier} failed")
            if before.status == "skip" and before.detail.startswith("cannot be checked"):
                return Outcome(check.name, "skip", before.detail)
        started = time.perf_counter()
        try:
            check.run(self.tested)
        except NotApplicable as reason:
            return Outcome(check.name, "skip", str(reason), time.perf_counter() - started)
        except BrokenPromise as problem:
            return Outcome(check.name, "fail", str(problem), time.perf_counter() - started)
        except Exception as error:
            return Outcome(check.name, "fail", error_text(error), time.perf_counter() - started)
        return Outcome(check.name, "pass", seconds=time.perf_counter() - started)


def check_method_contract(method: type[Method], checks: Sequence[str] = ()) -> Iterator[Outcome]:
    """Run checks on a method, each outcome as it comes.

    A check that was asked for and cannot be checked is preceded by the failure that is in its way.

    Args:
        method: the method's class.
        checks: names of checks; all of them if empty.

    Raises:
        UsageError: there is no such check.
    """
    reported: set[str] = set()
    with ContractSuite(method) as suite:
        for name in checks or CHECKS:
            outcome = suite.outcome(name)
            for earlier in (*CHECKS[name].after, name):
                found = suite.outcome(earlier) if outcome.status == "skip" else outcome
                if found.check not in reported and (found.status == "fail" or found is outcome):
                    reported.add(found.check)
                    yield found
