"""A search space, and a search over it with made-up results."""

from __future__ import annotations

import pytest

from harness.api.params import Params, fixed, tunable
from harness.studies.tuning.search import Search
from harness.studies.tuning.settings import TuneSettings
from harness.studies.tuning.space import space_of


class Some(Params):
    lr: float = tunable(1e-3, low=1e-5, high=1e-1, log=True, help="learning rate")
    drop: float = tunable(0.25, low=0.0, high=0.5, help="dropout")
    heads: int = tunable(4, low=1, high=8, help="heads")
    pool: str = tunable("mean", choices=("mean", "max"), help="pooling")
    epochs: int = fixed(3, help="epochs")


@pytest.fixture
def params() -> type[Some]:
    return Some


@pytest.fixture
def space():
    return space_of(Some, fixed=(), method="some")


@pytest.fixture
def search(space):
    def make(
        *, key: str = "study/r0f0", share_s: float | None = None, metric: str = "auc", **settings: object
    ) -> Search:
        return Search(
            TuneSettings(**({"trials": 12} | settings)),
            space,
            key,
            Some().as_dict(),
            metric=metric,
            share_s=share_s,
        )

    return make
