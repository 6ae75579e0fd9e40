"""Errors that a user can act on: what is wrong, where, and what to do."""

from __future__ import annotations

import errno
import os
import reprlib

_LONGEST, _LONGEST_VALUE = 2000, 200
_SHORT = reprlib.Repr()
_SHORT.maxlevel = 2
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 60


def shown(value: object) -> str:
    """``repr(value)`` for a message: short, whatever ``value`` holds, and made without writing all of it out."""
    try:
        text = _SHORT.repr(value)
    except ValueError:  # an integer of thousands of digits, which Python does not write out
        return f"a {type(value).__name__} that is too large to be shown"
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."


def _bounded(text: str) -> str:
    """``text``, its middle left out where it is long: it may quote a value of any size."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]} ... {text[-_LONGEST // 4 :]}"


class BenchError(Exception):
    """An expected failure, shown as three lines: problem, place and fix.

    Args:
        problem: what is wrong, as one sentence.
        place: where it is wrong: a file, a slide, an option, a field.
        fix: what the user can do about it.
    """

    exit_code = 2

    def __init__(self, problem: str, *, place: str, fix: str) -> None:
        self.problem, self.place, self.fix = map(_bounded, (problem, place, fix))
        super().__init__(self.problem)

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
        if error.errno == errno.ENOENT and "temporary directory" in str(error.strerror):
            problem = "there is no folder for temporary files that can be written"
            place = f"TMPDIR={os.environ.get('TMPDIR', '')}"
            return cls(problem, place=place, fix="set TMPDIR to a folder that exists and can be written")
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
    errno.ENAMETOOLONG: "choose a shorter path",
    errno.ELOOP: "it is a link that leads to itself: remove it, or choose another path",
    errno.EIO: "the disk fails: look at the system's log, and move the data while it can be read",
}


class UnitFailedError(BenchError):
    """One or more units of a study failed; the others are done."""

    exit_code = 1


class RegressionError(BenchError):
    """A reference study is beyond its band, or could not be measured."""

    exit_code = 1
