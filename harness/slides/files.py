"""Which files make up a slide, and whether they are still the same ones."""

from __future__ import annotations

from pathlib import Path

from harness.data.dicom import levels_of
from harness.hashing import fingerprint_file, sha256_json


def slide_files(path: Path) -> list[Path]:
    """Every file that holds content of the slide at ``path``, by name.

    A DICOM slide is all levels of its series (not its label and overview), an MRXS slide its folder of data files too.
    """
    if path.is_dir() or path.suffix.lower() == ".dcm":
        return levels_of(path)
    data = path.with_suffix("")
    if path.suffix.lower() == ".mrxs" and data.is_dir():
        return [path, *sorted(file for file in data.iterdir() if file.is_file())]
    return [path]


def stat_signature(path: Path) -> str:
    """A cheap sign that nothing changed: names, sizes and modification times of the slide's files, hashed."""
    rows = []
    for file in slide_files(path):
        stat = file.stat()
        rows.append([file.name, stat.st_size, stat.st_mtime_ns])
    return sha256_json(rows)


def slide_fingerprint(path: Path) -> str:
    """Identity of the slide's content, whatever its files are called and wherever they are.

    See ``harness.hashing.fingerprint_file``; of a slide in several files, the hash of their sorted fingerprints.
    """
    prints = sorted(fingerprint_file(file) for file in slide_files(path))
    return prints[0] if len(prints) == 1 else sha256_json(list(prints))
