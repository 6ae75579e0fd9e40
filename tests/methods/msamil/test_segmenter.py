"""Stage A: the loss, what it learns from, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from harness import LeakError, UsageError
from harness.datasets.splits import Fold
from methods.msamil.segmenter import Batches, Outlined, Segmenter, segment_stage, segmentation_loss


def test_the_loss_is_cross_entropy_plus_dice():
    rng = np.random.default_rng(0)
    logits, masks = rng.normal(size=(2, 4, 4)), (rng.random((2, 4, 4)) < 0.4).astype(float)
    p = 1 / (1 + np.exp(-logits))
    entropy = -(masks * np.log(p) + (1 - masks) * np.log(1 - p)).mean()
    dice = 1 - (2 * (p * masks).sum() + 1) / (p.sum() + masks.sum() + 1)
    found = segmentation_loss(torch.from_numpy(logits), torch.from_numpy(masks))
    assert float(found) == pytest.approx(entropy + dice, abs=1e-6)


def test_thumbnails_and_masks_are_turned_together(slides, make_run):
    data = Outlined.of(slides(6, seed=1), 32)
    batches = Batches(data, 4, make_run())
    assert batches.steps == 2
    first = list(batches(0, 0))
    assert [len(images) for images, _ in first] == [4, 2]
    for images, masks in first:
        dark = images.mean(1) < 165
        assert (dark == masks.bool()).float().mean() > 0.97
    assert torch.equal(next(iter(batches(0, 1)))[0], first[1][0])
    assert not torch.equal(next(iter(batches(1, 0)))[0], first[0][0])


def test_slides_without_masks_or_lesions_teach_nothing(slides):
    assert Outlined.of(slides(4, seed=1, masks=False), 32) is None
    assert Outlined.of(slides(1, seed=1), 32) is None
    assert Outlined.of(None, 32) is None
    assert len(Outlined.of(slides(3, seed=1), 32)) == 3


def test_the_mask_has_the_thumbnails_size_and_a_probability_threshold(make_params):
    torch.manual_seed(0)
    segmenter = Segmenter(make_params()).eval()
    image = torch.randint(0, 256, (3, 32, 32), dtype=torch.uint8)
    probability = segmenter(image.unsqueeze(0)).sigmoid()[0].detach().numpy()
    for threshold in (0.3, 0.5, float(np.median(probability))):
        assert np.array_equal(segmenter.lesions(image, threshold), probability > threshold)


def test_an_unknown_encoder_is_refused(make_params):
    with pytest.raises(UsageError, match="no UNet"):
        Segmenter(make_params(seg_encoder="resnet1"))


def test_every_weight_is_used(make_params):
    segmenter = Segmenter(make_params())
    segmenter(torch.zeros(2, 3, 32, 32)).sum().backward()
    assert [name for name, p in segmenter.named_parameters() if (p.grad is None) == p.requires_grad] == []
    assert sum(p.requires_grad for p in segmenter.parameters()) > 50


def test_masks_of_other_slides_than_training_ones_are_refused_by_name(slides, make_params, make_run):
    train = slides(4, seed=1)
    data = Outlined.of(train, 32)
    assert data.ids == train.ids
    run, params = make_run(), make_params()
    segmenter = Segmenter(params)
    run.fold = Fold(0, 0, train.ids, (), ("t",))
    assert segment_stage(segmenter, params, data, None, run).name == "segment"
    run.fold = Fold(0, 1, train.ids[2:], train.ids[:1], train.ids[1:2])
    with pytest.raises(LeakError, match="segmenter was trained on 2 slides") as caught:
        segment_stage(segmenter, params, data, None, run)
    assert f"{train.ids[0]} (val), {train.ids[1]} (test)" in caught.value.problem
    assert caught.value.place == "repeat 0, fold 1"


def test_a_segmenter_of_one_fold_predicts_in_no_other(slides, make_method, make_run):
    train, test = slides(4, seed=1), slides(2, seed=3, held_out=True)
    method, run = make_method(seg_epochs=1, epochs=1), make_run()
    run.fold = Fold(0, 0, train.ids, (), test.ids)
    method.fit(train, None, run)
    method.predict(test, run).check(test.ids, 2, method="msamil")
    run.fold = Fold(0, 1, test.ids, (), train.ids)
    with pytest.raises(LeakError, match="segmenter was trained on 4 slides"):
        method.predict(test, run)
