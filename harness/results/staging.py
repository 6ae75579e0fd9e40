"""The files of a unit are written in a folder beside their place and moved into it together."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from harness.results.names import safe_name

RECORD = "record.json"
CURVE = "curve.csv"
FAILED = "failed.json"
ARTEFACTS = "artefacts"
_STALE_S = 24 * 3600


def write_artefacts(folder: Path, artefacts: Mapping[str, bytes | Path]) -> None:
    """Write, or copy, each artefact into ``folder``, which is made if there is one."""
    for name, content in artefacts.items():
        folder.mkdir(exist_ok=True)
        target = folder / _safe_file(name)
        if isinstance(content, bytes):
            target.write_bytes(content)
        else:
            shutil.copyfile(content, target)


def _safe_file(name: str) -> str:
    stem, dot, suffix = name.rpartition(".")
    return f"{safe_name(stem)}.{safe_name(suffix)}" if dot and stem else safe_name(name)


def swap(staging: Path, folder: Path) -> None:
    """Move staged files into place. The old record goes first, the new one comes last: none stands by other files."""
    (folder / RECORD).unlink(missing_ok=True)
    shutil.rmtree(folder / ARTEFACTS, ignore_errors=True)
    (folder / CURVE).unlink(missing_ok=True)
    for path in sorted(staging.iterdir()):
        if path.name != RECORD:
            path.replace(folder / path.name)
    (staging / RECORD).replace(folder / RECORD)
    (folder / FAILED).unlink(missing_ok=True)
    for left in folder.glob(".staging-*"):
        if left != staging and time.time() - left.stat().st_mtime > _STALE_S:
            shutil.rmtree(left, ignore_errors=True)
