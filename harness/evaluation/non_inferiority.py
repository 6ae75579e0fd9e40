"""What the interval of a paired difference says, given the margin of a difference that matters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["superior", "equivalent", "non-inferior", "inferior", "undecided"]


@dataclass(frozen=True)
class NonInferiority:
    """Conclusions from an interval of "new minus reference", larger being better.

    Attributes:
        margin: the largest loss that does not matter.
        superior: the whole interval is above 0.
        non_inferior: it is above -margin. With a 95 % interval that is a one-sided test at 2.5 %.
        equivalent: it is within ±margin.
        inferior: it is below -margin.
    """

    margin: float
    superior: bool
    non_inferior: bool
    equivalent: bool
    inferior: bool

    @property
    def verdict(self) -> Verdict:
        """The strongest conclusion that the interval allows: superiority, then equivalence, then non-inferiority.

        Superiority may be claimed after non-inferiority without a correction: the two hypotheses are nested (ICH E9 and
        CPMP/EWP/482/99).
        """
        if self.superior:
            return "superior"
        if self.equivalent:
            return "equivalent"
        if self.non_inferior:
            return "non-inferior"
        return "inferior" if self.inferior else "undecided"


def non_inferiority(low: float, high: float, margin: float, *, lower_is_better: bool = False) -> NonInferiority:
    """Judge a paired difference, new minus reference, by its interval.

    Args:
        low, high: limits of the interval; NaN decides nothing.
        margin: the largest loss that does not matter, above 0; fixed before the data are seen.
        lower_is_better: of the score, such as a loss.

    Raises:
        ValueError: the margin is not above 0.
    """
    if not (margin > 0 and math.isfinite(margin)):
        raise ValueError(f"a margin is a number above 0, not {margin}")
    if lower_is_better:
        low, high = -high, -low
    return NonInferiority(
        margin=margin,
        superior=low > 0,
        non_inferior=low > -margin,
        equivalent=low > -margin and high < margin,
        inferior=high < -margin,
    )
