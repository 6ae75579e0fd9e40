"""Presets and defaults against the published configurations, value by value.

``published/*.yaml`` hold the facts: keys and values as they stand in a repository's files at one commit. The functions
below say what a configuration means in our hyper-parameters and input settings. A value of ours that differs needs a
reason (``differs``), one that nothing published decides needs one, too (``beyond``), and so does a published key that
has no counterpart (``unmapped``). A reason that is no longer needed fails.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness import Preset
from harness.api.registry import Registry

FOLDER = Path(__file__).parent / "published"
REGISTRY = Registry()
ADAM = {"adam": "adam", "adamw": "adamw", "Adam": "adam"}


class Facts(Mapping[str, Any]):
    """Published keys and values, which remember that they were read."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values_, self.read = dict(values), set[str]()

    def __getitem__(self, key: str) -> Any:
        self.read.add(key)
        return self.values_[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_)

    def __len__(self) -> int:
        return len(self.values_)


def abmilx(f: Facts) -> dict[str, Any]:
    """Batch norm joins the passes of both GPUs through their encoders.

    ``EarlyStopping`` lets stop after epochs that are numbered, from 0, above ``max_epoch``: two more than it says.
    """
    survival = f["datasets"].startswith("surv")
    metric = "protocol" if survival else "balanced_accuracy" if f["datasets"] == "panda" else "auc"
    assert (f["best_metric_index"], f["early_stopping"], f["lr_sche"], f["lr_supi"]) == (-1, True, "cosine", False)
    assert (f["abx_D"], f["ffn_ratio"], f["warmup_lr"]) == (None, 4.0, 1e-6)
    expected = {
        "act": f["act"],
        "norm": f["mil_norm"] or "none",
        "bias": f["mil_bias"] or not f["no_mil_bias"],
        "attention_bias": f["abx_attn_bias"] or f.get("attn_bias", False),
        "attention_plus": "learned" if f["abx_attn_plus"] else "off",
        "width": f["inner_dim"],
        "heads": f["n_heads"],
        "ffn": f["ffn"],
        "dropout": f["dropout"],
        "optimizer": ADAM[f["opt"]],
        "lr": f["lr"],
        "weight_decay": f["weight_decay"],
        "schedule": "cosine",
        "min_lr": 1e-7,
        "epochs": f["num_epoch"],
        "warmup_epochs": f["warmup_epochs"],
        "patience": f["patient"],
        "min_epochs": min(f["max_epoch"], f["num_epoch"]) + 2,
        "select_metric": metric,
        "batch_size": f["batch_size"] * f["gpus"],
        "accumulate": f["accumulation_steps"],
        "clip_grad_norm": f["clip_grad"],
    }
    if not f["model"].startswith("e2e"):
        return {**expected, "input.kind": "features"}
    per_gpu = f["batch_size"] * f["same_psize"]
    encoders = {"r18": ("resnet18.tv_in1k@layer3", 256), "r50v2": ("resnet50.tv2_in1k@layer3", 1024)}
    encoder, dim = encoders[f["model"].split("_")[1]]
    assert (f["input_dim"], f["sync_bn"], f["mul_scale_input"]) == (dim, True, True)
    fine = {("panda", 0): 0.48, ("brca", 1): 1.0, ("surv_brca", 1): 1.0}[f["datasets"], f["patch_level"]]
    assert f["img_size"] == f["patch_size"]
    return expected | {
        "tiles_per_bag": f["same_psize"],
        "low_ratio": int(f["mul_scale_ratio"]),
        "augment": f["img_transform"],
        "crop_min": f["crop_scale"],
        "crop_px": 224,
        "encode_chunk": 0 if f["p_batch_size"] > per_gpu else f["p_batch_size"] * f["gpus"],
        "ema_decay": f["mm"] if f["test_type"] == "both_ema" else None,
        "input.kind": "tiles",
        "input.encoder": encoder,
        "input.mpp": [fine, 2 * fine],
        "input.tile_px": f["img_size"],
    }


def dsmil(f: Facts) -> dict[str, Any]:
    """Its counter stops the training once it is above ``stop_epochs``: one epoch later than it says."""
    assert (f["code_schedule"], f["code_loss"], f["dropout_patch"]) == ("CosineAnnealingLR", "BCEWithLogits", 0)
    return {
        "optimizer": ADAM[f["code_optimizer"]],
        "lr": f["lr"],
        "weight_decay": f["weight_decay"],
        "betas": f["code_betas"],
        "epochs": f["num_epochs"],
        "patience": f["stop_epochs"] + 1,
        "schedule": "cosine",
        "min_lr": f["code_eta_min"],
        "batch_size": f["code_batch_size"],
        "init": f["code_init"],
        "loss": "bce",
        "query_dim": f["code_query_dim"],
        "nonlinear": bool(f["non_linearity"]),
        "passing_v": f["code_passing_v"],
        "dropout": f["dropout_node"],
        "decision": "mean" if f["average"] else "bag",
        "select_metric": "the mean of AUC and accuracy",
        "single_logit": False,
    }


def clam(f: Facts) -> dict[str, Any]:
    """Stops after epochs that are numbered, from 0, above ``code_stop_epoch``; without early stopping, never."""
    stops = f["early_stopping"]
    width, hidden = f["code_sizes"][f["model_size"]]
    return {
        "optimizer": ADAM[f["opt"]],
        "lr": f["lr"],
        "weight_decay": f["reg"],
        "epochs": f["max_epochs"],
        "patience": f["code_patience"] if stops else None,
        "min_epochs": f["code_stop_epoch"] + 2 if stops else 0,
        "select_metric": "loss" if stops else "last",
        "balanced": f["weighted_sample"],
        "batch_size": f["code_batch_size"],
        "dropout": f["drop_out"],
        "width": width,
        "hidden": hidden,
        "gated": f["code_gate"],
        "k_sample": f["B"],
        "bag_weight": f["bag_weight"],
        "instance_loss": f["inst_loss"] or "ce",
        "subtyping": f["subtyping"],
    }


def transmil(f: Facts) -> dict[str, Any]:
    """The configuration, and the landmarks, which are half of the width unless set."""
    assert f["Optimizer.opt_betas"] is None
    assert f["code_landmarks"] == f["code_width"] // 2
    return {
        "optimizer": f["Optimizer.opt"],
        "lr": f["Optimizer.lr"],
        "weight_decay": f["Optimizer.weight_decay"],
        "l2_on": {"matrices": "weights"}[f["code_decay_on"]],
        "epochs": f["General.epochs"],
        "accumulate": f["General.grad_acc"],
        "patience": f["General.patience"],
        "min_epochs": 0,
        "select_metric": {"val_loss": "loss"}[f["code_monitor"]],
        "batch_size": f["Data.train_dataloader.batch_size"],
        "width": f["code_width"],
        "heads": f["code_heads"],
        "landmarks": None,
        "iterations": f["code_pinv_iterations"],
        "dropout": f["code_dropout"],
    }


def dtfd(f: Facts) -> dict[str, Any]:
    """Epochs whose number, from 0, is above ``code_first_share`` of all may be chosen."""
    assert float(f["droprate"]) == float(f["droprate_2"]) == 0
    assert f["numLayer_Res"] == 0
    return {
        "optimizer": ADAM[f["code_optimizer"]],
        "lr": f["lr"],
        "weight_decay": f["weight_decay"],
        "epochs": f["EPOCH"],
        "lr_drop_epochs": json.loads(f["epoch_step"]),
        "lr_drop_factor": f["lr_decay_ratio"],
        "clip_grad_norm": f["grad_clipping"],
        "batch_size": f["batch_size"],
        "rule": f["distill_type"],
        "pseudo_bags": f["numGroup"],
        "instances": f["total_instance"] // f["numGroup"],
        "width": f["mDim"],
        "hidden": f["code_attention_dim"],
        "dropout": 0.0,
        "select_metric": f["code_metric"],
        "select_from": int(f["EPOCH"] * f["code_first_share"]) + 1,
    }


def icmil(f: Facts) -> dict[str, Any]:
    """Step 1 trains the bag model, step 2 distils. Level 1 of CAMELYON16 is half a micron per pixel."""
    assert f["step1.code_optimizer"] == f["step2.code_optimizer"] == "Adam"
    assert f["step0.code_encoder"] == "resnet50-11ad3fa6 to layer3"
    assert f["step0.code_level"] == 1
    drops, factor = f["step2.code_milestones"], f["step2.lr_decay_ratio"]
    expected = {
        "bag_model": "abmil",
        "bag_lr": f["step1.lr"],
        "weight_decay": f["step1.weight_decay"],
        "epochs": f["step1.EPOCH"],
        "clip_grad_norm": f["step1.grad_clipping"],
        "width": f["step1.mDim"],
        "bag_mixup": f["step1.code_mixup"],
        "distil_batch": f["step2.code_batch_size"],
        "distil_lr": f["step2.lr"],
        "distil_weight_decay": f["step2.weight_decay"],
        "distil_clip": f["step2.grad_clipping"],
        "distil_decay": factor if drops else 1.0,
        "distil_decay_at": (drops or [100])[0] / f["step2.EPOCH"],
        "crop_min": f["step2.code_crop_scale"][0],
        "alpha": f["step2.code_consistency_weight"],
        "confidence": f["step2.code_beta"] is not None,
        "sharpness": f["step2.code_beta"],
        "distil_select": f["step2.code_select"],
        "normalise": "encoder" if f["step0.code_normalise"] else "none",
        "embed_batch": f["step0.code_batch_size"],
        "input.kind": "tiles",
        "input.encoder": "resnet50.tv2_in1k@layer3",
        "input.mpp": [0.5],
        "input.tile_px": f["step2.code_tile_px"],
    }
    if f["step1.code_mixup"]:
        expected["mixup_slides"] = f["step1.code_group"]
    else:
        assert f["step1.code_group"] == 1
    return expected


def minns(f: Facts) -> dict[str, Any]:
    """Keras' l2(λ) adds λ‖W‖², which is a weight decay of 2 λ; its decay is that of ``schedule=inverse``."""
    row = f["dataset"]
    assert (f[f"{row}.momentum"], f["code_nesterov"], f["code_decay"]) == (0.9, True, 1e-4)
    return {
        "trunk": "-".join(map(str, f["code_widths"])),
        "dropout": f["code_dropout"],
        "dropout_at": "last",
        "optimizer": "sgd",
        "schedule": "inverse",
        "lr": f[f"{row}.start learning rate"],
        "weight_decay": 2 * f[f"{row}.weight decay"],
        "l2_on": {"kernels": "weights"}[f["code_regularised"]],
        "epochs": f["max epoch"],
        "batch_size": f["code_batch_size"],
        "input.kind": "features",
    }


MEANINGS: dict[str, Callable[[Facts], dict[str, Any]]] = {
    "abmilx": abmilx, "abmilx_head": abmilx, "dsmil": dsmil, "clam_sb": clam, "clam_mb": clam, "transmil": transmil,
    "dtfd": dtfd, "icmil": icmil, "mean_pool": minns, "max_pool": minns, "abmil": minns, "gated_abmil": minns,
}  # fmt: skip
SOURCES = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.yaml"))}
CASES = [
    pytest.param(source, entry, id=f"{entry['method']}-{entry['preset'] or 'defaults'}")
    for source in SOURCES.values()
    for entry in source["presets"]
]


def facts_of(source: dict[str, Any], entry: dict[str, Any]) -> Facts:
    """The file's values, on top of the defaults of its program, under what the command says."""
    defaults = source.get("defaults", {}).get("values", {})
    return Facts({**defaults, **source["files"][entry["file"]], **entry.get("command", {})})


def ours(method: str, preset: Preset) -> dict[str, Any]:
    """What the method trains with under the preset, as JSON has it; ``input.*`` are the preset's input settings."""
    params = REGISTRY.find(method).Params.build(preset.params, place="test")
    values = params.as_dict() | {f"input.{key}": value for key, value in preset.input.items()}
    # What two values of ours say together.
    values |= {name: getattr(params, name) for name in ("bag_lr", "sharpness") if hasattr(params, name)}
    result: dict[str, Any] = json.loads(json.dumps(values))
    return result


@pytest.mark.parametrize(("source", "entry"), CASES)
def test_value_by_value(source: dict[str, Any], entry: dict[str, Any]) -> None:
    card = REGISTRY.find(entry["method"]).card
    preset = card.presets[entry["preset"]] if entry["preset"] else Preset(help="defaults")
    facts = facts_of(source, entry)
    expected = MEANINGS[entry["method"]](facts)
    found = ours(entry["method"], preset)
    differing = {
        name: (value, found.get(name)) for name, value in expected.items() if found.get(name) != pytest.approx(value)
    }
    assert set(differing) == set(entry["differs"]), f"published and ours: {differing}"
    own = {*preset.params, *(f"input.{key}" for key in preset.input)} - set(expected)
    assert own == set(entry["beyond"])
    # Nothing that is published in this file is passed over.
    named = {*source["files"][entry["file"]], *entry.get("command", {})}
    assert named - facts.read - set(source["unmapped"]) - unread(facts) == set()
    assert all(isinstance(reason, str) and reason for part in ("differs", "beyond") for reason in entry[part].values())


def unread(facts: Facts) -> set[str]:
    """Keys that other presets of the same file read."""
    if "dataset" in facts.values_:
        return {key for key in facts if key.startswith(("musk1.", "musk2."))}
    return set()


@pytest.mark.parametrize(("source", "entry"), [case for case in CASES if case.values[1]["preset"]])
def test_the_preset_names_the_source(source: dict[str, Any], entry: dict[str, Any]) -> None:
    preset = REGISTRY.find(entry["method"]).card.presets[entry["preset"]]
    named = (preset.repository, preset.commit, preset.file)
    assert named == (source["repository"], source["commit"], entry["file"])


def test_every_preset_is_compared_or_our_own() -> None:
    compared = {(entry["method"], entry["preset"]) for source in SOURCES.values() for entry in source["presets"]}
    for entry in REGISTRY.entries():
        for label, preset in (entry.card.presets if entry.card else {}).items():
            if (entry.name, label) in compared:
                assert "(ours)" not in preset.help
            else:
                assert not preset.source, (entry.name, label)
                assert any(
                    word in preset.help for word in ("(ours)", "reading of the paper", "the paper as far", "Ilse")
                )


@pytest.mark.parametrize(("source", "entry"), [case for case in CASES if case.values[1]["preset"]])
def test_a_changed_value_is_found(source: dict[str, Any], entry: dict[str, Any]) -> None:
    """The comparison can fail: any number of a preset, changed, differs from what is published."""
    preset = REGISTRY.find(entry["method"]).card.presets[entry["preset"]]
    expected = MEANINGS[entry["method"]](facts_of(source, entry))
    for name, value in preset.params.items():
        if name in expected and isinstance(value, int | float) and not isinstance(value, bool):
            other = value / 2 or 0.5 if isinstance(value, float) else value // 2 if value > 1 else value + 1
            changed = dataclasses.replace(preset, params={**preset.params, name: other})
            assert ours(entry["method"], changed)[name] != pytest.approx(expected[name])
