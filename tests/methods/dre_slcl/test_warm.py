"""The warm-up of the encoder: before bank and codebook, on training slides, and off unless asked for."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from harness import UsageError
from methods.dre_slcl import DreParams, DreSlcl, training
from methods.dre_slcl.feed import encode_bag
from methods.dre_slcl.vlad import assign


def _weights(encoder) -> dict[str, torch.Tensor]:
    """Weights, without the batch norm statistics that are measured again for the bank."""
    return {name: value.detach().clone() for name, value in encoder.named_parameters()}


def test_nothing_is_warmed_unless_asked_for(make_method, make_bags, make_run):
    assert DreParams().warm_epochs == 0
    assert "warm_epochs" not in DreSlcl.card.presets["paper_reading"].params
    stages = training.stages(make_method(warm_epochs=0), make_bags(), None, make_run())
    assert next(stages).name == "contrast"


def test_the_contrast_begins_with_the_warmed_encoder_and_its_codebook(make_method, make_bags, make_run):
    method, run, train = make_method(warm_epochs=2), make_run(), make_bags()
    stages = training.stages(method, train, make_bags(6, first=100), run)
    warm = next(stages)
    assert warm.name == "warm"
    drawn = _weights(warm.module.encoder)
    run.train(warm)
    warmed = _weights(warm.module.encoder)
    assert not any(torch.equal(warmed[name], drawn[name]) for name in drawn)
    contrast = next(stages)
    backbone = contrast.module.backbone
    begun = _weights(backbone.encoder)
    assert all(torch.equal(begun[name], warmed[name]) for name in warmed)
    next(iter(contrast.batches(0, 0)))  # fills the bank and fits the codebook
    features = torch.cat([encode_bag(backbone, train, bag, run) for bag in range(len(train))])
    codes = assign(features, backbone.codebook)
    # k-means has settled on features of this encoder: each codeword is the mean of the tiles nearest to it.
    for code in codes.unique():
        torch.testing.assert_close(backbone.codebook[code], features[codes == code].mean(0), atol=1e-3, rtol=0)


def test_validation_slides_do_not_choose_the_warmed_weights(make_method, make_bags, make_run):
    train = make_bags()
    with_val, without = make_run("with"), make_run("without")
    kept = []
    for run, val in ((with_val, make_bags(6, first=100)), (without, None)):
        warm = next(training.stages(make_method(warm_epochs=3), train, val, run))
        assert warm.select_by == "last"
        run.train(warm)
        kept.append(_weights(warm.module.encoder))
    assert all(torch.equal(kept[0][name], kept[1][name]) for name in kept[0])
    assert np.isfinite([row["val_auc"] for row in with_val.curve]).all()


@pytest.mark.parametrize("wrong", [{"warm_epochs": -1}, {"warm_lr": 0.0}, {"warm_batch": 0}, {"warm_tiles": -1}])
def test_settings_without_sense_are_refused(wrong):
    with pytest.raises(UsageError):
        DreParams.build(wrong, place="test")


def test_without_a_warm_up_an_encoder_that_learns_fast_leaves_its_codebook(make_method, make_bags, make_run):
    """Why there is a warm-up, seen in what is logged: few codewords used, and old features unlike new ones."""
    occupancy = {}
    for rate in (1e-5, 3e-2):
        run = make_run(f"rate-{rate}")
        settings = {"epochs": 4, "refresh_epochs": 0, "downstream": "probe", "warm_epochs": 0, "codewords": 4}
        make_method(**settings, encoder_lr=rate).fit(make_bags(16), None, run)
        facts = run.facts["contrast"]
        occupancy[rate] = (facts["last_codewords_used"], facts["last_bank_cosine"])
    assert occupancy[3e-2][1] < occupancy[1e-5][1] - 0.01
    assert occupancy[3e-2][0] <= occupancy[1e-5][0]
