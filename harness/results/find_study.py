"""The study that a word stands for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.core.errors import UsageError
from harness.core.suggest import unknown

if TYPE_CHECKING:
    from harness.results.studies import Study


def find_study(studies: Sequence[Study], word: str, *, place: str) -> Study:
    """The study that ``word`` names: its id, a beginning of it, or a beginning of the hash at its end.

    Args:
        studies: to choose from.
        word: what was typed.
        place: where, for the error.

    Raises:
        UsageError: none, or several; these are listed.
    """
    ids = [study.study_id for study in studies]
    hits = [study for study in studies if study.study_id == word]
    hits = hits or [study for study in studies if study.study_id.startswith(word)]
    hits = hits or [study for study in studies if study.study_id.rpartition("-")[2].startswith(word)]
    if not hits:
        raise unknown("study", word, ids, place=place, listing="bench leaderboard show")
    if len(hits) > 1:
        raise UsageError(
            f"{word!r} stands for {len(hits)} studies",
            place=place,
            fix=f"write more of one of: {', '.join(study.study_id for study in hits)}",
        )
    return hits[0]
