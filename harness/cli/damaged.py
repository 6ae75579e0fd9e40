"""Evidence that cannot be read, or is not what a run left behind, a line each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.core import console

if TYPE_CHECKING:
    from harness.results.store import RunStore
    from harness.results.studies import Broken, Study


def show_damaged(broken: Sequence[Broken]) -> None:
    """Name every unit and study whose evidence does not count because it is damaged, with the reason."""
    for one in broken:
        console.warn(f"{one.name}: {one.reason}")


def warn_unverified(store: RunStore, studies: Sequence[Study]) -> None:
    """Name every one of the studies whose evidence is not what a run left behind, with the reason."""
    from harness.results.verified import Verifier

    verifier = Verifier(store)
    for study in studies:
        if (found := verifier.study(study)).findings:
            console.warn(f"{study.study_id} is unverified: {found.reason} (bench verify {study.study_id} tells all)")
