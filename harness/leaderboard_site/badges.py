"""Badges: what a reader should know of the evidence of a study before trusting its numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.leaderboard_site.content import Badge
from harness.leaderboard_site.words import public
from harness.results.study_table import input_text, overlap_text, units_text

if TYPE_CHECKING:
    from harness.results.leaderboard import Row
    from harness.verification.finding import Verification


def badges_of(row: Row, verification: Verification, *, entered: bool = False) -> tuple[Badge, ...]:
    """The badges of a study: whether it is verified and complete, who says so, what does not compare with the rest.

    Args:
        row: the study.
        verification: what the checks of its evidence came to.
        entered: whether it is a reviewed entry rather than of a runs folder.
    """
    study = row.summary.study
    found = [_verified(verification)]
    if entered:
        found.append(_SELF_REPORTED)
    if not study.complete:
        planned = None if study.planned is None else len(study.planned)
        # Of a study with one seed and one repeat, units are folds.
        runs = {(record.spec["repeat"], record.spec["seed"]) for record in study.records}
        done = f"{units_text(len(study.records), planned, len(study.damaged))} {'folds' if len(runs) == 1 else 'units'}"
        found.append(Badge(kind="warning", text=f"incomplete {done}", reason=f"Only {done} of the protocol are done."))
    elif row.reason and verification.status != "unverified":
        found.append(Badge(kind="warning", text=row.reason, reason=f"Not ranked: {row.reason}."))
    if seen := overlap_text(study):
        text = "test slides perhaps seen" if seen.startswith("perhaps") else "test slides seen"
        found.append(Badge(kind="warning", text=text, reason=f"The encoder was {seen}."))
    if differs := input_text(study):
        found.append(Badge(kind="plain", text="other input", reason=f"The input {differs}."))
    return tuple(found)


_SELF_REPORTED = Badge(
    kind="plain",
    text="self-reported",
    reason="An entry: scores follow from its predictions; what was trained, and what it cost, is stated.",
)


def _verified(found: Verification) -> Badge:
    if found.status == "verified":
        return Badge(kind="good", text="verified", reason="Every number was recomputed from the stored predictions.")
    if found.status == "unverified":
        return Badge(kind="bad", text="unverified", reason=f"{public(found.reason)}.")
    reason = f"Every number follows from the stored predictions, but not all could be compared: {public(found.reason)}."
    return Badge(kind="plain", text="verified in part", reason=reason)
