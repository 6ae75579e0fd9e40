"""The entries of the leaderboard: a folder per study, the members of a bundle as its files."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.bundles.archive import read_members
from harness.bundles.members import ACCESSES, ATTESTATION, MANIFEST, read_manifest
from harness.bundles.restore import restore
from harness.results.access_log import FILE as ACCESS_LOG
from harness.results.store import RunStore

ENTRIES = Path("leaderboards") / "entries"
"""Where entries are, in a checkout."""


@dataclass(frozen=True)
class Entry:
    """A reviewed study.

    Attributes:
        folder: its files.
        manifest: its bundle.json, which every file was compared with.
    """

    folder: Path
    manifest: dict[str, Any]

    @property
    def study_id(self) -> str:
        """The study."""
        return str(self.manifest["study_id"])

    @property
    def signed(self) -> bool:
        """Whether it has a signature."""
        return ATTESTATION in self.manifest["members"]


def entries(folder: Path = ENTRIES) -> Sequence[Entry]:
    """All entries below a folder, by its name; none where it is missing.

    Raises:
        DataError: an entry's files are not what its manifest says.
    """
    found = sorted(path.parent for path in folder.rglob(MANIFEST)) if folder.is_dir() else []
    return [Entry(one, read_manifest(read_members(one), str(one))) for one in found]


class EntryStore(RunStore):
    """Entries as one runs folder, for whatever reads evidence: the leaderboard, the site. It goes with the object.

    Args:
        found: the entries.

    Raises:
        DataError: a file is not what it has to be.
    """

    def __init__(self, found: Sequence[Entry]) -> None:
        super().__init__(Path(tempfile.mkdtemp(prefix="wsibench-entries-")))
        weakref.finalize(self, shutil.rmtree, self.root, ignore_errors=True)
        log = []
        for entry in found:
            members = read_members(entry.folder)
            restore(members, entry.manifest, self.root, str(entry.folder))
            log.append(members.get(ACCESSES, b""))
        if any(log):
            (self.root / ACCESS_LOG).write_bytes(b"".join(log))
