"""The finished store: what comes back, what is refused, what is noticed."""

from __future__ import annotations

import json
import os
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import DataError
from harness.features import FeatureStore
from harness.features.manifest import MANIFEST
from harness.features.store import COORDS, FEATURES

from .conftest import KEY, rows, write


def test_bags_come_back_as_they_were_written(store: FeatureStore) -> None:
    assert store.slides == ("a", "b", "c")
    assert store.dim == 4
    for slide, tiles in {"a": 3, "b": 5, "c": 2}.items():
        assert store.count(slide) == tiles
        np.testing.assert_array_equal(store.bag(slide), rows(slide, tiles))
        coords = store.coords(slide)
        assert coords is not None
        np.testing.assert_array_equal(coords, np.arange(2 * tiles).reshape(-1, 2))
    assert "a" in store
    assert "z" not in store
    assert store.seconds == {"read": 3.0, "encode": 6.0}


@given(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=12), half=st.booleans())
def test_any_sizes_survive_the_round_trip(
    sizes: list[int], half: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("store")
    slides = {f"s{number}": size for number, size in enumerate(sizes)}
    write(folder, slides, dtype="float16" if half else "float32", dim=3)
    back = FeatureStore.open(folder, KEY)
    back.verify()
    for slide, size in slides.items():
        expected = rows(slide, size, 3).astype(np.float16 if half else np.float32)
        np.testing.assert_array_equal(back.bag(slide), expected)


def test_a_bag_is_a_read_only_view_of_the_file(store: FeatureStore) -> None:
    bag = store.bag("b")
    assert np.shares_memory(bag, store.bag("b"))
    with pytest.raises(ValueError, match="read-only"):
        bag[0, 0] = 1


def test_a_store_travels_to_another_process_without_its_features(store: FeatureStore) -> None:
    data = pickle.dumps(store)
    assert len(data) < 500
    np.testing.assert_array_equal(pickle.loads(data).bag("b"), store.bag("b"))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"encoder": "conv64"}, "encoder is 'random:resnet18', wanted 'conv64'"),
        ({"weights_sha256": "cd" * 32}, "weights_sha256 is abababababab, wanted cdcdcdcdcdcd"),
        ({"mpp": 1.0}, "mpp is 0.5, wanted 1.0"),
        ({"tile_px": 256}, "tile_px is 64, wanted 256"),
    ],
)
def test_other_features_than_asked_for_are_refused(store: FeatureStore, change: dict[str, object], named: str) -> None:
    FeatureStore.open(store.folder, KEY)
    with pytest.raises(DataError) as caught:
        FeatureStore.open(store.folder, replace(KEY, **change))  # type: ignore[arg-type]
    assert named in caught.value.problem
    assert caught.value.place == str(store.folder)


def test_a_missing_slide_and_a_missing_store_say_what_to_do(store: FeatureStore, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="slide z has no features"):
        store.bag("z")
    with pytest.raises(DataError, match="no finished features"):
        FeatureStore.open(tmp_path / "nowhere")


@pytest.mark.parametrize("name", [FEATURES, COORDS])
def test_a_file_cut_short_names_the_slides_that_are_lost(store: FeatureStore, name: str) -> None:
    path = store.folder / name
    os.truncate(path, path.stat().st_size * 6 // 10)  # 6 of 10 rows: a is whole, b has lost some
    with pytest.raises(DataError, match=r"cut short.*slides b, c") as caught:
        FeatureStore.open(store.folder)
    assert caught.value.place == str(path)
    path.unlink()
    with pytest.raises(DataError, match="slides a, b, c"):
        FeatureStore.open(store.folder)


def test_verify_names_the_slide_whose_bytes_have_changed(store: FeatureStore) -> None:
    store.verify()
    data = bytearray((store.folder / FEATURES).read_bytes())
    data[4 * 4 * 4] ^= 1  # fifth row: in b
    (store.folder / FEATURES).write_bytes(data)
    damaged = FeatureStore.open(store.folder)
    damaged.verify(["a", "c"])
    with pytest.raises(DataError, match=r"changed on disk since they were made: b "):
        damaged.verify()


@pytest.mark.parametrize("damage", ["nonsense", "format", "field", "list"])
def test_a_damaged_manifest_is_an_error_not_a_traceback(store: FeatureStore, damage: str) -> None:
    path = store.folder / MANIFEST
    values = json.loads(path.read_text())
    if damage == "format":
        values["format"] = 99
    elif damage == "field":
        del values["slides"]["a"]["crc32"]
    path.write_text({"nonsense": "{", "list": "[]"}.get(damage, json.dumps(values)))
    with pytest.raises(DataError) as caught:
        FeatureStore.open(store.folder)
    assert caught.value.place == str(path)


def test_content_identity_sees_features_key_and_slides_but_not_their_order(store: FeatureStore, tmp_path: Path) -> None:
    write(tmp_path / "other", {"c": 2, "b": 5, "a": 3})
    other = FeatureStore.open(tmp_path / "other")
    assert other.slides != store.slides
    assert other.content_sha256() == store.content_sha256()
    assert store.content_sha256(["a"]) != store.content_sha256(["b"])
    with pytest.raises(DataError, match="slide z has no features"):
        store.content_sha256(["a", "z"])
    write(tmp_path / "key", {"a": 3, "b": 5, "c": 2}, key=replace(KEY, mpp=1.0))
    assert FeatureStore.open(tmp_path / "key").content_sha256() != store.content_sha256()
