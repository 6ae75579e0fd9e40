"""Several ranks train one unit together: the same numbers as one process, slides never split, nobody left waiting."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.ranked import Host, run_of, tiles, tiny

from harness import MethodError, Seeds, UsageError
from harness.bags.loader import BagLoader
from harness.training.loop import train_stage
from harness.training.mil_params import MILParams, check_devices
from harness.training.ranks import ALONE, Ranks, device_of


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """A function that has several ranks do something; see :mod:`support.ranked`."""
    host = Host(tmp_path_factory.mktemp("host"))
    yield host
    host.close()


def _same(a, b, *, atol=1e-9):
    assert a.keys() == b.keys()
    for name, value in a.items():
        torch.testing.assert_close(b[name], value, atol=atol, rtol=1e-7, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize(
    ("world", "settings"),
    [
        (2, {}),
        (2, {"accumulate": 2, "clip_grad_norm": 0.1, "ema_decay": 0.8, "report_weights": "ema"}),
        (2, {"tiles_per_bag": 3, "balanced": True, "optimizer": "adamw"}),
        (2, {"recompute": True, "n_bags": 9}),  # the last step has one slide: the other rank has none
        (3, {"n_bags": 9, "batch_size": 3, "optimizer": "radam"}),
    ],
    ids=lambda value: "-".join(value) or "plain" if isinstance(value, dict) else str(value),
)
def test_several_ranks_end_with_the_weights_curve_and_predictions_of_one(together, tmp_path, world, settings):
    """End to end, with batch norm and augmentation, in double precision."""
    (alone,) = together(1, "fit", tmp_path / "one", **settings)
    answers = together(world, "fit", tmp_path / "many", **settings)
    for answer in answers:
        exact = {name: value for name, value in alone["weights"].items() if "running_var" not in name}
        _same(exact, {name: answer["weights"][name] for name in exact})
        # A slide that two ranks take because there is one too few counts twice in the unbiased variance.
        _same(alone["weights"], answer["weights"], atol=1e-3 if "n_bags" in settings else 1e-9)
        torch.testing.assert_close(answer["probabilities"], alone["probabilities"], atol=1e-4, rtol=0)
        torch.testing.assert_close(answer["attention"], alone["attention"], atol=1e-4, rtol=0)
    losses = [row["loss"] for row in alone["curve"]]
    assert [row["loss"] for row in answers[0]["curve"]] == pytest.approx(losses, abs=1e-9)
    assert len({str(answer["curve"]) for answer in answers}) == 1
    for answer in answers[1:]:
        assert all(torch.equal(value, answers[0]["weights"][name]) for name, value in answer["weights"].items())


def test_a_slide_is_on_one_rank_and_every_rank_has_some(together, tmp_path):
    answers = together(2, "fit", tmp_path, epochs=1)
    dealt = [[slide for step in answer["slides"] for slide in step] for answer in answers]
    assert sorted(dealt[0] + dealt[1]) == sorted(tiles().ids)
    assert [len(step) for step in answers[0]["slides"]] == [2, 2, 1]


def test_an_interrupted_training_continues_on_all_ranks_to_the_same_bits(together, tmp_path):
    settings = {"accumulate": 2, "optimizer": "adam"}
    (whole, _) = together(2, "fit", tmp_path / "whole", **settings)
    broken = together(2, "fit", tmp_path / "broken", stop_after=4, **settings)
    assert "weights" not in broken[0]
    resumed = together(2, "fit", tmp_path / "broken", **settings)
    for answer in resumed:
        assert all(torch.equal(value, answer["weights"][name]) for name, value in whole["weights"].items())
        assert answer["curve"] == whole["curve"]
    assert len(resumed[0]["slides"]) < len(whole["slides"])


def test_files_are_written_by_rank_0_alone_and_a_finished_stage_is_read_by_all(together, tmp_path):
    (first, _) = together(2, "fit", tmp_path, epochs=1)
    assert first["files"] == ["train.final.pt"]
    again = together(2, "fit", tmp_path, epochs=1)
    assert [answer["slides"] for answer in again] == [[], []]
    assert all(torch.equal(value, again[1]["weights"][name]) for name, value in first["weights"].items())


@pytest.mark.parametrize("rows", [[4, 3], [1, 6], [2, 2, 5]])
def test_shared_batch_norm_is_batch_norm_over_all_rows(together, tmp_path, rows):
    (whole,) = together(1, "normalised", tmp_path / "one", rows=rows)
    parts = together(len(rows), "normalised", tmp_path / "many", rows=rows)
    for name in ("y", "x", "eval"):
        joined = torch.cat([part[name] for part in parts])
        torch.testing.assert_close(joined, whole[name], atol=1e-12, rtol=1e-9)
    for part in parts:
        _same(whole["gradients"], part["gradients"], atol=1e-11)
        _same(whole["state"], part["state"], atol=1e-12)


def test_gradients_are_added_up_and_what_no_rank_has_stays_away(together, tmp_path):
    for answer in together(2, "gradients", tmp_path):
        everywhere, single, somewhere, nowhere = answer["grads"]
        assert everywhere.tolist() == [3.0] * 3
        assert single.tolist() == [[4.0] * 2] * 2
        assert somewhere.tolist() == [5.0, 7.0]
        assert nowhere is None


def test_ranks_that_have_drifted_apart_are_stopped(together, tmp_path):
    for answer in together(2, "astray", tmp_path):
        assert "have not trained the same weights" in answer["weights"]
        assert answer["place"] == "epoch 1"


def test_ranks_with_unequal_numbers_of_chunks_do_not_wait_for_one_another(together, tmp_path):
    """Rank 0 has 31 tiles, 4 chunks; rank 1 has 7, one chunk."""
    kept, twice = (together(2, "chunks", tmp_path / str(r), chunk=8, recompute=r) for r in (False, True))
    for one, other in zip(kept, twice, strict=True):
        _same(one["found"], other["found"])
        torch.testing.assert_close(one["predicted"], other["predicted"])
    _same(kept[0]["found"], kept[1]["found"])


def test_every_method_that_says_so_can_be_trained_by_two(together, tmp_path):
    """Draws differ between ranks (dropout, pseudo-bags); weights and predictions do not. The last step has 3 slides."""
    first, second = together(2, "every_method", tmp_path)
    assert first == second
    assert len(first["trained"]) >= 10
    assert {"abmilx", "clam_sb", "clam_mb", "dtfd", "dsmil", "transmil"} <= {name for name, _ in first["trained"]}


@pytest.mark.parametrize("world", [2, 3, 4])
@pytest.mark.parametrize("n_bags", [9, 10, 12])
def test_the_parts_of_a_batch_make_the_whole(world, n_bags):
    bags = tiles(n_bags)
    common = {"source": bags, "stage": "train", "seeds": Seeds(3), "batch_size": 4, "tiles": 3}
    whole = list(BagLoader(**common)(1, 0))
    parts = [list(BagLoader(**common, part=(rank, world))(1, 0)) for rank in range(world)]
    for step, batch in enumerate(whole):
        mine = [part[step] for part in parts if part[step].loss_weight]
        assert sum((one.bags.ids for one in mine), ()) == batch.bags.ids
        assert torch.equal(torch.cat([one.bags.x for one in mine]), batch.bags.x)
        assert torch.equal(torch.cat([one.bags.labels for one in mine]), batch.bags.labels)
        assert sum(one.loss_weight for one in mine) == pytest.approx(1)
        assert [one.first for one in mine] == np.cumsum([0, *(len(one.bags.x) for one in mine)])[:-1].tolist()
        assert {one.seed for part in parts for one in [part[step]]} == {batch.seed}
        for idle in (part[step] for part in parts if not part[step].loss_weight):
            assert len(idle.bags) == 1
            assert idle.bags.ids[0] in batch.bags.ids


def test_a_stage_that_says_nothing_of_parts_is_refused(tmp_path):
    (stage,) = tiny(tmp_path).stages(tiles(), None, run_of(ALONE, tmp_path))
    stage.loss_weight = None
    with pytest.raises(MethodError, match="stage train cannot be sharded") as caught:
        train_stage(stage, run_of(Ranks(1, 2), tmp_path))
    assert (caught.value.place, caught.value.fix) == ("--devices 2", "run it on one device (--devices 1)")


@pytest.mark.parametrize(
    ("batch", "accumulate", "devices", "fix"),
    [
        (1, 6, 2, "--set batch_size=2 --set accumulate=3,"),
        (1, 1, 2, "--set batch_size=2,"),
        (3, 4, 4, "--set batch_size=4 --set accumulate=3,"),
    ],
)
def test_a_step_with_fewer_slides_than_devices_is_refused_with_the_way_out(batch, accumulate, devices, fix):
    params = MILParams.build({"batch_size": batch, "accumulate": accumulate}, place="test")
    with pytest.raises(UsageError, match=f"cannot be shared by {devices} devices") as caught:
        check_devices(params, devices)
    assert fix in caught.value.fix
    check_devices(params, batch)


@pytest.mark.parametrize(
    ("device", "rank", "own"),
    [("cpu", 3, "cpu"), ("cuda", 0, "cuda:0"), ("cuda", 1, "cuda:1"), ("cuda:2", 1, "cuda:3")],
)
def test_gpus_are_counted_from_the_one_that_is_named(device, rank, own):
    assert device_of(device, rank) == own
