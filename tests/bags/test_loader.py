"""The loader: every bag once per epoch, the same batches wherever an epoch is entered."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from harness.bags.feature_source import FeatureBags, Normaliser
from harness.bags.loader import BagLoader
from harness.bags.tile_source import CachingReader, PatchReader, TileBags
from harness.core.seeds import Seeds


def _features(count: int = 7) -> FeatureBags:
    rng = np.random.default_rng(0)
    bags = {f"s{k}": rng.normal(size=(k + 1, 4)).astype(np.float32) for k in range(count)}
    return FeatureBags(list(bags), np.arange(count) % 2, bags.__getitem__, 4)


def _tiles(budget: int = 1 << 20) -> TileBags:
    patches = np.random.default_rng(1).integers(0, 256, (60, 8, 8, 3), dtype=np.uint8)
    reader = PatchReader(patches, {"a": (0, 20), "b": (20, 25), "c": (25, 60)})
    return TileBags(["a", "b", "c"], np.array([0, 1, 1]), CachingReader(reader, budget))


def test_an_epoch_holds_every_bag_once_in_a_new_order():
    loader = BagLoader(source=_features(), stage="train", seeds=Seeds(3), batch_size=2)
    epochs = [[name for batch in loader(epoch, 0) for name in batch.bags.ids] for epoch in range(3)]
    assert all(sorted(names) == [f"s{k}" for k in range(7)] for names in epochs)
    assert epochs[0] != epochs[1]
    assert loader.steps == 4


@pytest.mark.parametrize("source", [_features(), _tiles()], ids=["features", "tiles"])
def test_entering_an_epoch_in_the_middle_gives_the_same_batches(source):
    loader = BagLoader(source=source, stage="train", seeds=Seeds(3), batch_size=1, tiles=4, low_ratio=2)
    whole = list(loader(5, 0))
    rest = list(loader(5, 2))
    assert len(rest) == len(whole) - 2
    for one, other in zip(whole[2:], rest, strict=True):
        assert one.seed == other.seed
        assert one.bags.ids == other.bags.ids
        torch.testing.assert_close(one.bags.x, other.bags.x, rtol=0, atol=0)


def test_labels_stay_with_their_bags():
    source = _features()
    for batch in BagLoader(source=source, stage="train", seeds=Seeds(0), batch_size=3)(0, 0):
        for name, label, start, stop in zip(
            batch.bags.ids, batch.bags.labels, batch.bags.offsets, batch.bags.offsets[1:], strict=False
        ):
            bag = source.ids.index(name)
            assert label == source.labels[bag]
            torch.testing.assert_close(batch.bags.x[start:stop], source.read(bag))


def test_tiles_are_rgb_and_the_cache_changes_nothing():
    cached, plain = _tiles(), _tiles(budget=0)
    for rows in (np.array([3, 0, 3]), None, np.array([19])):
        one, other = cached.read(0, rows), plain.read(0, rows)
        assert one.shape[1:] == (3, 8, 8)
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_bags_without_labels_cannot_be_trained_on():
    source = FeatureBags(["a"], None, lambda _: np.ones((2, 4), np.float32), 4)
    with pytest.raises(ValueError, match="must have labels"):
        next(iter(BagLoader(source=source, stage="train", seeds=Seeds(0), batch_size=1)(0, 0)))


def test_normaliser_standardises_over_instances_of_its_own_bags():
    rng = np.random.default_rng(0)
    bags = [rng.normal(5, 3, (n, 2)).astype(np.float32) for n in (4, 90)]
    scaled = np.concatenate([Normaliser.fit([lambda bag=bag: bag for bag in bags])(bag) for bag in bags])
    np.testing.assert_allclose(scaled.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(scaled.std(0), 1, atol=1e-4)


@pytest.mark.parametrize("source", [_features(), _tiles()], ids=["features", "tiles"])
@pytest.mark.parametrize("settings", [{"divisions": 2}, {"balanced": True}], ids=["regions", "balanced"])
def test_other_ways_to_draw_are_functions_of_the_seed_and_the_step(source, settings):
    loader = BagLoader(source=source, stage="train", seeds=Seeds(3), batch_size=1, tiles=4, **settings)
    whole, rest = list(loader(5, 0)), list(loader(5, 2))
    assert len(whole) == len(source)
    for one, other in zip(whole[2:], rest, strict=True):
        assert one.bags.ids == other.bags.ids
        torch.testing.assert_close(one.bags.x, other.bags.x, rtol=0, atol=0)
        assert len(one.bags.x) == 4
