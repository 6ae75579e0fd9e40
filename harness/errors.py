"""Errors that a user can act on: what is wrong, where, and what to do."""

from __future__ import annotations

import errno


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


class SystemProblemError(BenchError):
    """The machine does not do what was asked of it: a full disk, a missing permission. No method's doing."""

    exit_code = 1

    @classmethod
    def of(cls, error: OSError) -> SystemProblemError | None:
        """What a user can do about ``error``; None where that is not known."""
        if error.errno not in _ADVICE:
            return None
        place = error.filename if error.filename is not None else "this machine"
        return cls(str(error.strerror), place=str(place), fix=_ADVICE[error.errno])


_ADVICE = {
    errno.ENOSPC: "free some space, or choose another disk with --out and --cache; the same command continues",
    errno.EDQUOT: "your disk quota is used up: free some space, or choose another disk with --out and --cache",
    errno.EACCES: "check the permissions of this path, or choose another one",
    errno.EROFS: "the disk is read-only: choose another one with --out and --cache",
    errno.EMFILE: "allow more open files (ulimit -n)",
    errno.EIO: "the disk fails: look at the system's log, and move the data while it can be read",
}


class UnitFailedError(BenchError):
    """One or more units of a study failed; the others are done."""

    exit_code = 1
