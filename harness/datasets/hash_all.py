"""Hashing the content of many slides or other pieces of data: in threads, with progress, and no one stops another."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from harness.core import console
from harness.core.errors import BenchError
from harness.datasets.content import Content, ContentHashes, unreadable
from harness.datasets.table import listed

_MIB = 1 << 20
_MOST_THREADS = 8

FilesOf = Callable[[Path], Sequence[Path]]
"""The files that make up the slide at a path."""


def checked(content: Content | BenchError) -> Content:
    """The content; raises the error where there is none."""
    if isinstance(content, BenchError):
        raise content
    return content


def say_changed(contents: Mapping[str, Content | BenchError], what: str = "{}") -> None:
    """Say which of them were read because they had changed, and hold something else than before."""
    changed = [name for name, found in contents.items() if isinstance(found, Content) and found.fresh and found.differs]
    if changed:
        console.note(f"the content is not what it was before: {what.format(listed(changed))}")


class _StoppedError(Exception):
    """Somebody has interrupted the command."""


def hash_all(
    places: Mapping[str, Path],
    files_of: FilesOf,
    hashes: ContentHashes,
    *,
    label: str = "hashing slides (MiB)",
    since_ns: int | None = None,
) -> dict[str, Content | BenchError]:
    """The content of every place, or why it cannot be read. What is done survives a kill.

    Args:
        places: slide id → slide.
        files_of: the files that make up a slide.
        hashes: what is known.
        label: of the progress bar.
        since_ns: take no hash that was read before this time (ns, UTC); None takes any.
    """
    lock = threading.Lock()
    found: dict[str, Content | BenchError] = {}
    files: dict[str, Sequence[Path]] = {}
    total = 0
    for name, place in places.items():
        try:
            files[name] = files_of(place)
        except BenchError as problem:
            found[name] = problem
        except OSError as reason:
            found[name] = unreadable(place, reason)
        else:
            total += sum(_size(file) for file in files[name])
    stopped = threading.Event()
    with console.progress(label, total // _MIB) as bar:
        read = 0

        def advance(size: int) -> None:
            nonlocal read
            if stopped.is_set():
                raise _StoppedError
            with lock:
                bar.advance((read + size) // _MIB - read // _MIB)
                read += size

        def work(name: str) -> Content | BenchError:
            try:
                return hashes.read(places[name], files[name], since_ns=since_ns, advance=advance)
            except BenchError as problem:
                return problem

        with ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1)) as pool:
            jobs = {pool.submit(work, name): name for name in files}
            try:
                for job in as_completed(jobs):
                    found[jobs[job]] = job.result()
            except BaseException:  # an interrupt does not wait for files of gigabytes
                stopped.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    return {name: found[name] for name in places}


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0  # whoever reads it says why
