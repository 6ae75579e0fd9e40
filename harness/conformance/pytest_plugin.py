"""The contract suite as a plugin of pytest: methods by name, without a test file.

::

    pytest -p harness.conformance.pytest_plugin --bench-method my_method
    pytest -p harness.conformance.pytest_plugin --bench-plugin my_method.py

adds one test per method and check to whatever else is collected. Instead of ``-p``, a ``conftest.py`` in the root
folder may say ``pytest_plugins = ["harness.conformance.pytest_plugin"]``. Without either option nothing happens. A test
file of your own needs no plugin: see :func:`harness.conformance.conformance_tests`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.api.registry import find_method, use_plugin
from harness.conformance.suite import CHECKS, ContractSuite
from harness.core.errors import BenchError


def pytest_addoption(parser: pytest.Parser) -> None:
    """The two options."""
    group = parser.getgroup("bench", "contract of methods")
    group.addoption("--bench-method", action="append", default=[], help="test the contract of this method; repeatable")
    group.addoption("--bench-plugin", action="append", default=[], help="a .py file or dotted path with methods")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the tests of the methods that were asked for."""
    try:
        given = [name for spec in config.getoption("bench_plugin") for name in use_plugin(spec)]
        for name in config.getoption("bench_method") or given:
            group = ContractGroup.from_parent(session, name=name, method=name)
            items.extend(group.collect())
    except BenchError as error:
        raise pytest.UsageError(str(error)) from error


class ContractGroup(pytest.Collector):
    """The tests of one method; they share what is trained."""

    def __init__(self, *, method: str, **rest: object) -> None:
        super().__init__(**rest)  # type: ignore[arg-type]
        self.suite = ContractSuite(find_method(method))

    def collect(self) -> Iterator[ContractItem]:
        """One test per check."""
        for check in CHECKS:
            yield ContractItem.from_parent(self, name=check)

    def teardown(self) -> None:
        """Remove scratch folders."""
        self.suite.close()


class ContractItem(pytest.Item):
    """One check of one method."""

    parent: ContractGroup

    def runtest(self) -> None:
        """Run it."""
        outcome = self.parent.suite.outcome(self.name)
        if outcome.status == "skip":
            pytest.skip(outcome.detail)
        if outcome.status == "fail":
            pytest.fail(outcome.detail, pytrace=False)

    def reportinfo(self) -> tuple[str, None, str]:
        """How it is named in reports."""
        return "contract", None, f"{self.parent.name}: {self.name}"
