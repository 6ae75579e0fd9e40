"""Errors that a user can act on: what is wrong, where, and what to do."""

from __future__ import annotations


class BenchError(Exception):
    """An expected failure, shown as three lines: problem, place and fix.

    Args:
        problem: what is wrong, as one sentence.
        place: where it is wrong: a file, a slide, an option, a field.
        fix: what the user can do about it.
    """

    exit_code = 2

    def __init__(self, problem: str, *, place: str, fix: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.place = place
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.problem} (at {self.place}; fix: {self.fix})"

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments do not survive the default pickling across processes.
        return _rebuild, (type(self), self.problem, self.place, self.fix)


def _rebuild(kind: type[BenchError], problem: str, place: str, fix: str) -> BenchError:
    return kind(problem, place=place, fix=fix)


class UsageError(BenchError):
    """A wrong option, name or value on the command line or in a configuration file."""


class DataError(BenchError):
    """Data that is missing, unreadable or not what its card says."""


class LeakError(BenchError):
    """The same slide, patient or content stands on two sides of a split."""


class MethodError(BenchError):
    """A method or plugin that breaks the contract."""

    exit_code = 1


class UnitFailedError(BenchError):
    """One or more units of a study failed; the others are done."""

    exit_code = 1
