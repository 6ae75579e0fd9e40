"""Weights from local files: exactly the network's own, and no code in them is run."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from harness.encoders import build_encoder, weights_sha256
from harness.errors import DataError


def _state(name: str, seed: int = 1) -> dict[str, torch.Tensor]:
    body = build_encoder(name, tile_px=64, seed=seed).body
    return {key: value.contiguous() for key, value in body.state_dict().items()}


def _saved(state: object, path: Path) -> Path:
    if path.suffix == ".safetensors":
        assert isinstance(state, dict)
        save_file(state, path)
    else:
        torch.save(state, path)
    return path


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_a_file_gives_back_the_weights_that_were_saved(tmp_path: Path, suffix: str) -> None:
    path = _saved(_state("random:resnet18@layer2", seed=7), tmp_path / f"w{suffix}")
    loaded = build_encoder(f"file:resnet18@layer2={path}", tile_px=64, seed=0)
    assert weights_sha256(loaded) == weights_sha256(build_encoder("random:resnet18@layer2", tile_px=64, seed=7))


def test_heads_and_cut_stages_may_be_in_the_file(tmp_path: Path) -> None:
    state = _state("random:resnet18")
    state |= {"fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}
    path = _saved(state, tmp_path / "whole.safetensors")
    whole = build_encoder(f"file:resnet18={path}", tile_px=64, seed=0)
    cut = build_encoder(f"file:resnet18@layer3={path}", tile_px=64, seed=0)
    assert torch.equal(whole.body.get_parameter("conv1.weight"), state["conv1.weight"])
    assert torch.equal(cut.body.get_parameter("layer3.1.conv2.weight"), state["layer3.1.conv2.weight"])


def test_the_wrapping_of_training_programs_is_taken_off(tmp_path: Path) -> None:
    encoder = build_encoder("conv64", tile_px=64, seed=4)
    wrapped = {"epoch": 3, "state_dict": {f"module.{key}": value for key, value in encoder.state_dict().items()}}
    path = _saved(wrapped, tmp_path / "checkpoint.pt")
    assert weights_sha256(build_encoder(f"file:conv64={path}", tile_px=64, seed=0)) == weights_sha256(encoder)


def test_a_wrong_network_is_refused_with_what_differs(tmp_path: Path) -> None:
    state = _state("random:resnet18@layer2")
    del state["bn1.weight"]
    state["layer9.weight"] = torch.zeros(1)
    state["conv1.weight"] = torch.zeros(64, 3, 3, 3)
    path = _saved(state, tmp_path / "w.safetensors")
    with pytest.raises(DataError) as caught:
        build_encoder(f"file:resnet18@layer2={path}", tile_px=64, seed=0)
    problem = caught.value.problem
    assert "1 missing (bn1.weight)" in problem
    assert "1 unexpected (layer9.weight)" in problem
    assert "conv1.weight (64, 3, 3, 3) for (64, 3, 7, 7)" in problem
    assert caught.value.place == str(path)


def test_a_whole_network_needs_the_whole_file(tmp_path: Path) -> None:
    path = _saved(_state("random:resnet18@layer3"), tmp_path / "w.pt")
    with pytest.raises(DataError, match=r"missing \(layer4"):
        build_encoder(f"file:resnet18={path}", tile_px=64, seed=0)


class _Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (Path("evil-was-here"),)


def test_code_in_a_file_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "evil.pt"
    torch.save({"conv1.weight": _Evil()}, path)
    with pytest.raises(DataError, match="not a readable weights file"):
        build_encoder(f"file:conv64={path}", tile_px=64, seed=0)
    path.write_bytes(pickle.dumps(_Evil(), protocol=2))
    with pytest.raises(DataError):
        build_encoder(f"file:conv64={path}", tile_px=64, seed=0)
    assert not (tmp_path / "evil-was-here").exists()


@pytest.mark.parametrize("name", ["gone.pt", "short.pt", "short.safetensors", "empty.pt", "list.pt"])
def test_missing_and_broken_files_are_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.startswith("short"):
        whole = _saved(_state("conv64"), tmp_path / f"whole{path.suffix}").read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
    elif name == "empty.pt":
        path.touch()
    elif name == "list.pt":
        torch.save([1, 2], path)
    with pytest.raises(DataError) as caught:
        build_encoder(f"file:conv64={path}", tile_px=64, seed=0)
    assert caught.value.place == str(path)
