"""The whole method on drawn slides: what it looks at, resuming, edges, and that it learns."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from harness import DataError, MethodError, UsageError
from methods.msamil import MsaMIL
from methods.msamil.bag_stage import SlideBatches, bag_stage, class_weights, draw_tiles
from methods.msamil.network import Places, build_network
from methods.msamil.tile_filter import TileFilter


def test_the_package_is_listed_without_torch():
    code = "import methods.msamil, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_card_says_that_annotations_are_used():
    assert MsaMIL.card.needs == ("masks",)
    assert MsaMIL.card.scales == 3
    for preset in MsaMIL.card.presets.values():
        assert len(preset.input["mpp"]) == 3
        MsaMIL.Params.build(preset.params, place="test")


def test_it_learns_lesions_and_labels_and_looks_at_no_mask_it_must_not_see(slides, make_method, make_run):
    train, val, test = slides(12, seed=1), slides(6, seed=2), slides(8, seed=3, held_out=True)
    method, run = make_method(seg_epochs=10, epochs=4), make_run()
    method.fit(train, val, run)
    # Every training and validation slide once, before anything is trained.
    assert train.asked == list(train.ids)
    assert val.asked == list(val.ids)
    prediction = method.predict(test, run)
    prediction.check(test.ids, 2, method="msamil")
    assert test.asked == []
    assert len(train.asked) == 12
    truth = np.arange(8) % 2
    assert ((prediction.probabilities[:, 1] > 0.5) == truth).mean() >= 0.75
    assert run.facts["segment"]["selected_by"] == "loss"
    assert run.curve[9]["val_iou"] > 0.5
    assert run.facts["filter"]["train_slides_by_lesion"] >= 5
    assert [row["stage"] for row in run.curve] == ["segment"] * 10 + ["train"] * 4
    for bag, weights in enumerate(prediction.attention):
        assert weights.shape == (test.count(bag),)
        assert weights.sum() == pytest.approx(1, abs=1e-5)
    lesion = [test.lesions[bag][y + 16, x + 16] for bag in (1, 3, 5, 7) for x, y in test.coords(bag)]
    weights = np.concatenate([prediction.attention[bag] for bag in (1, 3, 5, 7)])
    assert weights[np.array(lesion)].mean() > weights[~np.array(lesion)].mean()


def test_validation_masks_choose_the_epoch_and_nothing_else(slides, make_method, make_run):
    """Other validation masks lead to the same weights where the protocol does not select."""
    weights = []
    for name, masks in (("with", True), ("without", False)):
        method, run = make_method(), make_run(name, select="last")
        method.fit(slides(4, seed=1), slides(4, seed=2, masks=masks), run)
        assert run.facts["segment"]["selected_by"] == "last"
        weights.append([*method.tile_filter.segmenter.parameters(), *method.network.parameters()])
    assert all(torch.equal(one, other) for one, other in zip(*weights, strict=True))


def test_without_masks_the_filter_is_off(slides, make_method, make_run):
    method, run = make_method(), make_run()
    bags = slides(4, seed=1, masks=False)
    method.fit(bags, bags, run)
    assert "segment" not in run.facts
    assert run.facts["filter"]["train_slides_by_off"] == 4
    assert run.facts["filter"]["train_tiles_scale_0"] == 13
    assert method.predict(slides(2, seed=3, held_out=True), run).probabilities.shape == (2, 2)
    # Nor is it used where it is switched off.
    bags = slides(4, seed=1)
    make_method(segment=False).fit(bags, None, make_run("off"))
    assert bags.asked == []


def test_tiles_without_places_are_a_set(slides, make_method, make_run):
    """Patches that came cut out: no slide, no coordinates; the order of the tiles means nothing."""
    method, run = make_method(), make_run()
    method.fit(slides(4, seed=1, known=False), None, run)
    test = slides(3, seed=3, held_out=True, known=False)
    other, _ = test.shuffled(0)
    one, two = (method.predict(bags, run).probabilities for bags in (test, other))
    np.testing.assert_allclose(one, two, atol=1e-5)


def test_the_order_of_tiles_does_not_matter(slides, make_method, make_run):
    method, run = make_method(), make_run()
    method.fit(slides(4, seed=1), None, run)
    test = slides(4, seed=3, held_out=True)
    other, orders = test.shuffled(0)
    one, two = method.predict(test, run), method.predict(other, run)
    np.testing.assert_allclose(one.probabilities, two.probabilities, atol=1e-5)
    for bag, order in enumerate(orders):
        np.testing.assert_allclose(one.attention[bag][order[0]], two.attention[bag], atol=1e-5)


def test_a_bag_of_one_tile_and_one_of_none(slides, make_method, make_run):
    method, run = make_method(), make_run()
    method.fit(slides(4, seed=1).cut((1, 0, 0)), None, run)
    for keep in ((1, 0, 0), (0, 0, 1), (2, 1, 0)):
        prediction = method.predict(slides(2, seed=3, held_out=True).cut(keep), run)
        assert np.isfinite(prediction.probabilities).all()
        assert [len(weights) for weights in prediction.attention] == [keep[0]] * 2
    with pytest.raises(ValueError, match="s3_0 has no tiles"):
        method.predict(slides(2, seed=3, held_out=True).cut((0, 0, 0)), run)


class Killed(Exception):
    """Stands for the process being killed."""


@pytest.mark.parametrize(
    "after", [5, 13, pytest.param(1, marks=pytest.mark.slow), pytest.param(10, marks=pytest.mark.slow)]
)
def test_a_run_that_is_interrupted_anywhere_ends_the_same(slides, make_method, make_run, after, monkeypatch):
    """Stage A has 2 x 4 steps, stage B 2 x 8: stops in A, between, and in B."""
    settings = {"seg_epochs": 2, "dropout": 0.3}
    train, val, test = slides(8, seed=1), slides(4, seed=2), slides(4, seed=3, held_out=True)
    whole, run = make_method(**settings), make_run("whole")
    whole.fit(train, val, run)
    backward, steps = torch.autograd.backward, 0

    def until_killed(*args, **kwargs):
        nonlocal steps
        steps += 1
        if steps > after:
            raise Killed
        return backward(*args, **kwargs)

    monkeypatch.setattr(torch.autograd, "backward", until_killed)
    with pytest.raises(Killed):
        make_method(**settings).fit(train, val, make_run("cut"))
    monkeypatch.setattr(torch.autograd, "backward", backward)
    again, second = make_method(**settings), make_run("cut")
    again.fit(train, val, second)
    one, two = (m.predict(test, r).probabilities for m, r in ((whole, run), (again, second)))
    assert np.array_equal(one, two)
    without_time = [{k: v for k, v in row.items() if k != "seconds"} for row in run.curve]
    assert without_time == [{k: v for k, v in row.items() if k != "seconds"} for row in second.curve]


def test_gradients_reach_everything_and_do_not_depend_on_the_chunk(slides, make_method, make_run):
    """One step of stage B: chunks encoded twice give the gradients of all tiles at once."""
    gradients = []
    for chunk, recompute in ((0, False), (3, True)):
        method, run = make_method(encode_chunk=chunk, recompute=recompute, residual=False), make_run(f"chunk{chunk}")
        train, params = slides(2, seed=1), method.params
        network = build_network(params, method.task, train, run).double()
        network.extractor.trunk.double()
        tile_filter = TileFilter(None, params, run.device)
        stage = bag_stage(network, params, train, None, tile_filter, run)
        network.train()
        torch.manual_seed(0)
        stage.loss(next(iter(stage.batches(0, 0)))).backward()
        gradients.append({name: p.grad for name, p in network.named_parameters()})
    for name, gradient in gradients[0].items():
        assert gradient is not None, name
    # Dropout is drawn chunk by chunk, so chunks are compared without it in test_extractor.
    assert gradients[0].keys() == gradients[1].keys()


def test_a_step_draws_uniformly_over_scales_and_never_twice(slides, make_params, make_run):
    kept = (np.arange(0, 60, 2), np.arange(8), np.array([5]))
    counts = np.zeros(39)
    for seed in range(400):
        rows = draw_tiles(kept, 13, np.random.default_rng(seed))
        assert sum(map(len, rows)) == 13
        for chosen, known in zip(rows, kept, strict=True):
            assert set(chosen) <= set(known)
            assert len(set(chosen)) == len(chosen)
        flat = np.concatenate([rows[0] // 2, 30 + rows[1], 38 + np.zeros(len(rows[2]), int)])
        np.add.at(counts, flat, 1)
    np.testing.assert_allclose(counts / 400, 13 / 39, atol=0.1)
    assert [one.tolist() for one in draw_tiles(kept, 200, np.random.default_rng(0))] == [one.tolist() for one in kept]


def test_batches_are_a_function_of_epoch_and_step(slides, make_params, make_run):
    train, run = slides(5, seed=1), make_run()
    batches = SlideBatches(train, TileFilter(None, make_params(), run.device), 6, run)
    whole, rest = list(batches(1, 0)), list(batches(1, 3))
    assert sorted(batch.label for batch in whole) == [0, 0, 0, 1, 1]
    for one, other in zip(whole[3:], rest, strict=True):
        assert torch.equal(one.tiles, other.tiles)
        assert (one.seed, one.label) == (other.seed, other.label)
    assert all(len(batch.tiles) == 6 for batch in whole)
    assert not torch.equal(next(iter(batches(2, 0))).tiles, whole[0].tiles)


def test_places_are_relative_corners_and_scales_in_spatial_order(slides):
    bags = slides(1, seed=1)
    rows = (np.array([2, 0]), np.array([0]), np.array([0]))
    places = Places.of(bags, 0, rows)
    corners = np.concatenate([bags.coords(0, scale)[chosen] for scale, chosen in enumerate(rows)])
    np.testing.assert_allclose(places.place[:, :2], corners / 128)
    assert places.place[:, 2].tolist() == [0, 0, 1, 2]
    keys = [(*corners[k].tolist(), int(places.place[k, 2])) for k in places.order]
    assert keys == sorted(keys)
    assert places.known


def test_class_weights_even_out_the_classes():
    weights = class_weights(np.array([0, 0, 0, 1]), 2)
    np.testing.assert_allclose(weights, [4 / 6, 4 / 2])
    assert np.isfinite(class_weights(np.array([0, 0]), 2)).all()


@pytest.mark.parametrize(
    "bad",
    [{"thumbnail_px": 100}, {"width": 64, "mhe_heads": 5}, {"lesion_share": 1.0}, {"seg_depth": 2}, {"epochs": 0}],
)
def test_values_that_make_no_sense_are_refused(make_params, bad):
    with pytest.raises(UsageError):
        make_params(**bad)


def test_weights_that_cannot_be_fetched_are_told_in_three_lines(make_params, monkeypatch):
    import segmentation_models_pytorch as smp

    from methods.msamil.segmenter import Segmenter

    def offline(**_: object) -> nn.Module:
        raise OSError("no network")

    monkeypatch.setattr(smp, "UnetPlusPlus", offline)
    with pytest.raises(DataError, match="cannot be fetched"):
        Segmenter(make_params(seg_weights="imagenet"))
    with pytest.raises(OSError, match="no network"):
        Segmenter(make_params())
    assert issubclass(DataError, Exception)
    assert not issubclass(DataError, MethodError)
