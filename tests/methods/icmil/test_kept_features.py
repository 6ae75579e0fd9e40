"""What ICMIL leaves behind: the features of the kept round, for its own fold only."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from support.coupled import fitted, tile_bags

from harness import LeakError
from harness.bags.feature_source import FeatureBags
from harness.bags.tile_source import TileBags
from harness.datasets.splits import Fold
from harness.features import FeatureStore
from harness.features.precomputed import deliver


@pytest.fixture
def unit(tmp_path):
    """A finished unit: its test bags, its prediction of them, its fold and the folder of the features it kept."""
    train, val, test = tile_bags(6, 0), tile_bags(4, 1), tile_bags(4, 2)
    coupling, run = fitted(tmp_path / "unit" / "work", train, val)
    run.fold = Fold(0, 0, train.ids, val.ids, test.ids)
    prediction = coupling.predict(test)
    (folder,) = deliver(run.keep(""), tmp_path / "unit")
    shutil.rmtree(run.workdir)
    return coupling, test, prediction, run.fold, folder


def test_the_features_of_the_last_round_stay_with_a_manifest_of_their_own(unit):
    coupling, test, prediction, fold, folder = unit
    assert folder.parts[-2:] == ("features", "icmil_round1")
    store = FeatureStore.open(folder, fold=fold)
    store.verify()
    assert set(store.slides) == {*fold.train, *fold.val, *fold.test}
    header = store.manifest.header
    assert (header.dtype, header.dim) == ("float16", 512)
    shaped = header.encoder_trained_on
    assert (shaped.slides, shaped.chosen_on, shaped.fold, shaped.unit) == (fold.train, fold.val, "r0f0", "unit")
    # A bag model on frozen features finds in the set what this one predicted from.
    bags = FeatureBags(test.ids, None, store.bag, store.dim)
    again = coupling.kept.bag_model.predict(bags, coupling.run)
    np.testing.assert_allclose(again.probabilities, prediction.probabilities, atol=1e-3)


def test_another_fold_is_refused_by_name(unit):
    _, _, _, fold, folder = unit
    other = Fold(0, 1, fold.val + fold.train[2:], fold.train[:1], fold.test + fold.train[1:2])
    with pytest.raises(LeakError) as caught:
        FeatureStore.open(folder, fold=other)
    assert "p0s0 (val), p0s1 (test)" in caught.value.problem
    assert caught.value.place == "repeat 0, fold 1"
    with pytest.raises(LeakError, match="serve that fold only"):
        FeatureStore.open(folder)


def test_only_features_that_training_slides_shaped_are_kept(tmp_path):
    train, val = tile_bags(6, 0), tile_bags(4, 1)
    for name, changes, kept in (
        ("published", {"iterations": 0}, []),
        ("warm", {"iterations": 0, "warm_epochs": 1}, ["icmil_round0"]),
        ("coupled", {"iterations": 2}, ["icmil_round2"]),
        ("unwanted", {"keep_features": False}, []),
    ):
        coupling, run = fitted(tmp_path / name, train, val, **changes)
        assert [path.name for path in run.keep("features").glob("*")] == kept, name
        coupling.predict(val)


def test_prediction_never_reads_what_is_stored(tmp_path):
    """Bags of the same name with other tiles get an answer of their own, and do not change the set."""
    train, val, test = tile_bags(6, 0), tile_bags(4, 1), tile_bags(4, 2)
    coupling, _ = fitted(tmp_path / "run", train, val)
    first = coupling.predict(test)
    other = tile_bags(4, 3)
    renamed = TileBags(test.ids, None, other._reader.renamed(dict(zip(other.ids, test.ids, strict=True))))
    second = coupling.predict(renamed)
    assert not np.array_equal(first.probabilities, second.probabilities)
    assert np.array_equal(coupling.predict(test).probabilities, first.probabilities)
