"""A search made again from study.json and trials.csv, which may be damaged."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from harness.core.errors import DataError
from harness.studies.tuning.history import histories

ROW = {
    "fold": "r0f0",
    "trial": "0",
    "state": "complete",
    "auc": "0.9",
    "device_s": "1.0",
    "chosen": "True",
    "param.lr": "0.001",
    "param.drop": "0.25",
    "param.heads": "4",
    "param.pool": "max",
    "reason": "",
}


def test_params_have_the_types_of_their_dimensions(space) -> None:
    later = [asdict(one) | {"unit": "of a later version"} for one in space]
    (search,) = histories([ROW], later)
    assert search.trials[0].params == {"lr": 1e-3, "drop": 0.25, "heads": 4, "pool": "max"}
    assert search.chosen == 0 and search.metric == "auc"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("param.lr", "1"),
        ("param.lr", "nan"),
        ("param.lr", ""),
        ("param.heads", "1e400"),
        ("param.pool", "median"),
        ("auc", ""),
    ],
)
def test_a_value_that_no_search_can_have_is_named(space, name: str, text: str) -> None:
    with pytest.raises(DataError, match=f"trial 0 of r0f0 has {name.removeprefix('param.')} '{text}'"):
        histories([ROW | {name: text}], [asdict(one) for one in space])
