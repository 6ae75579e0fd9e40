"""What a step is fed with: gradients to fresh tiles only, a bank of clean features, a codebook of training tiles."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from harness import DataError
from methods.dre_slcl import contrast, training
from methods.dre_slcl.codebook import fit_codebook
from methods.dre_slcl.feed import Feed, encode_bag
from methods.dre_slcl.network import ContrastNet


@pytest.fixture
def make_feed(make_method, make_bags, make_run):
    """A function that makes the feed of the contrast stage, begun."""

    def make(name: str = "run", bags=None, **params: object) -> Feed:
        method, run = make_method(**params), make_run(name)
        bags = bags or make_bags()
        with run.seeded("init", "contrast"):
            backbone = training.build_backbone(method, bags, run)
        return Feed("contrast", backbone, bags, run, method.params, first=True)

    return make


def _first(feed: Feed):
    feed.backbone.train()
    return next(feed.batches(0, 0))


def test_the_gradient_reaches_the_encoder_and_not_the_bank(make_feed):
    feed = make_feed()
    draw = _first(feed)
    before = feed.bank.features.tobytes()
    fed = feed.features(draw)
    slides, _ = feed.backbone.slides(fed.features, fed.offsets)
    (gradient,) = torch.autograd.grad(slides.square().sum(), fed.features, retain_graph=True)
    assert gradient.abs().sum() > 0
    slides.sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in feed.backbone.encoder.parameters())
    assert feed.bank.features.tobytes() == before
    assert not feed.backbone.codebook.requires_grad


def test_every_tile_of_a_small_slide_counts_once(make_feed):
    feed = make_feed(stored_tiles=1000, augment="none")
    draw = _first(feed)
    fed = feed.features(draw)
    _, counts = feed.backbone.slides(fed.features, fed.offsets)
    assert counts.sum(1).tolist() == [feed.train.count(int(slide)) for slide in draw.slides]
    # Nothing has been trained yet, so fresh and stored tiles together are the slide as inference sees it.
    for slide, part in zip(draw.slides, fed.features.detach().split(fed.offsets.diff().tolist()), strict=True):
        whole = encode_bag(feed.backbone, feed.train, int(slide), feed.run)
        torch.testing.assert_close(part.sum(0), whole.sum(0), rtol=0, atol=5e-3)


def test_what_is_written_is_detached_clean_and_of_the_evaluation_mode(make_feed):
    feed = make_feed(augment="rotate")
    draw = _first(feed)
    with torch.no_grad():
        for weight in feed.backbone.encoder.parameters():
            weight.mul_(1.1)
    feed.features(draw)
    logs = feed.write(draw)
    assert feed.backbone.training and float(logs["bank_cosine"]) < 0.9999
    for slide, rows in zip(draw.slides, draw.fresh, strict=True):
        whole = encode_bag(feed.backbone, feed.train, int(slide), feed.run).numpy()
        np.testing.assert_allclose(feed.bank.read(int(slide), rows), whole[rows], atol=2e-3)
        assert feed.bank.ages(int(slide), rows, 3).tolist() == [3] * len(rows)
    untouched = next(slide for slide in range(len(feed.train)) if slide not in draw.slides)
    assert feed.bank.ages(untouched, np.arange(2), 3).tolist() == [3, 3]


def test_augmentation_reaches_fresh_tiles_and_not_the_bank(make_feed):
    plain, turned = make_feed("a", augment="none"), make_feed("b", augment="rotate")
    fed = [feed.features(_first(feed)).features for feed in (plain, turned)]
    assert not torch.allclose(fed[0], fed[1])
    assert plain.bank.features.tobytes() == turned.bank.features.tobytes()


def test_the_codebook_is_k_means_on_training_tiles_and_no_others(make_feed, make_bags, monkeypatch):
    bags = make_bags()
    read = []
    original = bags._reader.read
    monkeypatch.setattr(bags._reader, "read", lambda slide, *rest: (read.append(slide), original(slide, *rest))[1])
    feed = make_feed(bags=bags)
    _first(feed)
    assert set(read) == set(bags.ids)
    features = feed.codebook_features()
    assert len(features) == sum(bags.count(k) for k in range(len(bags)))
    book = feed.backbone.codebook.numpy()
    nearest = np.square(features[:, None] - book).sum(2).argmin(1)
    for word in range(len(book)):
        np.testing.assert_allclose(book[word], features[nearest == word].mean(0), atol=1e-4)


def test_validation_slides_leave_bank_and_codebook_as_they_are(make_method, make_bags, make_run):
    books = []
    for name, val in (("with", make_bags(6, first=100)), ("without", None)):
        method, run = make_method(downstream="probe"), make_run(name)
        method.fit(make_bags(), val, run)
        books.append(method.backbone.codebook)
    assert torch.equal(*books)


def test_too_few_tiles_for_the_codebook_are_refused():
    with pytest.raises(DataError, match="cannot make 8 codewords"):
        fit_codebook(np.ones((5, 3), np.float32), 8, 0)
    assert fit_codebook(np.ones((5, 3), np.float32), 2, 0).shape == (2, 3)


def test_gradient_caching_is_the_plain_gradient(make_feed):
    gradients, losses = [], []
    for name, chunk, recompute in (("plain", 0, False), ("cached", 5, True)):
        feed = make_feed(name, encode_chunk=chunk, recompute=recompute, augment="rotate", batch_size=12)
        draw = _first(feed)
        with feed.run.seeded("init", "text"):
            net = ContrastNet(feed.backbone, 16).double().train()
            vectors = torch.randn(len(draw.slides), 16, dtype=torch.float64)
        with feed.run.seeded("dropout"):
            fed = feed.features(draw)
            projected, _ = net(fed.features, fed.offsets)
            loss = contrast.info_nce(projected, vectors, torch.eye(len(vectors), dtype=torch.bool), 0.07)
            loss.backward()
        losses.append(loss.detach())
        gradients.append({key: p.grad for key, p in net.named_parameters()})
        assert float(fed.logs["feature_grad"]) > 0
    torch.testing.assert_close(*losses, rtol=0, atol=1e-12)
    for name, value in gradients[0].items():
        assert value.dtype == torch.float64
        torch.testing.assert_close(gradients[1][name], value, rtol=0, atol=1e-6)


def test_batch_norm_keeps_calibrated_statistics_in_training(make_feed):
    feed = make_feed()
    _first(feed)
    norms = [part for part in feed.backbone.encoder.modules() if isinstance(part, nn.BatchNorm2d)]
    means = [part.running_mean.clone() for part in norms]
    assert norms and all(mean.abs().sum() > 0 for mean in means)
    feed.backbone.train()
    assert feed.backbone.refiner.training and not any(part.training for part in norms)
    feed.features(next(feed.batches(0, 1)))
    assert all(torch.equal(part.running_mean, mean) for part, mean in zip(norms, means, strict=True))
