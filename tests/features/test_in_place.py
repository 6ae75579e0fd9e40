"""Features that are read where they lie: the same numbers as packed ones, and a refusal where that would be slow."""

from __future__ import annotations

import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from harness.bags.access import FeatureAccess
from harness.core.errors import DataError
from harness.features import in_place
from harness.features.declared import Declared
from harness.features.formats.detect import detect
from harness.features.in_place import Placed, place
from harness.features.packing import Packing

BAGS = {f"S{number}": np.random.default_rng(number).normal(size=(4 + number, 8)) for number in range(4)}


def write(folder: Path, kind: str) -> None:
    folder.mkdir(exist_ok=True)
    for slide, rows in BAGS.items():
        values = rows.astype(np.float16 if slide == "S1" else np.float32)
        if kind == "npy":
            np.save(folder / f"{slide}.npy", values)
        elif kind == "pt":
            torch.save(torch.from_numpy(values), folder / f"{slide}.pt")
        else:
            layout = {"h5": {}, "one row": {"chunks": (1, 8)}, "compressed": {"chunks": True, "compression": "gzip"}}
            with h5py.File(folder / f"{slide}.h5", "w") as file:
                file.create_dataset("features", data=values, **layout[kind])
                file["coords"] = np.arange(2 * len(values)).reshape(-1, 2)


def placed(tmp_path: Path) -> Placed:
    found = detect(tmp_path / "set")
    return place(Packing(found, {file.slide: file for file in found.files}, Declared(), None), tmp_path / "cache")


@pytest.mark.parametrize("kind", ["npy", "pt", "h5"])
def test_bags_are_those_of_the_files(tmp_path: Path, kind: str) -> None:
    write(tmp_path / "set", kind)
    store = placed(tmp_path).store
    assert sum(path.stat().st_size for path in (tmp_path / "cache").iterdir()) < 20_000
    access = pickle.loads(pickle.dumps(FeatureAccess.of_store(store)))
    assert {path.parent for path in access.files[:-1]} == {tmp_path / "set"}
    assert access.files[-1].parent == tmp_path / "cache", "the coordinates are read from there"
    bags = access.bags(list(BAGS))
    for number, (slide, rows) in enumerate(BAGS.items()):
        kept = rows.astype(np.float16 if slide == "S1" else np.float32).astype(np.float32)
        np.testing.assert_array_equal(bags.read(number).numpy(), kept)
        assert bags.count(number) == len(rows)
        if kind == "h5":
            np.testing.assert_array_equal(bags.coords(number), np.arange(2 * len(rows)).reshape(-1, 2))


def test_files_are_read_once_and_again_when_they_change(tmp_path: Path, monkeypatch) -> None:
    write(tmp_path / "set", "npy")
    first = placed(tmp_path).store.manifest.slides["S2"].content
    kind, reads = type(detect(tmp_path / "set")), []
    plain = kind.read
    monkeypatch.setattr(kind, "read", lambda self, file: reads.append(file.slide) or plain(self, file))
    assert placed(tmp_path).store.manifest.slides["S2"].content == first
    assert reads == []
    np.save(tmp_path / "set" / "S2.npy", np.ones((3, 8), np.float32))
    assert placed(tmp_path).store.count("S2") == 3


def test_a_file_that_became_damaged_is_the_one_that_is_named(tmp_path: Path) -> None:
    write(tmp_path / "set", "npy")
    access = FeatureAccess.of_store(placed(tmp_path).store)
    np.save(tmp_path / "set" / "S2.npy", np.full((6, 8), np.nan, np.float32))
    with pytest.raises(DataError, match="slide S2: 6 of 6 tiles") as refused:
        access.bag("S2")
    assert refused.value.place == str(tmp_path / "set" / "S2.npy")
    assert "delete" not in refused.value.fix


@pytest.mark.parametrize("kind", ["one row", "compressed"])
def test_layouts_that_are_slow_are_refused(tmp_path: Path, kind: str) -> None:
    write(tmp_path / "set", kind)
    with pytest.raises(DataError, match="one piece") as refused:
        placed(tmp_path)
    assert "--in-place" in refused.value.fix


def test_the_pass_ends_where_too_many_slides_are_refused(tmp_path: Path, monkeypatch) -> None:
    write(tmp_path / "set", "one row")
    monkeypatch.setattr(in_place, "MOST_REFUSED", 2)
    with pytest.raises(DataError, match="2 of 4 slides"):
        placed(tmp_path)


def test_files_that_hold_labels_are_not_read_in_place(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    with h5py.File(tmp_path / "set" / "cohort.h5", "w") as file:
        for slide, rows in BAGS.items():
            file[f"{slide}/feat"] = rows.astype(np.float16)
            file[slide].attrs["label"] = 1
    with pytest.raises(DataError, match="labels"):
        placed(tmp_path)
