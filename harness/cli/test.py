"""``bench test``: the contract suite on one method or on all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import Plugins
from harness.core import console

if TYPE_CHECKING:
    from harness.conformance import Outcome

EVERY = "all"


def test(
    methods: Annotated[list[str] | None, typer.Argument(help="Method names, or all.", metavar="METHOD...")] = None,
    plugin: Plugins = None,
    check: Annotated[
        list[str] | None, typer.Option("--check", help="Run this check only (and what it rests on). Repeatable.")
    ] = None,
    checks: Annotated[bool, typer.Option("--list", help="List the checks and exit.")] = False,
) -> None:
    """Test that a method, built-in or your own, keeps the contract: on made-up bags, on the CPU, in seconds.

    Ends with code 1 if a check fails.
    """
    from harness.api.registry import use_plugin
    from harness.conformance import CHECKS
    from harness.core.errors import UsageError

    if checks:
        console.table("Checks", ["name", "promise"], [(one.name, one.promise) for one in CHECKS.values()])
        return
    _known_checks(check or ())
    given = [name for spec in plugin or () for name in use_plugin(spec)]
    if not (methods or given):
        raise UsageError("no method is named", place="bench test", fix="write bench test METHOD, or bench test all")
    names = list(methods or given)
    results = dict(_results(_listed() if EVERY in names else names, check or ()))
    for table in (_one_method,) if len(results) == 1 else (_all_methods, _exceptions):
        table(results)
    failed = [name for name, outcomes in results.items() if any(one.status == "fail" for one in outcomes)]
    if failed:
        console.say(
            f"{console.count(len(failed), 'method')} of {len(results)} broken: {', '.join(failed)}", style="red"
        )
        raise typer.Exit(1)
    console.say(f"{console.count(len(results), 'method')} keeps the contract" if len(results) == 1 else
                f"all {len(results)} methods keep the contract")  # fmt: skip


def _known_checks(names: Sequence[str]) -> None:
    from harness.conformance import CHECKS
    from harness.core.suggest import unknown

    for name in names:
        if name not in CHECKS:
            raise unknown("check", name, CHECKS, place="--check", listing="bench test --list")


def _listed() -> list[str]:
    from harness.api.registry import list_methods

    return [entry.name for entry in list_methods()]


def _results(names: Sequence[str], checks: Sequence[str]) -> Iterator[tuple[str, list[Outcome]]]:
    """The outcomes of every method; one that cannot be loaded has a single failed check."""
    from harness.api.registry import find_method
    from harness.conformance import CHECKS, Outcome, check_method_contract
    from harness.core.errors import MethodError

    with console.progress("contract", len(names) * len(checks or CHECKS)) as bar:
        for name in names:
            outcomes: list[Outcome] = []
            try:
                method = find_method(name)
            except MethodError as error:
                if len(names) == 1:
                    raise
                outcomes.append(Outcome("card", "fail", f"{error.problem} (at {error.place})"))
                bar.advance(len(checks or CHECKS))
                yield name, outcomes
                continue
            for outcome in check_method_contract(method, checks):
                outcomes.append(outcome)
                bar.advance(1, status=f"{name}: {outcome.check} {outcome.status}")
            yield name, outcomes


def _one_method(results: dict[str, list[Outcome]]) -> None:
    for name, outcomes in results.items():
        rows = [(one.check, one.status, f"{one.seconds:.1f}", one.detail) for one in outcomes]
        console.table(f"Contract of {name}", ["check", "result", ">seconds", "why"], rows)


def _all_methods(results: dict[str, list[Outcome]]) -> None:
    rows = []
    for name, outcomes in results.items():
        count = Counter(one.status for one in outcomes)
        numbers = [str(count[status]) for status in ("pass", "fail", "skip")]
        rows.append((name, *numbers, f"{sum(one.seconds for one in outcomes):.1f}"))
    console.table("Contract", ["method", ">pass", ">fail", ">skip", ">seconds"], rows)


def _exceptions(results: dict[str, list[Outcome]]) -> None:
    """What was not passed, with the reason."""
    for status, title in (("skip", "Skipped"), ("fail", "Failed")):
        rows = [
            (name, one.check, one.detail)
            for name, outcomes in results.items()
            for one in outcomes
            if one.status == status
        ]
        if rows:
            console.table(title, ["method", "check", "why"], rows)
