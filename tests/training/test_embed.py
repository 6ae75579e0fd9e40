"""Features by a trained embedder know which slides it was trained on, and are refused where that would leak."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import harness
from harness import DataError, LeakError
from harness.accounting.meter import Meter
from harness.bags.tile_source import PatchReader, TileBags
from harness.core.seeds import Seeds
from harness.datasets.splits import Fold
from harness.encoders import build_encoder
from harness.features import FeatureStore
from harness.features.manifest import FeatureKey, Header, TrainingSlides
from harness.features.precomputed import PrecomputedFeatures, deliver
from harness.features.writer import FeatureWriter
from harness.training.embed import EncodedBags, embed_bags, open_embedded, save_embedded
from harness.training.run import Run

FOLDS = (Fold(0, 0, ("a", "b"), ("c",), ("d",)), Fold(0, 1, ("c", "d"), ("a",), ("b",)))


def bags(*slides: str) -> TileBags:
    patches = np.random.default_rng(0).integers(0, 256, (12, 27, 27, 3)).astype(np.uint8)
    rows = {slide: (3 * k, 3 * k + 3) for k, slide in enumerate("abcd")}
    return TileBags(slides, np.zeros(len(slides), np.int64), PatchReader(patches, rows))


def run_of(fold: Fold | None, folder: Path) -> Run:
    return Run(seeds=Seeds(1), device=torch.device("cpu"), workdir=folder, meter=Meter(), fold=fold)


@pytest.fixture
def encoder():
    return build_encoder("conv27", tile_px=27, seed=0)


def test_the_public_face_has_what_methods_with_an_embedder_need():
    assert harness.embed_bags is embed_bags
    assert harness.build_encoder is build_encoder
    assert harness.Augment("none", 27).name == "none"
    assert issubclass(harness.TileEncoder, torch.nn.Module)


def test_features_are_those_of_the_frozen_encoder_and_are_kept(encoder, tmp_path):
    run = run_of(FOLDS[0], tmp_path)
    source = bags("a", "b")
    features = embed_bags(source, encoder, tmp_path / "set", run, trained_on=("a", "b"))
    assert (features.kind, features.ids, features.dim) == ("features", ("a", "b"), 512)
    assert encoder.training
    encoder.eval()
    with torch.no_grad():
        torch.testing.assert_close(features.read(1), encoder.encode(source.read(1)), rtol=0, atol=1e-6)
    more = embed_bags(bags("d"), encoder, tmp_path / "set", run, trained_on=("a", "b"))
    store = open_embedded(tmp_path / "set", run)
    assert store.slides == ("a", "b", "d")
    assert torch.equal(more.read(0), torch.from_numpy(np.array(store.bag("d"))))
    assert store.manifest.header.encoder_trained_on == TrainingSlides(("a", "b"), (), "r0f0")


def test_another_fold_may_not_use_them(encoder, tmp_path):
    embed_bags(bags("a", "b"), encoder, tmp_path / "set", run_of(FOLDS[0], tmp_path), trained_on=("a", "b"))
    other = run_of(FOLDS[1], tmp_path)
    for use in (
        lambda: open_embedded(tmp_path / "set", other),
        lambda: embed_bags(bags("c"), encoder, tmp_path / "set", other, trained_on=("c", "d")),
        lambda: embed_bags(bags("c"), encoder, tmp_path / "new", other, trained_on=("a", "b")),
    ):
        with pytest.raises(LeakError, match=r"a \(val\), b \(test\)") as caught:
            use()
        assert caught.value.place == "repeat 0, fold 1"
    assert not (tmp_path / "new").exists()


def test_validation_slides_may_not_shape_an_embedder(encoder, tmp_path):
    with pytest.raises(LeakError, match=r"c \(val\)"):
        embed_bags(bags("a"), encoder, tmp_path / "set", run_of(FOLDS[0], tmp_path), trained_on=("a", "c"))


def test_published_weights_serve_every_fold_of_one_set_each(encoder, tmp_path):
    for fold in FOLDS:
        embed_bags(bags("a"), encoder, tmp_path / fold.name, run_of(fold, tmp_path), trained_on=())
        assert open_embedded(tmp_path / fold.name, run_of(FOLDS[0], tmp_path)).slides == ("a",)


def test_another_embedder_may_not_add_to_a_set(encoder, tmp_path):
    run = run_of(FOLDS[0], tmp_path)
    embed_bags(bags("a"), encoder, tmp_path / "set", run, trained_on=())
    with pytest.raises(DataError, match="weights_sha256"):
        embed_bags(bags("b"), build_encoder("conv27", tile_px=27, seed=1), tmp_path / "set", run, trained_on=())


def test_a_set_that_training_slides_shaped_is_opened_for_its_own_fold_only(encoder, tmp_path):
    settings = {"trained_on": ("a", "b"), "chosen_on": ("c",)}
    embed_bags(bags("a"), encoder, tmp_path / "set", run_of(FOLDS[0], tmp_path), **settings)
    assert FeatureStore.open(tmp_path / "set", fold=FOLDS[0]).slides == ("a",)
    with pytest.raises(LeakError, match="r0f0 shaped these features"):
        FeatureStore.open(tmp_path / "set")
    with pytest.raises(LeakError, match=r"was trained on 2 slides .*: a \(val\), b \(test\)"):
        FeatureStore.open(tmp_path / "set", fold=FOLDS[1])
    # Trained on nothing but training slides of that fold, but chosen by one of its test slides.
    with pytest.raises(LeakError, match=r"was chosen on 1 slides .*: c \(test\)"):
        FeatureStore.open(tmp_path / "set", fold=Fold(0, 2, ("a", "b", "d"), (), ("c",)))
    pickled = pickle.loads(pickle.dumps(FeatureStore.open(tmp_path / "set", fold=FOLDS[0])))
    assert pickled.slides == ("a",)


def test_a_kept_set_outlives_the_scratch_space_and_takes_what_is_predicted(encoder, tmp_path):
    run = run_of(FOLDS[0], tmp_path / "unit_7" / "work")
    features = embed_bags(bags("a", "b"), encoder, run.workdir / "round1", run, trained_on=("a", "b"))
    kept = save_embedded(run.workdir / "round1", run)
    test = EncodedBags(bags("d", "a"), encoder, run, kept=kept)
    torch.testing.assert_close(test.read(0, np.array([2])), EncodedBags(bags("d"), encoder, run).read(0)[2:])
    assert kept.slides == ("a", "b")
    read = [test.read(k) for k in range(2)]
    assert encoder.training
    torch.testing.assert_close(read[1], features.read(0))
    (moved,) = deliver(run.keep(""), tmp_path / "unit_7", names={"d": "slide_d"})
    shutil.rmtree(run.workdir)
    assert moved == tmp_path / "unit_7" / "features" / "round1"
    store = FeatureStore.open(moved, fold=FOLDS[0])
    store.verify()
    assert store.slides == ("a", "b", "slide_d")
    assert store.manifest.header.dtype == "float16"
    assert store.manifest.header.encoder_trained_on == TrainingSlides(("a", "b"), (), "r0f0", "unit_7")
    np.testing.assert_allclose(store.bag("slide_d"), read[0], rtol=2e-3, atol=1e-4)
    with pytest.raises(LeakError, match=r"a \(val\), b \(test\)"):
        FeatureStore.open(moved, fold=FOLDS[1])


def test_values_too_large_for_half_precision_are_kept_in_full(tmp_path):
    header = Header(FeatureKey("e", "0" * 64, 0.5, 27), 2, "float32", "fp32", "0")
    with FeatureWriter(tmp_path / "large", header) as writer:
        writer.append("a", np.array([[1e5, 1.0]]), None, fingerprint="f")
        writer.finish()
    kept = PrecomputedFeatures.copy_of(FeatureStore.open(tmp_path / "large"), tmp_path / "kept")
    store = FeatureStore.open(kept.folder)
    assert (store.manifest.header.dtype, store.bag("a").tolist()) == ("float32", [[1e5, 1.0]])


def test_features_that_cannot_be_stored_do_not_fail_the_unit(tmp_path, capsys):
    header = Header(FeatureKey("e", "0" * 64, 0.5, 27), 1, "float16", "fp32", "0")
    with FeatureWriter(tmp_path / "kept", header) as writer:
        writer.finish()
    kept = PrecomputedFeatures(tmp_path / "kept")
    kept.add("a", np.array([[1e6]]), None, "f")
    kept.add("b", np.array([[1.0]]), None, "f")
    assert kept.slides == ("b",)
    assert "features of slide a are not kept" in capsys.readouterr().err
