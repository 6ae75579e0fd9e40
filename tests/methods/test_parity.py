"""Parity with the published implementations: frozen weights and inputs give the frozen outputs to 1e-5.

The first half maps published weight names to ours, one function per method; the tests follow.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import Tensor, nn
from torch.nn import functional

from harness import pack
from methods.aggregators.abmilx import ABMILX
from methods.aggregators.attention import AttentionMIL
from methods.aggregators.clam import CLAM
from methods.aggregators.dsmil import DSMIL
from methods.aggregators.dtfd import DTFD
from methods.aggregators.transmil import TransMIL

TOLERANCE = 1e-5
FIXTURES = Path(__file__).parent / "fixtures"


@dataclass(frozen=True)
class Published:
    """One fixture: configuration, published weights, and inputs with expected outputs."""

    config: dict[str, Any]
    weights: dict[str, Tensor]
    data: dict[str, Tensor]

    def __getitem__(self, name: str) -> Tensor:
        return self.data[name]


def fixtures(pattern: str = "*") -> list[str]:
    """Names of the fixtures that match ``pattern``."""
    return sorted(path.stem for path in FIXTURES.glob(f"{pattern}.safetensors"))


def read(name: str) -> Published:
    """The fixture ``name``."""
    with safe_open(str(FIXTURES / f"{name}.safetensors"), "pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        config = json.loads(file.metadata()["config"])
    weights = {key.removeprefix("w."): value for key, value in tensors.items() if key.startswith("w.")}
    return Published(config, weights, {key: value for key, value in tensors.items() if not key.startswith("w.")})


def load(network: nn.Module, weights: Mapping[str, Tensor], names: Mapping[str, str]) -> None:
    """Load published weights under our names; ``names`` maps prefixes, and every weight must find its place."""
    renamed = {}
    for key, value in weights.items():
        prefix = max((old for old in names if key.startswith(old)), key=len)
        renamed[names[prefix] + key.removeprefix(prefix)] = value
    network.load_state_dict(renamed)


def load_abmil(published: Published, *, gated: bool) -> AttentionMIL:
    dim, hidden = published.config["embedding_dim"], published.config["attention_dim"]
    network = AttentionMIL(dim, 2, hidden=hidden, gated=gated)
    names = {"classifier.0": "head.linear"}
    if gated:
        names |= {"attention_V.0": "score.value", "attention_U.0": "score.gate", "attention_w": "score.weight"}
    else:
        names |= {"attention.0": "score.value", "attention.2": "score.weight"}
    load(network, published.weights, names)
    return network.eval()


def load_abmilx(published: Published) -> ABMILX:
    config = published.config
    network = ABMILX(
        config["input_dim"],
        config["n_classes"],
        width=config["inner_dim"],
        heads=config["n_heads"],
        norm=config["mil_norm"] or "none",
        bias=config["mil_bias"],
        attention_bias=config["attn_bias"],
        ffn=config.get("ffn", False),
        attention_plus="learned" if config.get("attn_plus", True) else "off",
        act=config["act"],
    )
    weights = dict(published.weights)
    if network.plus is not None:
        weights["alpha"] = weights.pop("attn_plus_fn.v.weight").squeeze()
    # Without layer norms at entry and exit, the feed-forward part has one of its own in front.
    first = 0 if config["mil_norm"] else 1
    names = {
        "alpha": "plus.alpha",
        "feature": "embed",
        "attention.fc1": "score.0",
        "attention.fc2": "score.2",
        "attn_plus_fn.norm_x": "plus.norm",
        "attn_plus_fn.qk": "plus.query_key",
        "proj": "project",
        "norm_ffn": "ffn.0",
        "mlp.fc1": f"ffn.{first}",
        "mlp.fc2": f"ffn.{first + 2}",
        "norm1": "norm",
        "classifier": "classify",
    }
    load(network, weights, names)
    return network.eval()


def load_clam(published: Published, *, multi_branch: bool) -> CLAM:
    config = published.config
    network = CLAM(
        config["embed_dim"],
        config["n_classes"],
        multi_branch=multi_branch,
        width=config["hidden"],
        hidden=config["attention_dim"],
        gated=config["gated"],
        k_sample=config["k_sample"],
        subtyping=config["subtyping"],
    )
    weights = dict(published.weights)
    if multi_branch:
        for kind in ("weight", "bias"):
            parts = [weights.pop(f"classifiers.{c}.{kind}") for c in range(config["n_classes"])]
            weights[f"classifiers.{kind}"] = torch.cat(parts)
    names = {
        "attention_net.0": "embed.0",
        "attention_net.3.attention_a.0": "score.value",
        "attention_net.3.attention_b.0": "score.gate",
        "attention_net.3.attention_c": "score.weight",
        "classifiers": "classify",
        "instance_classifiers": "instance",
    }
    load(network, weights, names)
    return network.eval()


def load_dsmil(published: Published) -> DSMIL:
    config = published.config
    network = DSMIL(
        config["input_dim"],
        config["n_classes"],
        query_dim=config["query_dim"],
        nonlinear=config["nonlinear"],
        passing_v=config["passing_v"],
    )
    weights = dict(published.weights)
    weights["b_classifier.fcc.weight"] = weights["b_classifier.fcc.weight"].flatten(1)
    load(network, weights, {"i_classifier.fc.0": "instance", "b_classifier.q": "query", "b_classifier.fcc": "bag"})
    return network.eval()


def load_transmil(published: Published) -> TransMIL:
    config = published.config
    network = TransMIL(
        config["input_dim"],
        config["n_classes"],
        width=config["dim"],
        heads=config["heads"],
        landmarks=config["landmarks"],
        iterations=config["pinv_iterations"],
    )
    weights = dict(published.weights)
    weights["cls_token"] = weights["cls_token"][0]
    names = {"cls_token": "token", "_fc1": "embed", "_fc2": "classify", "norm": "norms.2"}
    for layer in (0, 1):
        old = f"layer{layer + 1}"
        names |= {f"{old}.norm": f"norms.{layer}", f"{old}.attn.to_qkv": f"attentions.{layer}.qkv"}
        names |= {f"{old}.attn.to_out.0": f"attentions.{layer}.project"}
        names |= {f"{old}.attn.res_conv": f"attentions.{layer}.convolve"}
    for number, old in enumerate(("proj", "proj1", "proj2")):
        names[f"pos_layer.{old}."] = f"positions.convolutions.{number}."
    load(network, weights, names)
    return network.eval()


def load_dtfd(published: Published, rule: str) -> DTFD:
    config = published.config
    network = DTFD(
        config["input_dim"],
        config["n_classes"],
        rule=rule,
        pseudo_bags=config["groups"],
        instances=config["instances_per_group"],
        width=config["dim"],
        hidden=config["attention_dim"],
    )
    names = {
        "dim_reduction.fc1": "embed.0",
        "tier1_classifier.fc": "tier1.classify",
        "tier2.classifier.fc": "tier2.classify",
    }
    for old, new in (("attention", "tier1.score"), ("tier2.attention", "tier2.score")):
        names |= {f"{old}.attention_V.0": f"{new}.value", f"{old}.attention_U.0": f"{new}.gate"}
        names[f"{old}.attention_weights"] = f"{new}.weight"
    load(network, published.weights, names)
    return network.eval()


def close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, atol=TOLERANCE, rtol=TOLERANCE)


@pytest.mark.parametrize("name", ["abmil", "gated_abmil"])
def test_attention_pooling(name: str) -> None:
    fixture = read(name)
    network = load_abmil(fixture, gated=name == "gated_abmil")
    with torch.no_grad():
        output = network(pack([fixture["h"]]))
    close(output.attention, fixture["attention"][0])
    close(output.extra["embedding"], fixture["bag_embedding"])
    close(output.logits.softmax(1)[:, 1:], fixture["probability"])


@pytest.mark.parametrize("name", fixtures("abmilx*"))
def test_abmilx_with_gradient(name: str) -> None:
    fixture = read(name)
    network = load_abmilx(fixture)
    x = fixture["x"].clone().requires_grad_()
    output = network(pack([x[0], x[1]]))
    loss = network.loss(output, fixture["y"])
    loss.backward()
    n = x.shape[1]
    assert output.attention is not None
    close(output.logits, fixture["logits"])
    close(torch.stack([output.attention[:n].T, output.attention[n:].T]), fixture["attention"])
    close(loss.reshape(1), fixture["loss"])
    assert x.grad is not None
    # Gradients of a mean loss are small: they are held to 1e-5 of their own size, not of one.
    scale = fixture["grad_x"].abs().max()
    close(x.grad / scale, fixture["grad_x"] / scale)


@pytest.mark.parametrize("name", fixtures("clam*"))
def test_clam(name: str) -> None:
    fixture = read(name)
    network = load_clam(fixture, multi_branch=not name.startswith("clam_sb"))
    with torch.no_grad():
        output = network(pack([fixture["x"]]))
        instance = network.instance_losses(output, fixture["y"])
        loss = network.loss(output, fixture["y"])
    close(output.logits, fixture["logits"])
    close(output.extra["scores"].T, fixture["attention_logits"])
    close(instance, fixture["instance_loss"])
    bag = functional.cross_entropy(fixture["logits"], fixture["y"])
    close(loss, (0.7 * bag + 0.3 * fixture["instance_loss"])[0])


def test_dsmil() -> None:
    fixture = read("dsmil")
    network = load_dsmil(fixture)
    with torch.no_grad():
        output = network(pack([fixture["x"]]))
    close(output.extra["instance_logits"], fixture["instance_logits"])
    close(output.extra["bag_logits"], fixture["bag_logits"])
    close(output.extra["slides"], fixture["bag_embedding"])
    close(output.extra["attention"], fixture["attention"])
    highest = fixture["instance_logits"].amax(0, keepdim=True)
    close(output.logits, (fixture["bag_logits"] + highest) / 2)


def test_transmil() -> None:
    fixture = read("transmil")
    network = load_transmil(fixture)
    with torch.no_grad():
        output = network(pack([fixture["x"][0]]))
    close(output.logits, fixture["logits"])


@pytest.mark.parametrize("rule", ["MaxMinS", "MaxS", "AFS"])
def test_dtfd(rule: str) -> None:
    fixture = read("dtfd")
    network = load_dtfd(fixture, rule)
    with torch.no_grad():
        tier1, tier2, distilled, _ = network.bag(fixture["x"], fixture["permutation"])
    close(tier1, fixture[f"tier1_logits_{rule}"])
    close(distilled, fixture[f"distilled_{rule}"])
    close(tier2, fixture[f"tier2_logits_{rule}"])


def test_no_fixture_is_left_out() -> None:
    """Every file is read by a test above, and the README names it."""
    single = ["abmil", "gated_abmil", "dsmil", "transmil", "dtfd"]
    assert sorted(single + fixtures("abmilx*") + fixtures("clam*")) == fixtures()
    listed = (FIXTURES / "README.md").read_text(encoding="utf-8")
    assert [name for name in fixtures() if name not in listed] == []
    published = {"abmilx_default", "abmilx_e2e", "abmilx_relu", "clam_sb", "clam_mb", "clam_mb_subtyping"}
    assert published | set(single) <= set(fixtures())
