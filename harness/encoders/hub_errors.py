"""Why the hub's client has failed, in the few kinds that somebody can do something about."""

from __future__ import annotations

import errno
from enum import Enum, auto

_NETWORK = ("huggingface_hub", "httpx", "httpcore", "requests", "urllib3")

LOG_IN = "log in with: hf auth login"


class HubFailure(Enum):
    """A kind of failure."""

    GATED = auto()
    """The repository is behind an agreement that was not accepted."""
    REVISION = auto()
    """The repository has no such commit, branch or tag."""
    ABSENT = auto()
    """There is no such repository, or it is hidden from whoever asks."""
    OFFLINE = auto()
    """The hub was not asked, and its cache does not hold the file."""
    NO_FILE = auto()
    """The repository has no such file."""
    DISK_FULL = auto()
    """The file does not fit."""
    NETWORK = auto()
    """Connection, proxy or hub."""
    OTHER = auto()
    """None of the hub's doing."""


def status_of(error: Exception) -> int | None:
    """The status of HTTP that the hub has answered, if it did."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None


def failure_of(error: Exception) -> HubFailure:
    """What an exception of the hub's client, or of what calls it, means."""
    from huggingface_hub import errors

    status = status_of(error)
    if isinstance(error, errors.GatedRepoError) or status == 403:
        return HubFailure.GATED
    if isinstance(error, errors.RevisionNotFoundError):
        return HubFailure.REVISION
    if status == 401 or isinstance(error, errors.RepositoryNotFoundError):
        return HubFailure.ABSENT
    if isinstance(error, errors.LocalEntryNotFoundError | errors.OfflineModeIsEnabled):
        return HubFailure.OFFLINE
    if isinstance(error, errors.EntryNotFoundError) or status == 404:
        return HubFailure.NO_FILE
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return HubFailure.DISK_FULL
    return HubFailure.NETWORK if isinstance(error, OSError) or _of_network(type(error)) else HubFailure.OTHER


def passes(error: Exception) -> bool:
    """Whether the same request may succeed in a moment.

    The client is shared by all threads, and closes itself when one of them cannot connect; the others then meet a
    client that is closed.
    """
    from huggingface_hub import constants

    kind, status = failure_of(error), status_of(error)
    if kind is HubFailure.OFFLINE:
        return not constants.HF_HUB_OFFLINE
    if kind is HubFailure.NETWORK:
        return status is None or status in {408, 429} or status >= 500
    return isinstance(error, RuntimeError) and "client has been closed" in str(error)


def agreement(page: str) -> str:
    """What to do about :attr:`HubFailure.GATED`."""
    return f"accept the terms on {page}, then {LOG_IN}"


def absence(page: str) -> str:
    """What to do about :attr:`HubFailure.ABSENT`."""
    return f"look at {page}, and {LOG_IN}"


def _of_network(kind: type[Exception]) -> bool:
    return kind.__module__.startswith(_NETWORK)
