"""Badges: what a reader should know of the evidence of a study before trusting its numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.leaderboard_site.content import Badge
from harness.results.study_table import input_text, overlap_text

if TYPE_CHECKING:
    from harness.results.leaderboard import Row
    from harness.results.store import RunStore


def badges_of(row: Row, store: RunStore) -> tuple[Badge, ...]:
    """The badges of a study: completeness first, then its files, then what does not compare with the rest."""
    study = row.summary.study
    found = [_files(row, store)]
    planned = None if study.planned is None else len(study.planned)
    if not study.complete:
        done = f"{len(study.records)}/{'?' if planned is None else planned} units"
        found.append(Badge(kind="warning", text=f"incomplete {done}", reason=f"Only {done} of the protocol are done."))
    elif row.reason:
        found.append(Badge(kind="warning", text=row.reason, reason=f"Not ranked: {row.reason}."))
    if seen := overlap_text(study):
        text = "test slides perhaps seen" if seen.startswith("perhaps") else "test slides seen"
        found.append(Badge(kind="warning", text=text, reason=f"The encoder was {seen}."))
    if differs := input_text(study):
        found.append(Badge(kind="plain", text="other input", reason=f"The input {differs}."))
    return tuple(found)


def _files(row: Row, store: RunStore) -> Badge:
    """Whether the files of all units are what their records say."""
    altered = [
        f"{record.unit_id}: {', '.join(names)}"
        for record in row.summary.study.records
        if (names := store.altered(record.unit_id))
    ]
    if altered:
        more = f" and {len(altered) - 1} more" if len(altered) > 1 else ""
        return Badge(kind="bad", text="unverified", reason=f"Files are not what the record says: {altered[0]}{more}.")
    return Badge(kind="good", text="files intact", reason="Every file has the hash that its record says.")
