"""Eight leaks, planted one by one, each through the real thing: every one is refused, and names the slides."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from harness.core.errors import DataError, LeakError
from harness.datasets.card import TissueSettings
from harness.datasets.dataset import Dataset, load_dataset
from harness.datasets.fingerprint import bag_fingerprint
from harness.datasets.npz_bags import read_npz_bags
from harness.datasets.splits import Fold
from harness.protocols.audit_study import audit_study
from harness.protocols.near_duplicates import compare_bags
from harness.slides.index import index_path, load, thumbnail_path
from harness.slides.prepare import PrepareSettings, prepare_slides
from harness.slides.side_by_side import compare_slides

SETTINGS = PrepareSettings(mpp=(1.0,), tile_px=32, tissue=TissueSettings(mpp=4.0, min_area_mm2=0.001), slide_mpp=1.0)


def tissue(seed: int, side: int = 512) -> np.ndarray:
    rng = np.random.default_rng(seed)
    blobs = ndimage.gaussian_filter(rng.normal(size=(side, side)), 20)
    amount = np.clip((blobs - np.quantile(blobs, 0.6)) / blobs.std(), 0, 1)[..., None]
    picture = 243 - amount * np.array([60.0, 140.0, 70.0]) + rng.normal(0, 3, (side, side, 3))
    return picture.clip(0, 255).astype(np.uint8)


def refused(dataset: Dataset, *args, fold: Fold | None = None, **more) -> str:
    folds = dataset.splits().folds if fold is None else (fold,)
    with pytest.raises(LeakError) as error:
        audit_study(dataset, folds, *args, **more)
    assert "repeat 0, fold 0" in error.value.place
    return error.value.problem


@pytest.fixture
def slides(tiny: Dataset, tmp_path: Path):
    """Prepares the six slides of ``tiny``, with some replaced; their content, and how their thumbnails compare."""

    def prepared(**replaced: np.ndarray):
        folder = tmp_path / "slides"
        folder.mkdir(exist_ok=True)
        paths = {}
        for number, slide in enumerate(tiny.slides):
            paths[slide] = folder / f"{slide}.png"
            Image.fromarray(replaced.get(slide, tissue(number))).save(paths[slide])
        report = prepare_slides(paths, tmp_path / "prepared", SETTINGS, workers=0)
        assert not report.failed, report.failed
        indexes = {slide: load(index_path(tmp_path / "prepared", slide)) for slide in paths}
        content = {slide: index.fingerprint for slide, index in indexes.items()}
        hashes = {slide: index.perceptual for slide, index in indexes.items()}
        thumbnails = {slide: thumbnail_path(tmp_path / "prepared", slide) for slide in paths}
        return content, compare_slides(hashes, thumbnails, tmp_path / "suspected")

    return prepared


def test_without_a_leak_everything_passes_and_is_counted(tiny: Dataset, slides) -> None:
    content, comparison = slides()
    report = audit_study(tiny, tiny.splits().folds, content, comparison=comparison)
    assert report.compared == {"content": 15, "thumbnails": 15}
    assert report.warnings == ()
    assert report.excepted == ()
    assert report.lines[0] == ("no leak: 1 folds, 6 slides of 5 patients; 15 pairs by content, 15 pairs by thumbnails")


def test_1_the_same_slide_twice(tiny: Dataset) -> None:
    fold = Fold(0, 0, ("normal_001", "tumor_001"), ("tumor_002",), ("tumor_001", "test_001"))
    assert refused(tiny, None, fold=fold) == "the split leaks: slide tumor_001 is in train and in test"


def test_2_the_same_patient(tiny: Dataset) -> None:
    fold = Fold(0, 0, ("normal_001", "tumor_001"), ("tumor_002",), ("normal_002", "test_001"))
    assert "patient p1 is in train (normal_001) and in test (normal_002)" in refused(tiny, None, fold=fold)


def test_3_identical_content_under_two_names(tiny: Dataset, slides) -> None:
    content, comparison = slides(test_001=tissue(0))
    problem = refused(tiny, content, comparison=comparison)
    assert problem == "the split leaks: the same content is in train (normal_001) and in test (test_001)"


def encoded(picture: np.ndarray) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=50)
    return np.asarray(Image.open(file).convert("RGB"))


@pytest.mark.parametrize(
    "change",
    [
        encoded,
        lambda picture: np.ascontiguousarray(np.rot90(picture)),
        lambda picture: (picture * 0.85).astype(np.uint8),
        lambda picture: encoded(np.ascontiguousarray(picture[::-1]))[::2, ::2],
    ],
    ids=["re-encoded", "turned", "darker", "mirrored, re-encoded, half the size"],
)
def test_4_nearly_the_same_slide(tiny: Dataset, slides, change) -> None:
    content, comparison = slides(test_001=change(tissue(2)))
    assert content["test_001"] != content["tumor_001"]
    problem = refused(tiny, content, comparison=comparison)
    assert "nearly the same content is in train (tumor_001) and in test (test_001): their thumbnails differ" in problem
    assert "of 255 bits" in problem


def test_5_a_bag_of_features_with_the_rows_of_another(toy_dataset: Path) -> None:
    path = toy_dataset / "features.npz"
    with np.load(path, allow_pickle=False) as file:
        values = dict(file)
    # Slide 1 is tested in the first fold, slide 5 is trained on: float16 and another order, so the bytes differ.
    kept, tested, trained = (values["bag"] != 1, values["bag"] == 1, values["bag"] == 5)
    assert tested.any()
    copy = values["X"][trained][::-1].astype(np.float16).astype(np.float32)
    values["X"] = np.concatenate([copy, values["X"][kept]])
    values["bag"] = np.concatenate([np.full(len(copy), 1), values["bag"][kept]])
    np.savez(path, **values)
    dataset = load_dataset(toy_dataset)
    given = read_npz_bags(dataset)
    fold = dataset.splits().folds[0]
    assert "toy_001" in fold.test
    assert "toy_005" in fold.train
    assert bag_fingerprint(given.bag("toy_001")) != bag_fingerprint(given.bag("toy_005"))
    problem = refused(dataset, given.fingerprints, comparison=compare_bags(given.slides, given.bag))
    assert "nearly the same content is in train (toy_005) and in test (toy_001)" in problem
    assert "of their rows" in problem


FOLD = Fold(0, 0, ("normal_001", "normal_002", "tumor_001"), ("tumor_002",), ("test_001", "test_002"))
OTHER = Fold(0, 1, ("test_001", "test_002", "tumor_001"), ("tumor_002",), ("normal_001", "normal_002"))


def test_6_features_that_another_fold_has_shaped(tiny: Dataset, tmp_path: Path) -> None:
    from harness.encoders import build_encoder
    from harness.features.manifest import TrainingSlides
    from harness.features.training_slides import save_weights, training_slides_of

    path = tmp_path / "tuned.safetensors"
    encoder = build_encoder("conv64", tile_px=64, seed=0)
    save_weights(encoder, path, TrainingSlides(OTHER.train, OTHER.val, OTHER.name, "unit-7"))
    name = f"file:conv64={path}"
    build_encoder(name, tile_px=64, seed=1)
    shaped = training_slides_of(name)
    assert shaped is not None
    problem = refused(tiny, None, trained_elsewhere={f"encoder {path.name}": shaped}, fold=FOLD)
    assert "encoder tuned.safetensors was trained on 2 slides" in problem
    assert "test_001 (test), test_002 (test)" in problem
    audit_study(tiny, [OTHER], None, trained_elsewhere={"encoder": shaped})


class Net:
    """What a stage of some method trains and keeps in its checkpoint."""

    def __init__(self, **parts):
        import torch
        from torch import nn

        self.module = nn.Linear(3, 2)
        for name, value in parts.items():
            self.module.register_buffer(name, torch.as_tensor(value))


@pytest.mark.parametrize("part", ["codebook", "bank", "segmenter", "embedder"])
@pytest.mark.parametrize("finished", [False, True], ids=["under way", "finished"])
def test_7_and_8_what_a_stage_of_another_fold_has_trained(make_run, part: str, finished: bool) -> None:
    import torch

    from harness.api.stage import Stage
    from harness.training.loop import train_stage

    class KilledError(Exception):
        pass

    def stage(killed_at: int) -> Stage:
        net = Net(**{part: [1.0, 2.0]})
        steps = iter(range(100))

        def loss(batch):
            if next(steps) == killed_at:
                raise KilledError
            return net.module(batch).square().mean()

        return Stage(
            name=part,
            module=net.module,
            batches=lambda epoch, start: iter([torch.ones(1, 3)] * (4 - start)),
            steps_per_epoch=4,
            loss=loss,
            optimizers=[torch.optim.SGD(net.module.parameters(), 0.1)],
            epochs=1,
            select_by="last",
        )

    # Both folds use one work folder, as after a mistaken copy.
    if finished:
        train_stage(stage(-1), make_run(fold=OTHER))
    else:
        with pytest.raises(KilledError):
            train_stage(stage(2), make_run(fold=OTHER))
    with pytest.raises(LeakError) as error:
        train_stage(stage(-1), make_run(fold=FOLD))
    assert f"stage {part} was trained on 2 slides that it must not have seen" in error.value.problem
    assert "test_001 (test), test_002 (test)" in error.value.problem
    assert error.value.place == "repeat 0, fold 0"
    train_stage(stage(-1), make_run(fold=OTHER))


def test_near_duplicates_that_the_card_declares_different(tiny: Dataset, slides, write) -> None:
    content, comparison = slides(test_001=encoded(tissue(2)))
    declared = load_dataset(write(card={"not_duplicates": [["test_001", "tumor_001"]]}))
    report = audit_study(declared, declared.splits().folds, content, comparison=comparison)
    assert [sorted(pair.pair) for pair in report.excepted] == [["test_001", "tumor_001"]]
    assert any(line.startswith("declared different: tumor_001 and test_001") for line in report.lines)
    assert report.as_dict()["declared_different"][0]["slides"] == ["tumor_001", "test_001"]
    # It excuses near-duplicates, not identity.
    content, comparison = slides(test_001=tissue(2))
    assert "the same content" in refused(declared, content, comparison=comparison)


def test_a_slide_turned_by_seven_degrees_is_suspected_and_shown(tiny: Dataset, slides, write) -> None:
    turned = ndimage.rotate(tissue(2), 7, axes=(0, 1), reshape=False, order=1, cval=243)
    content, comparison = slides(test_001=turned)
    report = audit_study(tiny, tiny.splits().folds, content, comparison=comparison)
    (pair,) = report.suspected
    assert pair.pair == {"tumor_001", "test_001"}
    assert pair.picture is not None
    with Image.open(pair.picture) as picture:
        assert picture.width > 2 * 128
    assert [text for text in report.warnings if str(pair.picture) in text]
    assert report.as_dict()["suspected"][0]["picture"] == str(pair.picture)
    declared = load_dataset(write(card={"not_duplicates": [["test_001", "tumor_001"]]}))
    report = audit_study(declared, declared.splits().folds, content, comparison=comparison)
    assert (report.suspected, report.warnings) == ((), ())
    assert [one.pair for one in report.excepted] == [pair.pair]


def test_a_declared_pair_that_does_not_exist(write) -> None:
    with pytest.raises(DataError, match="'tumor_003' to be no duplicate") as error:
        load_dataset(write(card={"not_duplicates": [["tumor_003", "test_001"]]}))
    assert "did you mean 'tumor_00" in error.value.fix


def test_near_duplicates_inside_one_part_are_a_warning(tiny: Dataset, slides) -> None:
    content, comparison = slides(test_001=tissue(9), test_002=encoded(tissue(9)))
    report = audit_study(tiny, tiny.splits().folds, content, comparison=comparison)
    assert len(report.warnings) == 1
    assert report.warnings[0].startswith("nearly the same content inside test of repeat 0, fold 0: test_001, test_002")


def test_an_index_of_an_older_version_is_made_anew(slides, tmp_path: Path) -> None:
    from dataclasses import replace

    slides()
    path = index_path(tmp_path / "prepared", "test_001")
    known = load(path)
    assert len(known.perceptual) == 64
    replace(known, perceptual="").save(path)
    slides()
    assert load(path).perceptual == known.perceptual
    assert known.perceptual in (tmp_path / "prepared" / "slides.csv").read_text()
