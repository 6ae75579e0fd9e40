"""Checks at the edges: a bag of one tile, and a bag of none."""

from __future__ import annotations

import numpy as np

from harness.conformance.error_text import error_text
from harness.conformance.outcome import BrokenPromise, Check
from harness.conformance.tested_method import TRAIN, TestedMethod
from harness.core.errors import BenchError


def one_tile(tested: TestedMethod) -> None:
    """Bags of a single tile can be trained on and predicted."""
    train = tested.bags(8, TRAIN)
    train = train.with_bags(
        [bag.cut(1 if number % 3 == 0 else 9) for number, bag in enumerate(train.bags)], held_out=False
    )
    test = tested.test_bags.with_bags([bag.cut(1) for bag in tested.test_bags.bags])
    attempt = tested.attempt(train=train, test=test)
    if attempt.error is not None:
        raise BrokenPromise(error_text(attempt.error)) from attempt.error
    assert attempt.prediction is not None
    if not np.isfinite(attempt.prediction.probabilities).all():
        raise BrokenPromise("probabilities of a bag of one tile are not finite")
    for weights in attempt.prediction.attention or ():
        if weights.shape != (1,) or not np.isfinite(weights).all():
            raise BrokenPromise(f"attention of a bag of one tile is {weights!r}")


def empty_bag(tested: TestedMethod) -> None:
    """A bag without tiles is refused with a BenchError or a ValueError, not answered."""
    bags = tested.test_bags
    empty = bags.with_bags([bags.bags[0], bags.bags[1].cut(0)])
    try:
        tested.predict(tested.first, empty)
    except (BenchError, ValueError):
        return
    except Exception as error:
        raise BrokenPromise(f"refused with the wrong kind of error: {error_text(error)}") from error
    raise BrokenPromise("a bag without tiles is given probabilities")


CHECKS = (
    Check("one_tile", "A bag of one tile can be trained on and predicted.", one_tile, ("cpu_run",)),
    Check("empty_bag", "A bag without tiles is refused.", empty_bag, ("cpu_run",)),
)
