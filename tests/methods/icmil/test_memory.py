"""ICMIL is kept within its memory: the estimate agrees with what its parts take, and a rung that fits is found."""

from __future__ import annotations

import numpy as np
import pytest
from support.coupled import TASK, params
from support.memory import limits, measured, plan_of
from support.tiles import tile_bags

from harness import MethodError, Task
from harness.training.memory.ladder import BF16, RECOMPUTE, SMALLER_CHUNKS, Memory
from methods.icmil import ICMIL

TRAIN, VAL = tile_bags((90, 50, 70), 27), tile_bags((120, 40), 27)
SETTINGS = {"epochs": 1, "distil_steps": 2, "distil_checks": 1, "distil_batch": 100, "embed_batch": 100}


def _method(**changes: object) -> ICMIL:
    return ICMIL(params(**SETTINGS | changes), TASK)


@pytest.mark.parametrize(
    ("precision", "changes"),
    [
        ("fp32", {"warm_epochs": 1, "warm_batch": 2}),
        ("fp32", {"bag_model": "dtfd", "confidence": True, "distil_val_tiles": 30, "embed_batch": 20}),
        ("bf16", {"warm_epochs": 1, "warm_tiles": 60}),
    ],
)
def test_the_estimate_lies_within_a_factor_of_two_of_what_a_training_takes(make_run, monkeypatch, precision, changes):
    plan = plan_of(_method(**changes), TRAIN, VAL, make_run("plan", precision=precision), monkeypatch)
    found = measured(_method(**changes), TRAIN, VAL, make_run(precision=precision))
    for part in plan.parts:
        stage = {"warm": "warm", "bag": "bag0", "embed": "before bag1", "distil": "distil0"}[part.name]
        taken = found[stage] + plan.held
        assert taken / 2 < part(plan.rungs[0]).total < 2 * taken, part.name


WARM = {"warm_epochs": 1, "warm_batch": 2, "distil_batch": 20}


@pytest.mark.parametrize(
    ("number", "changes"),
    [
        (RECOMPUTE, WARM),
        (BF16, WARM),
        (RECOMPUTE, {}),
        (SMALLER_CHUNKS, {"distil_batch": 2, "distil_val_tiles": 1}),
    ],
)
def test_a_limit_finds_the_rung_that_fits(make_run, monkeypatch, number, changes):
    found, _ = limits(plan_of(_method(**changes), TRAIN, VAL, make_run("plan"), monkeypatch))
    rung, limit = found[number]
    method, run = _method(**changes), make_run(memory=Memory(limit=limit))
    for stage in method.stages(TRAIN, VAL, run):
        run.train(stage)
        if stage.name in {"warm", "distil0"}:
            assert (stage.module.chunk, stage.module.recompute) == (rung.chunk, rung.recompute)
    facts = run.memory.facts
    assert (facts["rung"], facts["how"], run.precision) == (number, rung.how, rung.precision)
    assert facts["estimate_mb"] <= facts["available_mb"] < facts["as_asked_mb"]
    assert np.isfinite(method.predict(VAL, run).probabilities).all()
    sets = {path.name for path in run.workdir.glob("icmil_round*")}
    assert sets == {f"icmil_round{k}{'_bf16' if number == BF16 else ''}" for k in (0, 1)}


@pytest.mark.parametrize(
    ("changes", "part", "fix"),
    [
        (WARM | {"iterations": 0}, "warm", "--set warm_tiles="),
        ({"distil_val_tiles": 1}, "distil", "--set distil_batch="),
        ({"iterations": 0}, "bag", "or more memory"),
    ],
)
def test_what_never_fits_is_refused_before_it_is_trained(make_run, monkeypatch, changes, part, fix):
    _, least = limits(plan_of(_method(**changes), TRAIN, None, make_run("plan"), monkeypatch))
    run = make_run(memory=Memory(limit=least - 1))
    with pytest.raises(MethodError) as error:
        next(_method(**changes).stages(TRAIN, None, run))
    assert f"{part}, its largest part, would take" in error.value.problem
    assert "slide b0 has 90 tiles" in error.value.problem
    assert fix in error.value.fix


def test_an_encoder_with_batch_norm_has_bf16_alone(make_run, monkeypatch):
    method = ICMIL(params(**SETTINGS), Task(("no", "yes"), encoder="conv64"))
    bags = tile_bags((12, 10), 32)
    plan = plan_of(method, bags, None, make_run(), monkeypatch)
    assert [(rung.number, rung.chunk, rung.recompute) for rung in plan.rungs] == [(0, 0, False), (BF16, 0, False)]
