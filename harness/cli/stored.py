"""The studies of a runs folder, for commands that read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.cli.damaged import show_damaged
from harness.core.errors import DataError

if TYPE_CHECKING:
    from harness.results.store import RunStore
    from harness.results.studies import Study

RUN_ONE = "run one (bench run --method abmil --dataset musk1), or point --out to your runs"


def stored_studies(store: RunStore, *, fix: str = RUN_ONE) -> Sequence[Study]:
    """All studies; what is damaged is named.

    Args:
        store: the runs folder.
        fix: what to do where there is none.

    Raises:
        DataError: there is none.
    """
    studies, broken = store.studies_and_broken()
    show_damaged(broken)
    if not studies:
        raise DataError("there is no study in the runs folder", place=str(store.root), fix=fix)
    return studies


def stored_study(store: RunStore, word: str, *, place: str, fix: str = RUN_ONE) -> Study:
    """The study that ``word`` stands for, as :func:`harness.results.find_study.find_study` has it."""
    from harness.results.find_study import find_study

    return find_study(stored_studies(store, fix=fix), word, place=place)
