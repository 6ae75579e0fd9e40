"""Checks at the edges: a bag of one tile, and a bag of none."""

from __future__ import annotations

import numpy as np

from harness.conformance.outcome import Broken, Check
from harness.conformance.subject import TRAIN, Subject
from harness.conformance.told import told
from harness.core.errors import BenchError


def one_tile(subject: Subject) -> None:
    """Bags of a single tile can be trained on and predicted."""
    train = subject.bags(8, TRAIN)
    train = train.with_bags(
        [bag.cut(1 if number % 3 == 0 else 9) for number, bag in enumerate(train.bags)], sealed=False
    )
    test = subject.test_bags.with_bags([bag.cut(1) for bag in subject.test_bags.bags])
    attempt = subject.attempt(train=train, test=test)
    if attempt.error is not None:
        raise Broken(told(attempt.error)) from attempt.error
    assert attempt.prediction is not None
    if not np.isfinite(attempt.prediction.probabilities).all():
        raise Broken("probabilities of a bag of one tile are not finite")
    for weights in attempt.prediction.attention or ():
        if weights.shape != (1,) or not np.isfinite(weights).all():
            raise Broken(f"attention of a bag of one tile is {weights!r}")


def empty_bag(subject: Subject) -> None:
    """A bag without tiles is refused with a BenchError or a ValueError, not answered."""
    bags = subject.test_bags
    empty = bags.with_bags([bags.bags[0], bags.bags[1].cut(0)])
    try:
        subject.predict(subject.first, empty)
    except (BenchError, ValueError):
        return
    except Exception as error:
        raise Broken(f"refused with the wrong kind of error: {told(error)}") from error
    raise Broken("a bag without tiles is given probabilities")


CHECKS = (
    Check("one_tile", "A bag of one tile can be trained on and predicted.", one_tile, ("cpu_run",)),
    Check("empty_bag", "A bag without tiles is refused.", empty_bag, ("cpu_run",)),
)
