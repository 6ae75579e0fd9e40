"""What is said of slides whose features cannot be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from harness.core.errors import BenchError, DataError
from harness.datasets.table import listed
from harness.features.formats.base import FeatureFile


def no_tiles(file: FeatureFile) -> DataError:
    """The error for a slide without tiles."""
    return DataError("the slide has no tiles (0 rows)", place=file.place, fix="leave it out with --partial")


def refuse(refused: Mapping[str, BenchError], total: int, *, partial: bool) -> None:
    """Raise DataError for slides that cannot be used, unless they may be left out."""
    if refused and not (partial and len(refused) < total):
        raise too_many(refused, total)


def too_many(refused: Mapping[str, BenchError], total: int) -> DataError:
    """The error that names slides which cannot be used, and why."""
    slide, first = next(iter(refused.items()))
    if len(refused) == 1:
        return DataError(f"slide {slide}: {first.problem}", place=first.place, fix=first.fix)
    if len({one.problem for one in refused.values()}) == 1:
        shown = f"{first.problem}: {listed(refused)}"
    else:
        shown = listed([f"{slide} ({one.problem})" for slide, one in refused.items()], most=5)
    fixes = Counter(one.fix for one in refused.values())
    return DataError(
        f"{len(refused)} of {total} slides cannot be used: {shown}", place=first.place, fix=fixes.most_common(1)[0][0]
    )
