from __future__ import annotations

import numpy as np
import pytest

from harness.core.errors import DataError
from harness.datasets.dataset import Dataset, load_dataset
from harness.datasets.npz_bags import read_npz_bags

X = np.arange(12, dtype=np.int16).reshape(6, 2)
ARRAYS = {"X": X, "bag": np.array([1, 1, 2, 3, 3, 3]), "y": np.array([1, 0, 1], np.int8)}
LABELS = "slide,patient,label\ntiny_001,a,tumor\ntiny_003,c,tumor\ntiny_002,b,normal\n"


@pytest.fixture
def dataset(write) -> Dataset:
    return load_dataset(write(labels=LABELS, card={"source": {"kind": "features", "file": "x.npz", "dim": 2}}))


def test_bags_by_number(dataset: Dataset) -> None:
    np.savez(dataset.folder / "x.npz", **ARRAYS)
    given = read_npz_bags(dataset)
    assert given.dim == 2
    assert given.slides == ("tiny_001", "tiny_002", "tiny_003")
    assert given.bag("tiny_002").tolist() == [[4, 5]]
    assert given.bag("tiny_003").dtype == np.float32
    assert len(given.bag("tiny_003")) == 3
    assert set(given.fingerprints) == set(dataset.slides)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"X": X[:, :1]}, "the card says 2 columns"),
        ({"X": X + np.nan}, "not finite"),
        ({"bag": np.array([1, 1, 3, 3, 3, 3])}, "number the rows"),
        ({"bag": np.array([0, 0, 1, 2, 2, 2])}, "number the rows"),
        ({"bag": np.array([1, 2, 1, 3, 3, 3])}, "number the rows"),
        ({"bag": np.array([1, 1, 2, 3, 3])}, "number the rows"),
        ({"bag": np.array([1, 1, 2, 2, 2, 2])}, "holds 2 bags"),
        ({"y": np.array([1, 0])}, "y has shape"),
        ({"y": np.array([0, 0, 1])}, "label of tiny_001"),
        ({"y": np.array([1, 0, {}], object)}, "cannot be read"),
    ],
)
def test_what_disagrees_with_card_or_labels_is_refused(dataset: Dataset, changed, words: str) -> None:
    np.savez(dataset.folder / "x.npz", **(ARRAYS | changed))
    with pytest.raises(DataError, match=words):
        read_npz_bags(dataset)


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "missing"), (b"", "cannot be read"), (b"PK\x03\x04 cut", "cannot be read"), (b"text", "cannot be read")],
)
def test_a_file_that_is_none(dataset: Dataset, content: bytes | None, words: str) -> None:
    if content is not None:
        (dataset.folder / "x.npz").write_bytes(content)
    with pytest.raises(DataError, match=words):
        read_npz_bags(dataset)


def test_a_lacking_array(dataset: Dataset) -> None:
    np.savez(dataset.folder / "x.npz", X=X)
    with pytest.raises(DataError, match="lacks one of the arrays"):
        read_npz_bags(dataset)
