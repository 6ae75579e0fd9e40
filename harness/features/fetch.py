"""Fetching a public set of features that a card names: only the files that the dataset's slides need, at one commit."""

from __future__ import annotations

import fnmatch
import queue
import shutil
import tarfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from harness.core import console
from harness.core.atomic import write_json
from harness.core.errors import DataError
from harness.core.reading import MEBIBYTE, read_json, size_text
from harness.datasets.feature_set_card import FeatureSetCard
from harness.datasets.match_ids import join
from harness.datasets.table import listed
from harness.features.hub import HubFile, HubRepo, is_commit

RECORD = "set.json"
FETCHED = "fetched"
"""Folder of fetched sets within that of a dataset."""
_PATIENCE = 0.2
"""Seconds that each thread is waited for after an error; a thread that fetches stops at the next block."""


class _StoppedError(Exception):
    """Another file could not be had."""


@dataclass(frozen=True)
class Selection:
    """What is fetched.

    Attributes:
        repo: from where.
        files: each once.
        missing: slides without a file, as far as the names of files tell.
        slides: how many slides have a file.
    """

    repo: HubRepo
    files: tuple[HubFile, ...]
    missing: tuple[str, ...]
    slides: int

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True)
class Fetched:
    """A set on this machine.

    Attributes:
        folder: its files, in the layout of the repository.
        hub: the repository.
        commit: of the repository.
        missing: slides without a file.
    """

    folder: Path
    hub: str
    commit: str
    missing: tuple[str, ...]


def set_folder(cache: Path, dataset: str, name: str) -> Path:
    """Where a set of a dataset goes."""
    return cache / dataset / FETCHED / name


def fetched(cache: Path, dataset: str, name: str) -> Fetched | None:
    """The set, if it was fetched whole."""
    place = set_folder(cache, dataset, name)
    try:
        about = read_json(place / RECORD)
        found = Fetched(place / str(about["folder"]), about["hub"], about["commit"], tuple(about["missing"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if found.folder.is_dir() else None


def select(card: FeatureSetCard, slides: Sequence[str], revision: str | None) -> Selection:
    """Ask the hub what a set holds, and choose what the slides need.

    Raises:
        DataError: the repository cannot be had, or holds nothing for these slides.
    """
    repo = HubRepo.at(card.hub, revision)
    files: dict[str, HubFile] = {}
    have: set[str] = set()
    for pattern in card.files:
        found = _of_slides(repo, pattern, card, slides) if "{slide}" in pattern else _named(repo, pattern)
        have |= {slide for slide in found if "{slide}" in pattern}
        files |= {file.path: file for file in found.values()}
    if not files:
        raise DataError(
            f"the repository has no {listed(card.files)} for slides of this dataset",
            place=f"{card.hub} at {repo.commit[:12]}",
            fix="its layout may have changed: choose an earlier commit with --revision, or correct the dataset's card",
        )
    for pattern in card.beside:
        files |= {file.path: file for file in _of_slides(repo, pattern, card, sorted(have)).values()}
    missing = tuple(slide for slide in slides if slide not in have) if have else ()
    return Selection(repo, tuple(files.values()), missing, len(have))


def fetch(card: FeatureSetCard, chosen: Selection, place: Path, *, threads: int = 8) -> Fetched:
    """Fetch the files, check each by size and SHA-256, and put links to them where a reader of features finds them.

    Interrupted, the same call goes on. The record is written last: without it there is no set.

    Args:
        card: what is fetched.
        chosen: the files.
        place: folder of the set, see :func:`set_folder`.
        threads: how many files are fetched at once.

    Raises:
        DataError: a file cannot be had or is not what the hub lists, or the disk is too small.
    """
    place.mkdir(parents=True, exist_ok=True)
    _check_room(chosen, place)
    paths: dict[str, Path] = {}
    with console.progress("fetching (MiB)", chosen.size // MEBIBYTE) as bar:
        advance, stopped = _in_mebibytes(bar.advance), threading.Event()

        def one(file: HubFile) -> Path:
            come = 0

            def told(size: int) -> None:
                nonlocal come
                if stopped.is_set():
                    raise _StoppedError
                come += size
                advance(size)

            path = chosen.repo.fetch(file, told)
            advance(file.size - come)  # what was there already
            return path

        for file, outcome in _in_threads(one, chosen.files, threads, stopped):
            if isinstance(outcome, BaseException):
                raise outcome
            paths[file.path] = outcome
    name = chosen.repo.commit[:12]
    _lay_out(card, paths, place / name)
    record: Mapping[str, Any] = {
        "hub": card.hub,
        "commit": chosen.repo.commit,
        "folder": name,
        "files": {file.path: [file.size, file.sha256] for file in chosen.files},
        "missing": list(chosen.missing),
    }
    write_json(place / RECORD, record)
    return Fetched(place / name, card.hub, chosen.repo.commit, chosen.missing)


def _in_mebibytes(advance: Callable[[int], None]) -> Callable[[int], None]:
    """Bytes for a bar that counts MiB; from several threads."""
    lock, total = threading.Lock(), 0

    def told(size: int) -> None:
        nonlocal total
        with lock:
            advance((total + size) // MEBIBYTE - total // MEBIBYTE)
            total += size

    return told


def revision_of(card: FeatureSetCard, have: Fetched | None, asked: str | None) -> str | None:
    """The revision to fetch: what is asked for, else what is here already, else what the card pins."""
    return asked or card.revision or (have.commit if have is not None and have.hub == card.hub else None)


def pinned(card: FeatureSetCard, asked: str | None) -> bool:
    """Whether the commit was fixed before the hub was asked."""
    return is_commit(asked or card.revision)


def _of_slides(repo: HubRepo, pattern: str, card: FeatureSetCard, slides: Sequence[str]) -> dict[str, HubFile]:
    """Slide → its file, by the name of the file."""
    folder, _, name = pattern.rpartition("/")
    start, _, end = name.partition("{slide}")
    by_id = {
        own[len(start) : len(own) - len(end)]: file
        for file in repo.files(folder)
        if (own := PurePosixPath(file.path).name).startswith(start)
        and own.endswith(end)
        and len(own) > len(start + end)
    }
    return {slide: by_id[names[0]] for slide, names in join(slides, list(by_id), card.match).files.items()}


def _named(repo: HubRepo, pattern: str) -> dict[str, HubFile]:
    folder, _, _ = pattern.partition("*")[0].rpartition("/")
    found = repo.files(folder, below="**" in pattern)
    return {file.path: file for file in found if fnmatch.fnmatchcase(file.path, pattern)}


def _check_room(chosen: Selection, place: Path) -> None:
    from huggingface_hub import constants

    if chosen.repo.local is not None:
        return
    cache = Path(constants.HF_HUB_CACHE)
    there = next(one for one in (cache, *cache.parents) if one.exists())
    free = shutil.disk_usage(there).free
    have = cache / f"datasets--{chosen.repo.name.replace('/', '--')}" / "snapshots" / chosen.repo.commit
    needed = sum(file.size for file in chosen.files if not (have / file.path).exists())
    if needed > free:
        raise DataError(
            f"{size_text(needed)} are to be fetched, and {size_text(free)} are free",
            place=str(there),
            fix="make room, or set HF_HOME to a folder on a larger disk",
        )


def _lay_out(card: FeatureSetCard, paths: Mapping[str, Path], folder: Path) -> None:
    """Links to the files, or what is unpacked of archives, in a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in paths.items():
        if card.members:
            _unpack(path, card.members, folder)
            continue
        link = folder / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        try:
            link.symlink_to(path.resolve())
        except OSError:  # a file system without links
            shutil.copyfile(path, link)


def _unpack(archive: Path, patterns: Sequence[str], folder: Path) -> None:
    """Unpack regular files whose path ends as one of the patterns says; what is there in full is left alone.

    Raises:
        DataError: the archive is damaged, or a member would be written elsewhere.
    """
    try:
        with tarfile.open(archive, "r:*") as content:
            for member in content:
                wanted = any(fnmatch.fnmatchcase(f"/{member.name}", f"*/{pattern}") for pattern in patterns)
                target = folder / member.name
                if member.isreg() and wanted and not (target.is_file() and target.stat().st_size == member.size):
                    content.extract(member, folder, filter="data")  # refuses paths that lead out of the folder
    except (tarfile.TarError, OSError, EOFError) as reason:
        raise DataError(
            f"the archive cannot be unpacked: {str(reason)[:160]}", place=str(archive), fix="fetch it again"
        ) from reason


def _in_threads(
    work: Callable[[HubFile], Path], files: Sequence[HubFile], threads: int, stopped: threading.Event
) -> Iterator[tuple[HubFile, Path | BaseException]]:
    """Each file with its outcome, as they come. Ctrl-C waits for none of them: the threads end with the process."""
    todo: queue.SimpleQueue[HubFile] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[HubFile, Path | BaseException]] = queue.SimpleQueue()
    for file in files:
        todo.put(file)

    def worker() -> None:
        while not stopped.is_set():
            try:
                file = todo.get_nowait()
            except queue.Empty:
                return
            try:
                done.put((file, work(file)))
            except Exception as problem:  # nobody else would hear of it
                done.put((file, problem))

    running = [threading.Thread(target=worker, daemon=True, name="fetch") for _ in range(min(threads, len(files)))]
    for thread in running:
        thread.start()
    try:
        for _ in files:
            yield done.get()
    finally:
        stopped.set()
        for thread in running:
            thread.join(_PATIENCE)
