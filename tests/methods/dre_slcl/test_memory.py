"""DRE-SLCL is kept within its memory: the estimate agrees with what its stages take, and a rung that fits is found."""

from __future__ import annotations

import numpy as np
import pytest
from support.memory import limits, measured, plan_of

from harness import MethodError
from harness.training.memory.ladder import BF16, RECOMPUTE, Memory

LARGE = {"fresh_tiles": 20, "stored_tiles": 30, "batch_size": 3, "epochs": 2, "finetune_epochs": 2, "probe_epochs": 1}


@pytest.fixture
def bags(make_bags):
    """Training and validation slides of some forty tiles."""
    return make_bags(3, tiles=40), make_bags(2, tiles=50, first=100)


@pytest.mark.parametrize(
    ("precision", "changes"),
    [
        ("fp32", {"encode_chunk": 0, "recompute": False, "warm_batch": 2, "warm_tiles": 30}),
        ("fp32", {"encode_chunk": 8, "recompute": True, "warm_tiles": 30}),
        ("bf16", {"encode_chunk": 32, "recompute": False, "warm_epochs": 0}),
    ],
)
def test_the_estimate_lies_within_a_factor_of_two_of_what_a_training_takes(
    make_method, bags, make_run, monkeypatch, precision, changes
):
    changes = LARGE | changes
    plan = plan_of(make_method(**changes), *bags, make_run("plan", precision=precision), monkeypatch)
    found = measured(make_method(**changes), *bags, make_run(precision=precision))
    assert {part.name for part in plan.parts} >= {"contrast", "finetune"}
    for part in plan.parts:
        # The backbone that is tuned is a copy, made after the plan.
        taken = found[part.name] + plan.held + (part.held if part.name == "finetune" else 0)
        assert taken / 2 < part(plan.rungs[0]).total < 2 * taken, part.name


@pytest.mark.parametrize("number", [RECOMPUTE, BF16])
def test_a_limit_finds_the_rung_that_fits(make_method, bags, make_run, monkeypatch, number):
    settings = LARGE | {"warm_epochs": 0, "recompute": False, "encode_chunk": 0}
    plan = plan_of(make_method(**settings), *bags, make_run("plan"), monkeypatch)
    found, _ = limits(plan)
    rung, limit = found[number]
    method, run = make_method(**settings), make_run(memory=Memory(limit=limit))
    method.fit(*bags, run)
    facts = run.memory.facts
    assert (facts["rung"], facts["how"], run.precision) == (number, rung.how, rung.precision)
    assert facts["estimate_mb"] <= facts["available_mb"] < facts["as_asked_mb"]
    assert (method.backbone.chunk, method.backbone.recompute, method.backbone.block) == (rung.chunk, True, rung.chunk)
    assert np.isfinite(method.predict(bags[1], run).probabilities).all()


def test_the_warm_up_keeps_its_chunks_where_it_has_batch_norm(make_method, bags, make_run, monkeypatch):
    settings = LARGE | {"recompute": False, "encode_chunk": 0, "warm_tiles": 2, "warm_batch": 1}
    found, _ = limits(plan_of(make_method(**settings), *bags, make_run("plan"), monkeypatch))
    rung, limit = found[RECOMPUTE]
    run = make_run(memory=Memory(limit=limit))
    stages = make_method(**settings).stages(*bags, run)
    warm = next(stages)
    assert (warm.name, warm.module.chunk, warm.module.recompute) == ("warm", 0, False)
    run.train(warm)
    assert next(stages).module.backbone.chunk == rung.chunk > 0


def test_what_never_fits_is_refused_before_it_is_trained(make_method, bags, make_run, monkeypatch):
    settings = LARGE | {"warm_epochs": 0}
    _, least = limits(plan_of(make_method(**settings), *bags, make_run("plan"), monkeypatch))
    run = make_run(memory=Memory(limit=least - 1))
    with pytest.raises(MethodError) as error:
        next(make_method(**settings).stages(*bags, run))
    assert "finetune, its largest part, would take" in error.value.problem
    assert "slide s2 has 42 tiles" in error.value.problem
    assert "a smaller batch_size" in error.value.fix
