"""Features by a trained embedder know which slides shaped it, and are refused where that would leak."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import harness
from harness import DataError, LeakError
from harness.accounting.meter import Meter
from harness.bags.tile_source import PatchReader, TileBags
from harness.encoders import build_encoder
from harness.protocol.splits import Fold
from harness.seeds import Seeds
from harness.training.embed import embed_bags, open_embedded
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
    assert store.manifest.header.provenance == {"fold": "r0f0", "trained_on": ["a", "b"]}


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
