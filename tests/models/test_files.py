"""The files of a kept model: what is in them, that they give the same predictions, and which are refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from support.coupled import TASK, make_run, params, tile_bags

from harness import DataError, Survival, build_encoder
from harness.core.hashing import sha256_file
from harness.models.description import FittedTask, ModelDescription
from harness.models.files import WEIGHTS, write_model
from harness.models.kept_model import KeptModel
from methods.icmil import ICMIL

TEST = tile_bags(3, 5)


def trained(folder: Path, *, encoder: str = "conv27", **changes: object):
    """An ICMIL model, written to ``folder``, and what it predicted."""
    train, val = tile_bags(6, 0), tile_bags(4, 1)
    run = make_run(folder / "work", train, val)
    method = ICMIL(params(**changes), replace(TASK, encoder=encoder))
    method.fit(train, val, run)
    assert write_model(folder, method, train, run, None)
    return method.predict(TEST, run)


@pytest.fixture
def weights(tmp_path: Path) -> str:
    """The name of an encoder with weights in a file."""
    path = tmp_path / "conv27.pt"
    torch.save(build_encoder("conv27", tile_px=27, seed=3).body.state_dict(), path)
    return f"file:conv27={path}"


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """The folder of a model."""
    trained(tmp_path / "kept", iterations=0)
    return tmp_path / "kept"


def test_a_frozen_encoder_is_named_and_hashed_and_one_that_was_trained_is_stored(tmp_path, weights):
    sizes = {}
    for name, changes in {"frozen": {"iterations": 0}, "coupled": {"iterations": 1}}.items():
        folder = tmp_path / name
        before = trained(folder, encoder=weights, **changes)
        sizes[name] = (folder / WEIGHTS).stat().st_size
        stored = [key for key in load_file(folder / WEIGHTS) if key.startswith("networks.network.encoder.")]
        published = ModelDescription.read(folder).published
        assert bool(stored) == (name == "coupled")
        assert [one.name for one in published.values()] == ([weights] if name == "frozen" else [])
        after = KeptModel.load(folder).predict(TEST)
        assert np.array_equal(before.probabilities, after.probabilities)
        assert all(np.array_equal(a, b) for a, b in zip(before.attention, after.attention, strict=True))
    assert sizes["frozen"] < sizes["coupled"] / 2


def test_an_encoder_with_other_weights_is_refused_and_a_trained_one_needs_no_file(tmp_path, weights):
    trained(tmp_path / "frozen", encoder=weights, iterations=0)
    trained(tmp_path / "coupled", encoder=weights, iterations=1)
    torch.save(build_encoder("conv27", tile_px=27, seed=4).body.state_dict(), tmp_path / "conv27.pt")
    with pytest.raises(DataError, match="other weights than the model was trained with"):
        KeptModel.load(tmp_path / "frozen")
    (tmp_path / "conv27.pt").unlink()
    KeptModel.load(tmp_path / "coupled")


def test_a_drawn_encoder_is_stored_although_it_is_frozen(kept):
    assert any("encoder" in key for key in load_file(kept / WEIGHTS))


def test_damaged_weights_are_refused(kept):
    path = kept / WEIGHTS
    whole = path.read_bytes()
    for content in (whole[:-9], whole[:-1] + bytes([whole[-1] ^ 1])):
        path.write_bytes(content)
        with pytest.raises(DataError, match="is not what model"):
            KeptModel.load(kept)
    path.unlink()
    with pytest.raises(DataError, match="is missing"):
        KeptModel.load(kept)


@pytest.mark.parametrize("change", ["lacking", "reshaped"])
def test_weights_of_another_network_are_refused(kept, change):
    tensors = load_file(kept / WEIGHTS)
    name = next(key for key in tensors if key.endswith("classify.weight"))
    tensors[name] = tensors[name][:1]
    if change == "lacking":
        del tensors[name]
    save_file(tensors, kept / WEIGHTS)
    description = json.loads((kept / "model.json").read_text())
    description["weights_sha256"] = sha256_file(kept / WEIGHTS)
    (kept / "model.json").write_text(json.dumps(description))
    with pytest.raises(DataError, match=name.removeprefix("networks.")):
        KeptModel.load(kept)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"schema": 99}, "schema 99"),
        ({"params": 3}, "params is 3"),
        ({"bags": {"kind": "words", "dim": 1, "scales": []}}, "bags.kind is 'words'"),
        ({"weights_sha256": "x"}, "weights_sha256"),
    ],
)
def test_an_odd_description_is_refused_by_field(kept, changes, words):
    path = kept / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(DataError) as caught:
        KeptModel.load(kept)
    assert words in caught.value.problem
    for content in ("[]", "{", ""):
        path.write_text(content)
        with pytest.raises(DataError):
            KeptModel.load(kept)


def test_a_fitted_task_comes_back_with_its_bin_edges():
    task = Survival.over(3, bin_edges=(0.1 + 0.2, 1 / 3 + 4))
    text = FittedTask.of(task).model_dump_json()
    assert FittedTask.model_validate_json(text).restored() == task
