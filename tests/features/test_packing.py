"""One pass over a folder of features: what comes out, what is refused, and what a second pass does not read again."""

from __future__ import annotations

import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from blake3 import blake3

import harness.features.rows as rows_module
from harness.core.errors import DataError
from harness.features.declared import Declared
from harness.features.formats.base import Facts
from harness.features.formats.detect import detect
from harness.features.packing import Packing
from harness.features.rows import as_stored, check_columns


@pytest.fixture
def bags(tmp_path: Path) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    found = {f"S{number}": rng.normal(size=(3 + number, 8)).astype(np.float32) for number in range(5)}
    (tmp_path / "set").mkdir()
    for slide, rows in found.items():
        np.savez(tmp_path / "set" / f"{slide}.npz", features=rows, coords=np.arange(2 * len(rows)).reshape(-1, 2))
    return found


def packing(folder: Path, **values) -> Packing:
    found = detect(folder / "set")
    return Packing(found, {file.slide: file for file in found.files}, values.pop("declared", Declared()), **values)


def spoil(folder: Path, slide: str, rows: np.ndarray) -> None:
    np.savez(folder / "set" / f"{slide}.npz", features=rows)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_what_is_packed_is_what_the_files_hold(tmp_path: Path, bags, dtype) -> None:
    packed = packing(tmp_path, dtype=dtype).run(tmp_path / "store")
    assert packed.refused == {}
    assert packed.declared.dim == 8
    for slide, rows in bags.items():
        np.testing.assert_array_equal(packed.store.bag(slide), rows.astype(dtype))
        np.testing.assert_array_equal(packed.store.coords(slide), np.arange(2 * len(rows)).reshape(-1, 2))
        assert packed.store.manifest.slides[slide].content.startswith("blake3:")
    packed.store.verify()


def test_nothing_is_read_again_but_a_file_that_changed(tmp_path: Path, bags, monkeypatch) -> None:
    packing(tmp_path).run(tmp_path / "store")
    spoil(tmp_path, "S1", bags["S1"] + 1)
    again = packing(tmp_path)
    reads: list[str] = []
    kind = type(again.source)
    plain = kind.read
    monkeypatch.setattr(kind, "read", lambda self, file: reads.append(file.slide) or plain(self, file))
    store = again.run(tmp_path / "store").store
    assert reads == ["S0", "S1"], "the first one tells what all have in common"
    np.testing.assert_array_equal(store.bag("S1"), (bags["S1"] + 1).astype(np.float16))
    reads.clear()
    packing(tmp_path).run(tmp_path / "store")
    assert reads == []


def test_an_interrupted_pass_goes_on(tmp_path: Path, bags, monkeypatch) -> None:
    first = packing(tmp_path, workers=1)
    kind, reads, interrupted = type(first.source), [], []
    plain = kind.read

    def read(self, file):
        reads.append(file.slide)
        if file.slide == "S4" and interrupted == []:
            interrupted.append(True)
            raise KeyboardInterrupt
        return plain(self, file)

    monkeypatch.setattr(kind, "read", read)
    with pytest.raises(KeyboardInterrupt):
        first.run(tmp_path / "store")
    reads.clear()
    assert set(packing(tmp_path).run(tmp_path / "store").store.slides) == set(bags)
    assert set(reads) < set(bags)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (np.full((3, 8), np.nan, np.float32), "3 of 3 tiles"),
        (np.full((3, 8), 1e5, np.float32), "1e.05.*float16"),
        (np.empty((0, 8), np.float32), "no tiles"),
        (np.ones((3, 9), np.float32), "9 columns, wanted 8"),
        (np.ones((2, 3, 8), np.float32), "shape"),
    ],
)
def test_a_slide_that_cannot_be_used_is_named(tmp_path: Path, bags, rows, words: str) -> None:
    spoil(tmp_path, "S3", rows)
    with pytest.raises(DataError, match=words) as refused:
        packing(tmp_path).run(tmp_path / "store")
    assert "S3" in refused.value.problem
    partial = packing(tmp_path).run(tmp_path / "store", partial=True)
    assert set(partial.refused) == {"S3"}
    assert set(partial.store.slides) == set(bags) - {"S3"}


def test_large_numbers_fit_float32(tmp_path: Path, bags) -> None:
    spoil(tmp_path, "S3", np.full((3, 8), 1e5, np.float32))
    store = packing(tmp_path, dtype="float32").run(tmp_path / "store").store
    assert float(store.bag("S3").max()) == pytest.approx(1e5)


def test_a_link_to_nothing_is_named(tmp_path: Path, bags) -> None:
    (tmp_path / "set" / "S2.npz").unlink()
    (tmp_path / "set" / "S2.npz").symlink_to(tmp_path / "gone.npz")
    with pytest.raises(DataError, match="slide S2"):
        packing(tmp_path).run(tmp_path / "store")


def test_all_refused_slides_are_named_at_once(tmp_path: Path, bags) -> None:
    for slide in ("S1", "S3"):
        spoil(tmp_path, slide, np.full((3, 8), np.inf, np.float32))
    with pytest.raises(DataError, match=r"2 of 5 slides.*S1.*S3"):
        packing(tmp_path).run(tmp_path / "store")


@pytest.mark.parametrize(
    ("declared", "stated", "words"),
    [
        (Facts(encoder="uni_v2"), Facts(encoder="conch_v1"), r"uni_v2.*conch_v1"),
        (Facts(tile_px=256), Facts(tile_px=512), r"256.*512"),
        (Facts(mpp=0.5), Facts(mpp=1.0), r"0.5.*1.0"),
        (Facts(magnification=20), Facts(magnification=40), r"20.*40"),
    ],
)
def test_a_contradiction_shows_both_sides(declared: Facts, stated: Facts, words: str) -> None:
    with pytest.raises(DataError, match=words):
        Declared(declared).with_files(stated, Facts(), 1536, "S1.h5")


def test_files_outrank_names_of_folders_and_fill_in_what_is_not_declared() -> None:
    known = Declared(Facts(tile_px=256)).with_files(Facts(encoder="virchow2"), Facts(encoder="uni", mpp=0.5), 2560, "x")
    assert known.facts.stated() == {"encoder": "virchow2@cls+mean", "tile_px": 256, "mpp": 0.5}
    with pytest.raises(DataError, match="1024"):
        Declared(Facts(encoder="uni")).with_files(Facts(), Facts(), 1536, "x")


def test_the_sample_is_the_same_in_any_order() -> None:
    rows = np.random.default_rng(0).normal(size=(500, 16)).astype(np.float16)
    order = np.random.default_rng(1).permutation(500)
    one, other = (as_stored(features, None, "float16", "S1") for features in (rows, rows[order]))
    assert {row.tobytes() for row in one.rows[one.sample]} == {row.tobytes() for row in other.rows[other.sample]}


@pytest.mark.parametrize("made", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_one_pass_in_blocks_gives_what_whole_arrays_give(monkeypatch, made: type, dtype: str) -> None:
    monkeypatch.setattr(rows_module, "BLOCK_BYTES", 7 * 16 * 4)
    features = np.random.default_rng(0).normal(size=(500, 16)).astype(made)
    features.setflags(write=made is not np.float32)
    coords = np.arange(1000).reshape(500, 2)
    stored = as_stored(features, coords, dtype, "S1")
    np.testing.assert_array_equal(stored.rows, features.astype(dtype))
    assert stored.crc32 == zlib.crc32(stored.rows.tobytes())
    words = f"{stored.rows.dtype.str} (500, 16)".encode() + stored.rows.tobytes() + coords.tobytes()
    assert stored.content == f"blake3:{blake3(words).hexdigest()}"
    features = np.array(features)
    for row, value in ((499, np.nan), (0, -np.inf)):
        features[row, 15] = value
        with pytest.raises(DataError, match="of 500 tiles have features that are not finite"):
            as_stored(features, None, dtype, "S1")


def test_a_number_too_large_for_the_type_is_no_infinite_one() -> None:
    features = np.ones((3, 4), np.float32)
    features[2, 1] = 1e5
    with pytest.raises(DataError, match="1e\\+05 do not fit float16"):
        as_stored(features, None, "float16", "S1")
    assert as_stored(features, None, "float32", "S1").rows is features


def test_columns_that_are_no_features_are_refused() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(20, 32)).astype(np.float32)
    check_columns(rows, "S1")
    check_columns(np.maximum(rows, 0) * (np.arange(32) < 30), "dead units at the end")
    with pytest.raises(DataError, match="last 2 columns"):
        check_columns(np.concatenate([rows, np.tile(np.float32([0, 1]), (20, 1))], axis=1), "S1")
    addresses = np.stack([np.full(20, 15), np.arange(20), np.arange(20) // 5], axis=1).astype(np.float32)
    with pytest.raises(DataError, match="first three columns"):
        check_columns(np.concatenate([addresses, rows], axis=1), "S1")


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("made", [np.float16, np.float32])
def test_rows_in_any_layout_of_memory_are_stored_alike(made, dtype) -> None:
    rows = np.random.default_rng(0).normal(size=(300, 16)).astype(made)
    fixed = rows.copy()
    fixed.flags.writeable = False
    backwards = np.ascontiguousarray(rows[::-1, ::-1])[::-1, ::-1]
    wanted = as_stored(rows, None, dtype, "here")
    for other in (fixed, backwards, np.asfortranarray(rows)):
        found = as_stored(other, None, dtype, "here")
        np.testing.assert_array_equal(found.rows, rows.astype(dtype))
        assert (found.crc32, found.content, found.sample) == (wanted.crc32, wanted.content, wanted.sample)


def test_large_numbers_whose_squares_overflow_are_stored_as_they_are() -> None:
    rows = np.full((40, 4), 3e38, np.float32)
    np.testing.assert_array_equal(as_stored(rows, None, "float32", "here").rows, rows)
    rows[7, 2] = np.inf
    with pytest.raises(DataError, match="1 of 40 tiles have features that are not finite"):
        as_stored(rows, None, "float32", "here")


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("kind", ["pt", "h5"])
def test_slides_that_are_read_in_several_threads_keep_their_own_numbers(tmp_path: Path, kind, dtype) -> None:
    rng = np.random.default_rng(0)
    bags = {f"S{number:02d}": rng.normal(size=(520 + 9 * number, 512)).astype(np.float32) for number in range(12)}
    (tmp_path / "set").mkdir()
    for slide, rows in bags.items():
        if kind == "pt":
            torch.save(torch.from_numpy(rows), tmp_path / "set" / f"{slide}.pt")
        else:
            with h5py.File(tmp_path / "set" / f"{slide}.h5", "w") as file:
                file.create_dataset("features", data=rows, chunks=(1, 512), maxshape=(None, 512))
                file["coords"] = np.arange(2 * len(rows)).reshape(-1, 2)
    store = packing(tmp_path, dtype=dtype, workers=3).run(tmp_path / "store").store
    for slide, rows in bags.items():
        np.testing.assert_array_equal(store.bag(slide), rows.astype(dtype))
    store.verify()
