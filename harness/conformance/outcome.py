"""A check of the contract suite, and its possible outcomes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from harness.conformance.tested_method import TestedMethod

Status = Literal["pass", "fail", "skip"]


class BrokenPromise(Exception):  # noqa: N818 (raised by checks, never shown as an error of ours)
    """The method breaks this part of the contract; the message says how."""


class NotApplicable(Exception):  # noqa: N818
    """This part of the contract does not apply to the method; the message says why."""


@dataclass(frozen=True)
class Check:
    """One promise of the contract.

    Attributes:
        name: the word typed behind ``--check``.
        promise: what a method that passes keeps, as one sentence.
        run: raises :class:`BrokenPromise` or :class:`NotApplicable`; any other exception is a failure too.
        after: checks that must not have failed for this one to mean anything.
    """

    name: str
    promise: str
    run: Callable[[TestedMethod], None]
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What a check found.

    Attributes:
        check: name of the check.
        status: ``pass``, ``fail`` or ``skip``.
        detail: how the promise is broken, or why it was not checked; empty for a pass.
        seconds: time that it took; what is trained for several checks counts with the first of them.
    """

    check: str
    status: Status
    detail: str = ""
    seconds: float = 0.0
