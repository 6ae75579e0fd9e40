"""The search space, as the method's ``Params`` declare it."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.core.errors import UsageError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

    from harness.api.params import Field, Params


@dataclass(frozen=True)
class Dimension:
    """One hyper-parameter that is searched.

    Attributes:
        name: of the hyper-parameter.
        low, high: range, inclusive; None for choices.
        log: whether the range is searched on a logarithmic scale.
        integer: whether only whole numbers count.
        choices: the values to choose from; None for a range.
    """

    name: str
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    integer: bool = False
    choices: tuple[Any, ...] | None = None

    def at(self, share: float) -> Any:
        """The value at ``share``, in [0, 1], of the way from low to high; each number or choice gets an equal share."""
        if self.choices is not None:
            return self.choices[min(int(share * len(self.choices)), len(self.choices) - 1)]
        low, high = (self.low - 0.5, self.high + 0.5) if self.integer else (self.low, self.high)
        if self.log:
            value = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
        else:
            value = low + share * (high - low)
        value = min(max(value, self.low), self.high)
        return round(value) if self.integer else value

    def levels(self, count: int) -> list[Any]:
        """About ``count`` values from low to high, evenly spaced and both included; all of the choices."""
        if self.choices is not None:
            return list(self.choices)
        ends = Dimension(self.name, self.low, self.high, self.log)
        values = [ends.at(k / (count - 1)) if count > 1 else ends.at(0.5) for k in range(count)]
        return list(dict.fromkeys(round(value) if self.integer else value for value in values))

    def distribution(self) -> BaseDistribution:
        """The same for Optuna."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        if self.choices is not None:
            return CategoricalDistribution(self.choices)
        if self.integer:
            return IntDistribution(int(self.low), int(self.high), log=self.log)
        return FloatDistribution(self.low, self.high, log=self.log)


Space = tuple[Dimension, ...]


def space_of(kind: type[Params], *, fixed: Collection[str], method: str) -> Space:
    """The hyper-parameters of ``kind`` that a tuner may change, less those that the user has set.

    Raises:
        UsageError: there is nothing to tune.
    """
    found = {name: _dimension(name, hint, field) for name, (hint, field, _) in kind.describe().items() if field.tuned}
    space = tuple(dimension for name, dimension in found.items() if name not in fixed)
    if not space:
        why = f"--set fixes all of them: {', '.join(found)}" if found else "it declares none as tunable"
        raise UsageError(
            f"method {method} has no hyper-parameter to tune: {why}",
            place="--trials",
            fix="leave --trials out" + (", or set fewer hyper-parameters" if found else ""),
        )
    return space


def _dimension(name: str, hint: Any, field: Field) -> Dimension:
    if field.choices is not None:
        return Dimension(name, choices=tuple(field.choices))
    assert field.low is not None
    assert field.high is not None
    return Dimension(name, float(field.low), float(field.high), field.log, integer=hint is int)
