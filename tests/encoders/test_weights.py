"""Weights from local files: exactly the network's own, and no code in them is run."""

from __future__ import annotations

import argparse
import os
import pickle
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from harness.core.errors import DataError
from harness.encoders import build_encoder, weights_sha256
from harness.encoders.weights import load_file


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


def _dino(network: str, **more: Any) -> dict[str, Any]:
    """A checkpoint as DINO's training writes it: both networks with heads, optimiser state, arguments."""
    teacher, student = _state(network, seed=1), _state(network, seed=2)
    head = {"mlp.0.weight": torch.zeros(4, 3), "last_layer.weight_g": torch.ones(4, 1)}
    weights = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.AdamW([weights])
    weights.sum().backward()
    optimizer.step()
    return {
        "student": {f"module.backbone.{key}": value for key, value in student.items()}
        | {f"module.head.{key}": value for key, value in head.items()},
        "teacher": {f"backbone.{key}": value for key, value in teacher.items()}
        | {f"head.{key}": value for key, value in head.items()},
        "optimizer": optimizer.state_dict(),
        "epoch": 99,
        "args": argparse.Namespace(arch="vit_small", patch_size=16, output_dir=Path("/tmp"), best=np.float64(0.5)),
        "dino_loss": {"center": torch.zeros(1, 4)},
        **more,
    }


@pytest.mark.parametrize(
    ("network", "zipped"), [("conv64", True), ("conv64", False), ("random:vit_tiny_patch16_224", True)]
)
def test_the_teacher_of_a_dino_checkpoint(tmp_path: Path, network: str, zipped: bool) -> None:
    path = tmp_path / "checkpoint.pth"
    torch.save(_dino(network), path, _use_new_zipfile_serialization=zipped)
    loaded = build_encoder(f"file:{network.removeprefix('random:')}={path}", tile_px=224, seed=0)
    assert weights_sha256(loaded.body) == weights_sha256(build_encoder(network, tile_px=224, seed=1).body)


PARTS = [(), ("state_dict",), ("model",), ("net",), ("student",), ("teacher",), ("model", "teacher")]
PREFIXES = ["", "module.", "backbone.", "encoder_q.module."]


@pytest.mark.parametrize(
    ("part", "prefix"), [(part, "module.backbone.") for part in PARTS] + [(("teacher",), prefix) for prefix in PREFIXES]
)
def test_nesting_and_prefixes(tmp_path: Path, part: tuple[str, ...], prefix: str) -> None:
    module = build_encoder("conv64", tile_px=64, seed=0).body
    content: dict[str, Any] = {f"{prefix}{key}": value for key, value in _state("conv64", seed=4).items()}
    content["projector.0.weight"] = torch.zeros(2, 2)
    for name in reversed(part):
        content = {name: content, "epoch": 3}
    loaded = load_file(module, _saved(content, tmp_path / "w.pt"), name="conv64")
    assert (loaded.part, loaded.prefix, loaded.unused) == (part, prefix, ("projector.0.weight",))
    assert loaded.weights == len(module.state_dict())
    assert weights_sha256(module) == weights_sha256(build_encoder("conv64", tile_px=64, seed=4).body)


def test_two_copies_of_which_none_is_preferred_are_refused(tmp_path: Path) -> None:
    module = build_encoder("conv64", tile_px=64, seed=0).body
    content = {"left": _state("conv64", seed=1), "right": _state("conv64", seed=2)}
    with pytest.raises(DataError) as caught:
        load_file(module, _saved(content, tmp_path / "two.pt"), name="conv64")
    assert "left" in caught.value.problem
    assert "right" in caught.value.problem
    equal = {"left": _state("conv64", seed=1), "right": _state("conv64", seed=1)}
    load_file(module, _saved(equal, tmp_path / "equal.pt"), name="conv64")


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pth"
    torch.save(_dino("conv64"), path)
    with pytest.raises(DataError, match="not the weights of resnet18"):
        build_encoder(f"file:resnet18={path}", tile_px=64, seed=0)
    partial = _dino("conv64")
    for part in ("teacher", "student"):
        del partial[part][next(key for key in partial[part] if key.endswith("weight"))]
    torch.save(partial, path)
    with pytest.raises(DataError, match="1 missing"):
        build_encoder(f"file:conv64={path}", tile_px=64, seed=0)


class _Records(dict[str, int]):
    """A class of dictionaries of the training program's own."""


class _Payload:
    """Calls a function when it is unpickled by pickle itself."""

    def __init__(self, function: Any, *args: object) -> None:
        self.call = function, args

    def __reduce__(self) -> Any:
        return self.call


def test_objects_of_the_training_program_beside_the_weights_are_not_built(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pth"
    records = defaultdict(list, loss=[1.0])
    torch.save(
        _dino("conv64", history=_Records(best=1), records=records, top=np.float32(1), dtype=np.dtype("f4")), path
    )
    loaded = build_encoder(f"file:conv64={path}", tile_px=64, seed=0)
    assert weights_sha256(loaded) == weights_sha256(build_encoder("conv64", tile_px=64, seed=1))


@pytest.mark.parametrize(
    "payload",
    [
        _Payload(os.system, "touch evil-was-here"),
        _Payload(eval, "__import__('os').mkdir('evil-was-here')"),
        _Payload(exec, "import os; os.mkdir('evil-was-here')"),
        _Payload(subprocess.call, ["touch", "evil-was-here"]),
        _Payload(Path.touch, Path("evil-was-here")),
        _Payload(shutil.copy, __file__, "evil-was-here"),
    ],
)
@pytest.mark.parametrize("place", ["args", "weight", "namespace"])
def test_a_payload_is_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, payload: _Payload, place: str) -> None:
    """With the payload beside whole weights the file is read without it, or refused; never is it called."""
    monkeypatch.chdir(tmp_path)
    content = _dino("conv64")
    if place == "args":
        content["args"] = payload
    elif place == "namespace":
        content["args"].hook = payload
    else:
        key = next(iter(content["teacher"]))
        content["teacher"][key] = content["student"][f"module.{key}"] = payload
    path = tmp_path / "evil.pth"
    torch.save(content, path, _use_new_zipfile_serialization=place != "namespace")
    try:
        loaded = build_encoder(f"file:conv64={path}", tile_px=64, seed=0)
    except DataError as error:
        assert error.place == str(path)
    else:
        assert place != "weight"
        assert weights_sha256(loaded) == weights_sha256(build_encoder("conv64", tile_px=64, seed=1))
    assert not (tmp_path / "evil-was-here").exists()
    # The file is what it claims to be: pickle itself runs it.
    torch.load(path, weights_only=False)
    assert (tmp_path / "evil-was-here").exists()


def test_what_was_allowed_before_is_allowed_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pth"
    torch.save(_dino("conv64"), path)
    with torch.serialization.safe_globals([_Payload]):
        before = set(torch.serialization.get_safe_globals())
        build_encoder(f"file:conv64={path}", tile_px=64, seed=0)
        assert set(torch.serialization.get_safe_globals()) == before
    with pytest.raises(pickle.UnpicklingError, match="Namespace"):
        torch.load(path, weights_only=True)
