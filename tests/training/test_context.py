"""Seeding of a unit."""

from __future__ import annotations

import torch


def test_draws_follow_axis_and_position_alone(make_run):
    run = make_run()
    run.seed("dropout", "train", 3, 4)
    first = torch.rand(3)
    torch.rand(100)
    run.seed("dropout", "train", 3, 4)
    assert torch.equal(torch.rand(3), first)
    run.seed("dropout", "train", 3, 5)
    assert not torch.equal(torch.rand(3), first)


def test_a_seeded_block_leaves_the_global_generator_alone(make_run):
    run = make_run()
    state = torch.get_rng_state()
    with run.seeded("init", "x"):
        drawn = torch.rand(2)
    assert torch.equal(torch.get_rng_state(), state)
    with run.seeded("init", "x"):
        assert torch.equal(torch.rand(2), drawn)


def test_seeding_every_step_leaves_nothing_behind(make_run):
    run = make_run()
    before = len(torch.cuda._queued_calls)
    for step in range(5):
        run.seed("dropout", "train", 0, step)
    assert len(torch.cuda._queued_calls) == before
