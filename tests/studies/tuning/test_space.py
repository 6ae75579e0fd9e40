"""The search space is what the method's Params declare."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness import UsageError
from harness.studies.tuning.space import space_of


def test_the_space_is_what_is_declared_tunable_less_what_the_user_set(params):
    assert [d.name for d in space_of(params, fixed=(), method="some")] == ["lr", "drop", "heads", "pool"]
    assert [d.name for d in space_of(params, fixed=("lr", "epochs"), method="some")] == ["drop", "heads", "pool"]
    with pytest.raises(UsageError, match="--set fixes all of them: lr, drop, heads, pool"):
        space_of(params, fixed=("lr", "drop", "heads", "pool"), method="some")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1))
def test_every_share_gives_a_value_that_params_take(params, share):
    values = {d.name: d.at(share) for d in space_of(params, fixed=(), method="some")}
    built = params.build(values, place="test")
    assert built.as_dict() == values | {"epochs": 3}
    assert 1e-5 <= values["lr"] <= 1e-1
    assert 1 <= values["heads"] <= 8


def test_numbers_and_choices_get_equal_shares_and_logs_are_logs(space):
    shares = (np.arange(8000) + 0.5) / 8000
    drawn = {d.name: [d.at(share) for share in shares] for d in space}
    assert set(np.unique(drawn["heads"], return_counts=True)[1]) == {1000}
    assert drawn["pool"].count("max") == 4000
    assert np.median(drawn["lr"]) == pytest.approx(1e-3, rel=0.01)
    assert np.median(drawn["drop"]) == pytest.approx(0.25, rel=0.01)


def test_levels_hold_both_ends(space):
    levels = {d.name: d.levels(3) for d in space}
    assert levels["lr"] == pytest.approx([1e-5, 1e-3, 1e-1])
    assert levels["heads"] == [1, 4, 8]
    assert levels["pool"] == ["mean", "max"]
