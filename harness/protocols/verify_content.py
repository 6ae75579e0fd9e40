"""Comparing the content of a dataset's files with what it was when they were last hashed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from harness.core.atomic import write_json
from harness.core.errors import BenchError
from harness.core.hashing import sha256_text
from harness.core.reading import read_json
from harness.datasets.content import Content, ContentHashes, day
from harness.datasets.dataset import Dataset
from harness.datasets.hash_all import FilesOf, hash_all
from harness.datasets.locate import resolve_root
from harness.protocols.verify import Finding, Report

_RESUMED_NS = 7 * 24 * 3600 * 1_000_000_000
"""For how long an interrupted verification is continued: what was hashed before is hashed again after a week."""


@dataclass
class ContentCheck:
    """One comparison. Call :meth:`run`, show its report, then :meth:`acknowledge`: each change is reported once.

    Attributes:
        dataset: the dataset.
        data_root: where its files are; None for the place that the card names, if it does.
        files_of: the files that make up a slide.
        full: read every byte of all files, not only of those whose status changed; an interrupted one is continued.
        hashes: what was known before.
    """

    dataset: Dataset
    data_root: Path | None
    files_of: FilesOf
    full: bool = False
    hashes: ContentHashes = field(default_factory=ContentHashes)
    _places: Mapping[str, Path] = field(default_factory=dict)
    _found: Mapping[str, Content | BenchError] = field(default_factory=dict)

    def run(self) -> Report:
        """Hash what has to be hashed, with progress, and say what differs."""
        try:
            places, groups = self.dataset.card.source.data_places(self.dataset, self.data_root)
        except BenchError:
            return Report((), ())  # a finding of the other checks
        files_of = _with_groups(groups, self.files_of)
        began = self._begin() if self.full else None
        hashed = {name: place for name, place in places.items() if self.full or self.hashes.known(place) is not None}
        self._places = hashed
        self._found = hash_all(hashed, files_of, self.hashes, label="hashing files (MiB)", since_ns=began)
        if self.full:
            self._session.unlink(missing_ok=True)
        return Report(self._checked(places), tuple(self._findings()))

    def acknowledge(self) -> None:
        """Remember that the differences were reported."""
        for name, found in self._found.items():
            if isinstance(found, Content):
                self.hashes.acknowledge(self._places[name], found)

    def _findings(self) -> list[Finding]:
        findings = []
        for name, found in self._found.items():
            if isinstance(found, BenchError):
                findings.append(Finding("unreadable", name, f"{found.problem} ({found.place}); {found.fix}"))
            elif found.differs:
                old, when = found.reported
                detail = f"not what it was on {day(when)}: {_short(old)} then, {_short(found.hash)} now"
                fix = "units are run on the new content; restore the files if that is not meant. This is reported once"
                findings.append(Finding("changed", name, f"{detail} ({self._places[name]}); {fix}"))
        return findings

    def _checked(self, places: Mapping[str, Path]) -> tuple[str, ...]:
        if not places:
            return ()
        contents = [found for found in self._found.values() if isinstance(found, Content)]
        read = sum(content.fresh for content in contents)
        parts = [f"{read} of {len(places)} hashed whole"]
        if known := len(contents) - read:
            since = day(min(content.read_ns for content in contents))
            how = "hashed by the interrupted check" if self.full else "unchanged in status since they were hashed"
            parts.append(f"{known} {how}, {since} or later")
        if unknown := len(places) - len(self._found):
            parts.append(f"{unknown} never hashed (--full hashes all)")
        return (f"content: {', '.join(parts)}",)

    def _begin(self) -> int:
        """When this verification began (ns, UTC), or the interrupted one that it continues."""
        now = time.time_ns()
        if self.hashes.folder is None:
            return now
        try:
            began = int(read_json(self._session)["began_ns"])
            if now - _RESUMED_NS < began <= now:
                return began
        except (OSError, ValueError, KeyError, TypeError):
            pass
        with suppress(OSError):  # the hashes cannot be written either, which is said there
            write_json(self._session, {"began_ns": now})
        return now

    @property
    def _session(self) -> Path:
        root = resolve_root(self.dataset, self.data_root) or self.dataset.folder
        name = sha256_text(f"{self.dataset.folder.absolute()}|{root.absolute()}")[:16]
        return (self.hashes.folder or Path()) / f"full-{name}.json"


def _with_groups(groups: Mapping[Path, Sequence[Path]], files_of: FilesOf) -> FilesOf:
    return lambda place: groups[place] if place in groups else files_of(place)


def _short(text: str) -> str:
    return text[:23]
