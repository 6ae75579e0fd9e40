"""A dataset repository of the Hugging Face hub at one commit: its files, and each of them as a local file.

Files lie in the hub's own cache (HF_HOME), so that nothing is fetched twice. Without a network, what that cache holds
of the commit is the repository.
"""

from __future__ import annotations

import inspect
import logging
import re
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from harness.core.errors import BenchError, DataError
from harness.core.hashing import sha256_file
from harness.core.reading import size_text
from harness.encoders.hub_errors import HubFailure, absence, agreement, failure_of, passes, status_of

Result = TypeVar("Result")

_SHA256 = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_WAITS = (0.5, 2.0, 8.0)
"""Seconds before a request is made again that failed for a reason that may pass."""


@dataclass(frozen=True)
class HubFile:
    """A file of a repository.

    Attributes:
        path: within the repository.
        size: in bytes.
        sha256: of its content, where the hub says: it does for large files.
    """

    path: str
    size: int
    sha256: str | None = None


@dataclass(frozen=True)
class HubRepo:
    """A repository at one commit.

    Attributes:
        name: ``owner/name``.
        commit: 40 hexadecimal digits.
        local: the folder of the cache that stands for it, where the hub cannot be asked.
    """

    name: str
    commit: str
    local: Path | None = None

    @classmethod
    def at(cls, name: str, revision: str | None) -> HubRepo:
        """The repository at a branch, tag or commit; None takes the branch ``main``.

        Raises:
            DataError: it cannot be had.
        """
        from huggingface_hub import HfApi, constants, snapshot_download

        from harness.encoders.published import quick_when_offline

        # Warnings of the client would stand in the middle of the progress bar; what goes wrong comes as an exception.
        logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
        with _errors(name, "the repository"), quick_when_offline():
            if not constants.HF_HUB_OFFLINE:
                found = HfApi().dataset_info(name, revision=revision).sha
                assert found is not None
                return cls(name, found)
            folder = Path(snapshot_download(name, repo_type="dataset", revision=revision, local_files_only=True))
        return cls(name, folder.name, folder)

    def files(self, folder: str, *, below: bool = False) -> list[HubFile]:
        """The files in a folder, sorted by path; none where there is no such folder.

        Args:
            folder: within the repository; empty for its root.
            below: list its folders too.

        Raises:
            DataError: the hub cannot be asked.
        """
        if self.local is not None:
            return _cached(self.local, folder, below=below)
        from huggingface_hub import HfApi
        from huggingface_hub.errors import EntryNotFoundError
        from huggingface_hub.hf_api import RepoFile

        with _errors(self.name, f"the list of {folder or 'its files'}"):
            try:
                entries = _patiently(
                    lambda: list(
                        HfApi().list_repo_tree(
                            self.name, folder or None, recursive=below, revision=self.commit, repo_type="dataset"
                        )
                    )
                )
            except EntryNotFoundError:
                return []
        found = (one for one in entries if isinstance(one, RepoFile))
        return sorted(
            (HubFile(one.path, one.size, None if one.lfs is None else one.lfs.sha256) for one in found),
            key=lambda file: file.path,
        )

    def fetch(self, file: HubFile, advance: Callable[[int], None] = lambda _: None) -> Path:
        """The file on this machine, fetched if it is not there. A fetch that was broken off is continued.

        Args:
            file: the file.
            advance: is told how many bytes have come.

        Raises:
            DataError: it cannot be had, or is not what the hub lists, neither at first nor when fetched again.
        """
        path = self._get(file, advance)
        if (problem := _differs(path, file)) and self.local is None:
            path = self._get(file, again=True)
            problem = _differs(path, file)
        if problem:
            raise DataError(
                f"{file.path} is not what the hub lists: {problem}",
                place=f"{self.name} at {self.commit[:12]}",
                fix="fetch it again later, or another commit with --revision; the file was changed on its way or there",
            )
        return path

    def _get(self, file: HubFile, advance: Callable[[int], None] = lambda _: None, *, again: bool = False) -> Path:
        if self.local is not None:
            return self.local / file.path
        from huggingface_hub import hf_hub_download

        # Older clients show a bar of their own.
        bar: dict[str, Any] = (
            {"tqdm_class": _reporting(advance)} if "tqdm_class" in _parameters(hf_hub_download) else {}
        )
        options: dict[str, Any] = {"repo_type": "dataset", "revision": self.commit, "force_download": again, **bar}
        with _errors(self.name, file.path):
            return Path(_patiently(lambda: hf_hub_download(self.name, file.path, **options)))


def _patiently(request: Callable[[], Result]) -> Result:
    """What a request returns, made again where it failed for a reason that may pass."""
    for seconds in _WAITS:
        try:
            return request()
        except Exception as error:
            if not passes(error):
                raise
        time.sleep(seconds)
    return request()


def _parameters(function: Callable[..., Any]) -> Collection[str]:
    return inspect.signature(function).parameters


def _reporting(advance: Callable[[int], None]) -> type[Any]:
    """A progress bar for the hub's client that shows nothing and tells ``advance`` what has come."""
    from huggingface_hub.utils.tqdm import tqdm

    base: Any = tqdm

    class Reported(base):  # type: ignore[misc]
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **{**options, "disable": True})

        def update(self, n: float | None = 1) -> None:
            advance(int(n or 0))

    return Reported


def is_commit(revision: str | None) -> bool:
    """Whether a revision is a commit, which can never mean something else later."""
    return revision is not None and bool(_COMMIT.fullmatch(revision))


def _cached(root: Path, folder: str, *, below: bool) -> list[HubFile]:
    place = root / folder
    found = place.rglob("*") if below else place.iterdir() if place.is_dir() else ()
    files = []
    for path in found:
        if path.is_file():
            blob = path.resolve().name  # the cache names large files by their hash
            sha256 = blob if _SHA256.fullmatch(blob) else None
            files.append(HubFile(path.relative_to(root).as_posix(), path.stat().st_size, sha256))
    return sorted(files, key=lambda file: file.path)


def _differs(path: Path, file: HubFile) -> str:
    """How a file differs from what is listed; empty where it does not."""
    size = path.stat().st_size
    if size != file.size:
        return f"it has {size:,} bytes, and {file.size:,} are listed"
    if file.sha256 is None:
        return ""
    return "" if sha256_file(path) == file.sha256 else "its SHA-256 is another one"


@contextmanager
def _errors(repo: str, what: str) -> Iterator[None]:
    """Errors of the hub's client in three lines."""
    try:
        yield
    except BenchError:
        raise
    except Exception as error:
        # Network, proxy, hub and cache fail in dozens of ways; all of them leave the user without the file.
        raise _explained(error, repo, what) from error


def _explained(error: Exception, repo: str, what: str) -> DataError:
    page = f"https://huggingface.co/datasets/{repo}"
    match failure_of(error):
        case HubFailure.GATED:
            problem, fix = "is behind an agreement", agreement(page)
        case HubFailure.REVISION:
            problem, fix = "has no such revision", f"choose one of {page}/commits/main with --revision"
        case HubFailure.ABSENT:
            problem, fix = "is not there, or not for you", absence(page)
        case HubFailure.OFFLINE:
            problem = "is not in the hub's cache, and the hub cannot be reached"
            fix = "run the command again where there is a network (what is complete is kept), or copy the hub's cache "
            fix += "from there (HF_HOME)"
        case HubFailure.NO_FILE:
            problem, fix = f"has no {what}", f"look at {page}/tree/main, or choose another commit with --revision"
        case HubFailure.DISK_FULL:
            problem = "does not fit on the disk"
            fix = "make room, or set HF_HOME to a larger disk; what is there is kept"
        case HubFailure.NETWORK | HubFailure.OTHER:
            status = status_of(error)
            problem = f"cannot be fetched: {type(error).__name__}{f', status {status}' if status else ''}"
            fix = "check the network and run the command again; what is complete is kept"
    return DataError(f"dataset repository {repo} {problem}", place=f"{repo}, {what}", fix=fix)


def total_text(files: list[HubFile]) -> str:
    """How many files, of which size."""
    return f"{len(files):,} file{'s' * (len(files) != 1)}, {size_text(sum(file.size for file in files))}"
