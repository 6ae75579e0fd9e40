"""What a paired difference means, in one sentence."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.evaluation.non_inferiority import NonInferiority
    from harness.evaluation.pairs import Pair


def sentence(
    pair: Pair,
    names: tuple[str, str],
    metric: str,
    margin: tuple[NonInferiority, NonInferiority] | None = None,
    *,
    lower: bool,
    patients: int,
    pairs: int = 1,
) -> str:
    """``B is better than A by 0.031 auc [0.004, 0.058], p = 0.020.``, or what could have been found.

    Args:
        pair: second minus first.
        names: of the first and of the second.
        metric: the score.
        margin: the judgement on the second, and on the first, by a margin; None without one.
        lower: whether a smaller score is better.
        patients: how many there are.
        pairs: how many pairs the p-value is corrected for.
    """
    text = _difference(pair, names, metric, lower=lower, patients=patients, pairs=pairs)
    return text if margin is None else f"{text} {_margin(names, metric, margin)}"


def _difference(pair: Pair, names: tuple[str, str], metric: str, *, lower: bool, patients: int, pairs: int) -> str:
    first, second = names
    if not math.isfinite(pair.value):
        return f"{first} and {second} cannot be compared: {metric} is undefined."
    if not math.isfinite(pair.p_value) or not math.isfinite(pair.low):
        return f"{first} and {second} differ by {pair.value:+.3f} {metric}; {_few(patients)} give no interval."
    corrected = f" among {pairs} pairs" if pairs > 1 else ""
    p_value = "p < 0.001" if pair.p_value < 0.001 else f"p = {pair.p_value:.3f}"
    if not pair.differs:
        lies = f"{second} - {first} lies between {pair.low:+.3f} and {pair.high:+.3f} {metric}"
        found = (
            f"; with {_few(patients)} a difference of {pair.detectable:.3f} would be found four times in five"
            if math.isfinite(pair.detectable) and pair.detectable > 0
            else ""
        )
        return f"{first} and {second} cannot be told apart ({p_value}{corrected}): {lies}{found}."
    up = (pair.value > 0) != lower
    better, worse = (second, first) if up else (first, second)
    limits = sorted((abs(pair.low), abs(pair.high))) if pair.low * pair.high > 0 else None
    shown = f"[{limits[0]:.3f}, {limits[1]:.3f}]" if limits else f"[{pair.low:+.3f}, {pair.high:+.3f}]"
    return f"{better} is better than {worse} by {abs(pair.value):.3f} {metric} {shown}, {p_value}{corrected}."


def _margin(names: tuple[str, str], metric: str, judged: tuple[NonInferiority, NonInferiority]) -> str:
    """What holds within the margin, in both directions."""
    first, second = names
    of_second, of_first = judged
    width = f"{of_second.margin:g} {metric}"
    if of_second.equivalent:
        return f"They are equivalent: they differ by less than {width}."
    said = [
        f"{new} is not worse than {old} by {width} or more"
        for judgement, new, old in ((of_second, second, first), (of_first, first, second))
        if judgement.non_inferior
    ]
    said += [
        f"{new} is worse than {old} by more than {width}"
        for judgement, new, old in ((of_second, second, first), (of_first, first, second))
        if judgement.inferior
    ]
    return f"{'; '.join(said)}." if said else f"Neither is shown to be within {width} of the other."


def _few(patients: int) -> str:
    return f"{'this' if patients == 1 else 'these'} {patients} patient{'' if patients == 1 else 's'}"
