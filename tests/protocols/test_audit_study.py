"""The audit of a whole study: what it counts, what it leaves open, and that the shipped datasets pass."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from harness.datasets.catalog import find_dataset
from harness.datasets.dataset import load_dataset
from harness.datasets.npz_bags import read_npz_bags
from harness.protocols.audit_study import audit_study
from harness.protocols.near_duplicates import compare_bags
from harness.protocols.patch_thumbnails import patch_thumbnails
from harness.protocols.verify import verify


@pytest.mark.parametrize(("name", "pairs"), [("musk1", 4186), ("musk2", 5151)])
def test_no_two_bags_of_musk_are_alike(name: str, pairs: int) -> None:
    dataset = find_dataset(name)
    given = read_npz_bags(dataset)
    comparison = compare_bags(given.slides, given.bag)
    report = audit_study(dataset, dataset.splits().folds, given.fingerprints, comparison=comparison)
    assert report.compared == {"content": pairs, "rows": pairs}
    assert report.warnings == report.excepted == ()
    assert report.sites is None
    assert any("patients: every slide is its own" in text for text in report.unchecked)
    json.dumps(report.as_dict())


def test_what_cannot_be_checked_is_said(tiny) -> None:
    report = audit_study(tiny, tiny.splits().folds, None, unchecked=("the weather",))
    assert report.compared == {}
    assert report.unchecked == (
        "identical content: the data was not opened",
        "near-duplicates: there is nothing to compare",
        "whether label and site go together: the label table has no column of sites",
        "the weather",
    )
    assert report.lines[1:] == tuple(f"not checked: {text}" for text in report.unchecked)


def test_verify_names_near_duplicates_and_whether_they_leak(toy_dataset: Path) -> None:
    path = toy_dataset / "features.npz"
    with np.load(path, allow_pickle=False) as file:
        values = dict(file)
    rows = {slide: values["X"][values["bag"] == slide] for slide in range(1, 41)}
    rows[1], rows[3] = rows[5] + 1e-4, rows[4] + 1e-4
    values["X"] = np.concatenate(list(rows.values())).astype(np.float32)
    values["bag"] = np.repeat(np.arange(1, 41), [len(bag) for bag in rows.values()])
    np.savez(path, **values)
    found = {one.what: one for one in verify(load_dataset(toy_dataset), None).findings if one.kind == "near-duplicate"}
    assert set(found) == {"toy_001", "toy_003"}
    assert found["toy_001"].severity == "error"
    assert "nearly the same as toy_005: they share 100% of their rows; on two sides in cv2" in found["toy_001"].detail
    assert found["toy_003"].severity == "warning"
    assert "two sides" not in found["toy_003"].detail


def test_looks_of_patches_are_made_once_and_again_when_damaged(tmp_path: Path) -> None:
    tiles = np.random.default_rng(0).integers(0, 256, (50, 27, 27, 3), np.uint8)
    looks = patch_thumbnails(tiles, tmp_path)
    assert looks.shape == (50, 48)
    np.testing.assert_allclose(looks[7, :3], tiles[7, :7, :7].mean((0, 1)), atol=0.5)
    made = (tmp_path / "looks.npy").stat().st_mtime_ns
    np.testing.assert_array_equal(patch_thumbnails(tiles, tmp_path), looks)
    assert (tmp_path / "looks.npy").stat().st_mtime_ns == made
    (tmp_path / "looks.npy").write_bytes(b"\x93NUMPY")
    np.testing.assert_array_equal(patch_thumbnails(tiles, tmp_path), looks)
    assert patch_thumbnails(tiles[:, :2, :3]).shape == (50, 12)


@pytest.mark.slow
def test_colon_bags_are_not_alike(shared: Path, tmp_path: Path) -> None:
    import torch

    from harness.datasets.patches import open_patches
    from harness.protocols.patch_thumbnails import compare_patches
    from harness.sources.opening import Opening

    dataset, root = find_dataset("colon-nuclei"), shared / "datasets/real/colon-nuclei"
    patches = open_patches(dataset, root, tmp_path)
    comparison = compare_patches(patches)
    assert (comparison.compared, comparison.pairs) == (len(patches.slides) * (len(patches.slides) - 1) // 2, ())
    opening = Opening(
        settings=dataset.card.inputs[0],
        slides=dataset.slides,
        data_root=root,
        cache=tmp_path,
        workers=1,
        device=torch.device("cpu"),
    )
    assert any("turned" in text for text in dataset.card.source.open(dataset, opening).unchecked)


def test_suspected_copies_are_said_and_not_refused(tiny) -> None:
    from harness.protocols.near_duplicates import Comparison, NearDuplicate

    across = NearDuplicate("tumor_001", "test_001", "row profiles", 0.6)
    inside = NearDuplicate("test_001", "test_002", "row profiles", 0.6)
    comparison = Comparison("rows", (), 15, suspected=(across, inside))
    report = audit_study(tiny, tiny.splits().folds, None, comparison=comparison)
    assert report.suspected == (across,)
    assert [text for text in report.warnings if "tumor_001 and test_001" in text]
    assert report.as_dict()["suspected"] == [
        {"slides": ["tumor_001", "test_001"], "measure": "row profiles", "value": 0.6}
    ]
