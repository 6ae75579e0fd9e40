"""The built-in methods: cards, hyper-parameters, presets, and that each trains through the shared loop."""

from __future__ import annotations

import importlib
import itertools
import math
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from harness import Classification, MILMethod, MILParams, Survival, UsageError, pack
from harness.accounting.meter import Meter
from harness.api.check import check_method
from harness.api.registry import find_method
from harness.bags.feature_source import FeatureBags
from harness.bags.tile_source import PatchReader, TileBags
from harness.core.seeds import Seeds
from harness.encoders import build_encoder
from harness.evaluation.metrics import macro_auc
from harness.evaluation.survival import c_index, risk_of
from harness.tasks.follow_up import FollowUp
from harness.training import mil_fit
from harness.training.loop import train_stage
from harness.training.mil_fit import BagNetwork, build_network
from harness.training.run import Run

ROOT = Path(__file__).resolve().parents[2]
POINTS: dict[str, str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"][
    "harness.methods"
]
BUILT_IN = {name: point for name, point in POINTS.items() if name in {
    "mean_pool", "max_pool", "abmil", "gated_abmil", "abmilx", "abmilx_head",
    "clam_sb", "clam_mb", "dsmil", "transmil", "dtfd",
}}  # fmt: skip
TASK = Classification(("no", "yes"))


def method(name: str) -> type[MILMethod]:
    module, _, attribute = BUILT_IN[name].partition(":")
    cls = check_method(getattr(importlib.import_module(module), attribute), name, "tests")
    assert issubclass(cls, MILMethod)
    return cls


@pytest.fixture(params=BUILT_IN)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(seeds=Seeds(1), device=torch.device("cpu"), workdir=tmp_path, meter=Meter())


def feature_bags(count: int, seed: int) -> FeatureBags:
    """Bags of 12 tiles; in every second one three tiles are shifted."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    bags = {}
    for number, label in enumerate(labels):
        bag = rng.normal(0, 1, (12, 8)).astype(np.float32)
        bag[:3, :4] += 3 * label
        bags[f"s{number}"] = bag
    return FeatureBags(list(bags), labels, bags.__getitem__, 8)


def tile_bags(count: int, seed: int) -> TileBags:
    """Bags of 6 patches; in every second bag two are darker."""
    rng = np.random.default_rng(seed)
    patches = rng.integers(150, 250, (count * 6, 27, 27, 3)).astype(np.uint8)
    for bag in range(1, count, 2):
        patches[bag * 6 : bag * 6 + 2] //= 2
    rows = {f"s{k}": (k * 6, k * 6 + 6) for k in range(count)}
    return TileBags(list(rows), np.arange(count) % 2, PatchReader(patches, rows))


def test_listing_does_not_import_torch() -> None:
    code = "import sys, importlib\n"
    code += "".join(f"importlib.import_module({point.partition(':')[0]!r})\n" for point in BUILT_IN.values())
    code += "sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_all_eleven_are_registered() -> None:
    assert len(BUILT_IN) == 11


def test_card_says_where_it_comes_from(name: str) -> None:
    card = method(name).card
    assert "arXiv" in card.paper
    assert card.open_points
    assert all(field.help for _, field, _ in method(name).Params.describe().values())


def test_presets_build_and_make_a_network(name: str) -> None:
    cls = method(name)
    for label, preset in cls.card.presets.items():
        params = cls.Params.build(preset.params, place=label)
        assert cls(params, TASK).aggregator(512) is not None


SMALL: dict[str, dict[str, Any]] = {
    "mean_pool": {"trunk": "16", "lr": 5e-3},
    "max_pool": {"trunk": "16", "lr": 5e-3},
    "abmil": {"trunk": "16", "hidden": 8, "lr": 5e-3},
    "gated_abmil": {"trunk": "16", "hidden": 8, "lr": 5e-3},
    "abmilx": {"width": 64, "heads": 2, "lr": 5e-3, "tiles_per_bag": 8, "ema_decay": 0.9, "warmup_epochs": 0},
    "abmilx_head": {"width": 64, "heads": 2, "lr": 5e-3},
    "clam_sb": {"width": 16, "hidden": 8, "k_sample": 2, "lr": 5e-3},
    "clam_mb": {"width": 16, "hidden": 8, "k_sample": 2, "lr": 5e-3, "instance_loss": "svm"},
    "dsmil": {"query_dim": 8, "lr": 5e-3},
    "transmil": {"width": 64, "heads": 2, "landmarks": 4, "lr": 5e-3},
    "dtfd": {"width": 16, "hidden": 8, "pseudo_bags": 3, "rule": "MaxMinS", "lr": 5e-3},
}


def test_learns_features(name: str, run: Run) -> None:
    cls = method(name)
    params = cls.Params.build({**SMALL[name], "epochs": 7, "batch_size": 2, "min_epochs": 0}, place="test")
    trained = cls(params, TASK)
    trained.fit(feature_bags(40, 0), feature_bags(16, 1), run)
    test = feature_bags(40, 2)
    prediction = trained.predict(test, run)
    prediction.check(test.ids, 2, method=name)
    assert test.labels is not None
    assert macro_auc(test.labels, prediction.probabilities) > 0.9
    assert (prediction.attention is not None) == cls.card.attention


@pytest.mark.parametrize("name", ["abmil", "max_pool", "abmilx"])
def test_learns_tiles_end_to_end(name: str, run: Run) -> None:
    cls = method(name)
    colon = cls.card.presets["colon"]
    params = cls.Params.build({**colon.params, "epochs": 4, "lr": 1e-3, "tiles_per_bag": 0}, place="test")
    trained = cls(params, Classification(("no", "yes"), encoder=colon.input["encoder"]))
    trained.fit(tile_bags(12, 0), tile_bags(8, 1), run)
    test = tile_bags(16, 2)
    assert test.labels is not None
    assert macro_auc(test.labels, trained.predict(test, run).probabilities) > 0.9


def test_learns_survival_from_tiles_end_to_end(run: Run) -> None:
    def drawn(count: int, seed: int) -> TileBags:
        """Bags of 4 patches; the darker they are, the sooner the event."""
        rng = np.random.default_rng(seed)
        hazard = rng.uniform(-1, 1, count)
        light = 150 - 70 * np.repeat(hazard, 4)[:, None, None, None]
        patches = (light + rng.integers(-20, 20, (count * 4, 27, 27, 3))).clip(0, 255).astype(np.uint8)
        rows = {f"s{k}": (k * 4, k * 4 + 4) for k in range(count)}
        follow_up = FollowUp(tuple(rows), rng.exponential(np.exp(-4 * hazard)), rng.integers(0, 4, count).clip(0, 1))
        bags = TileBags(list(rows), follow_up.event_time_labels((0.2, 1.0)), PatchReader(patches, rows))
        bags.truth, bags.task = follow_up.truth, Survival.over(3, bin_edges=(0.2, 1.0))
        return bags

    cls = method("abmilx")
    colon = cls.card.presets["colon"]
    params = cls.Params.build({**colon.params, "epochs": 3, "lr": 1e-3, "tiles_per_bag": 0}, place="test")
    trained = cls(params, Survival.over(3, encoder=colon.input["encoder"]))
    run.metric = "c_index"
    trained.fit(drawn(40, 0), drawn(20, 1), run)
    test = drawn(40, 2)
    prediction = trained.predict(test, run)
    prediction.check(test.ids, 4, method="abmilx")
    assert test.truth is not None
    assert c_index(test.truth["time"], test.truth["event"], risk_of(prediction.probabilities))[0] > 0.7


@pytest.mark.parametrize("encoder", [None, "conv27"])
def test_dtfd_has_optimisers_of_its_own_per_tier_and_clipped_part(encoder: str | None) -> None:
    cls = method("dtfd")
    dtfd = cls(cls.Params(), TASK)
    tile_encoder = None if encoder is None else build_encoder(encoder, tile_px=27, seed=0)
    network = BagNetwork(dtfd.aggregator(8), tile_encoder)
    groups = dtfd.optimizer_groups(network)
    names = [{key for key, p in network.named_parameters() if any(p is q for q in group)} for group in groups]
    assert sum(map(len, groups)) == len(list(network.parameters()))
    prefixes = [("aggregator.embed.", "encoder."), ("aggregator.tier1.score.",), ("aggregator.tier1.classify.",)]
    prefixes.append(("aggregator.tier2.",))
    for found, prefix in zip(names, prefixes, strict=True):
        assert found
        assert all(key.startswith(prefix) for key in found)


def survival_bags(count: int, seed: int) -> FeatureBags:
    """The more tiles of a bag are shifted, the sooner its patient has the event; a third is censored before."""
    rng = np.random.default_rng(seed)
    hazards, bags = rng.uniform(-1, 1, count), {}
    for number, hazard in enumerate(hazards):
        bags[f"s{number}"] = rng.normal(0, 1, (12, 8)).astype(np.float32)
        bags[f"s{number}"][:, :4] += hazard
    times, ends = rng.exponential(np.exp(-3 * hazards)), rng.exponential(3, count)
    follow_up = FollowUp(tuple(bags), np.minimum(times, ends), (times <= ends).astype(np.int64))
    source = FeatureBags(list(bags), follow_up.event_time_labels((0.3, 1.0, 2.5)), bags.__getitem__, 8)
    source.truth, source.task = follow_up.truth, Survival.over(4, bin_edges=(0.3, 1.0, 2.5))
    return source


OWN_LOSS = {"clam_sb", "clam_mb", "dsmil", "dtfd"}


def test_methods_with_the_shared_loss_learn_survival(name: str) -> None:
    assert method(name).card.learns("survival") == (name not in OWN_LOSS)


# The number of intervals is that of the outputs, whatever the method is.
@pytest.mark.parametrize(
    ("able", "intervals"), list(zip(sorted(set(BUILT_IN) - OWN_LOSS), itertools.cycle((2, 4)), strict=False))
)
def test_learns_survival(able: str, intervals: int, run: Run) -> None:
    cls = method(able)
    values = {**SMALL[able], "epochs": 6, "batch_size": 4, "min_epochs": 0}
    trained = cls(cls.Params.build(values, place="test"), Survival.over(intervals))
    train, val, test = survival_bags(60, 0), survival_bags(30, 1), survival_bags(60, 2)
    for bags in (train, val):
        assert bags.truth is not None
        bags.task = Survival.over(intervals, bin_edges=(0.3, 1.0, 2.5)[: intervals - 1])
        bags.labels = bags.task.encode(bags.truth)
    run.metric = "c_index"
    trained.fit(train, val, run)
    prediction = trained.predict(test, run)
    prediction.check(test.ids, intervals + 1, method=able)
    assert test.truth is not None
    times, events = test.truth["time"], test.truth["event"]
    assert c_index(times, events, risk_of(prediction.probabilities))[0] > 0.65
    assert run.facts["train"]["selected_by"] == "c_index"
    assert {"val_loss", "val_c_index"} <= set(run.curve[0])


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("abmilx", {"heads": 8, "width": 64, "dropout": 0.1, "lr": -1}, "lr must be above 0"),
        ("transmil", {"heads": 3}, "3 heads do not divide a width of 512"),
        ("abmil", {"trunk": "a-b"}, "not a list of layer widths"),
        ("abmil", {"dropout": 1.0}, "dropout must be"),
        ("dtfd", {"pseudo_bags": 0}, "at least 1"),
        ("clam_sb", {"instance_loss": "smv"}, "unknown value 'smv'"),
        ("dsmil", {"betas": [0.9]}, "betas must be two numbers"),
        ("dsmil", {"betas": [0.9, 1.0]}, "betas must be at least 0 and below 1"),
        ("dtfd", {"lr_drop_epochs": [-1]}, "at least 0"),
        ("dtfd", {"lr_drop_factor": 0}, "must be above 0"),
        ("abmilx", {"tile_sampling": "attention"}, "set low_ratio=0"),
        ("abmilx", {"tile_sampling": "regions", "tiles_per_bag": 0}, "needs tiles_per_bag"),
        ("abmilx", {"tile_sampling": "regions", "sampling_regions": 0}, "at least 1"),
    ],
)
def test_wrong_values_are_named(name: str, values: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        method(name).Params.build(values, place="test")


@pytest.mark.parametrize(
    ("preset", "tiles"),
    [
        ("r18_panda", (32, 96)),
        ("r50_panda", (32, 96)),
        ("r18_brca_subtyping", (128, 384)),
        ("r50_brca_subtyping", (42, 86)),
        ("r18_brca_survival", (76, 692)),
    ],
)
def test_coarse_and_fine_tiles_of_the_published_abmilx_configurations(preset: str, tiles: tuple[int, int]) -> None:
    """A floor of the ratio, as the code has it; all else is compared in test_published.py."""
    params = method("abmilx").card.presets[preset].params
    low = params["tiles_per_bag"] // params["low_ratio"]
    assert (low, params["tiles_per_bag"] - low) == tiles


@pytest.mark.parametrize(
    ("name", "at"), [("abmil", "each"), ("gated_abmil", "each"), ("mean_pool", "last"), ("max_pool", "last")]
)
@pytest.mark.parametrize(("preset", "decay"), [("musk1", 0.005), ("musk2", 0.03)])
def test_classical_recipe(name: str, at: str, preset: str, decay: float) -> None:
    cls = method(name)
    params = cls.Params.build(cls.card.presets[preset].params, place="test")
    assert isinstance(params, MILParams)
    assert math.isclose(params.weight_decay, 2 * decay)
    assert (params.lr, params.l2_on, params.optimizer, params.schedule) == (5e-4, "weights", "sgd", "inverse")
    assert (params.epochs, params.batch_size) == (50, 1)
    network = cls(params, TASK).aggregator(166)
    layers = [type(layer).__name__ for layer in network.trunk]
    assert layers.count("Linear") == 3
    assert layers.count("Dropout") == (3 if at == "each" else 1)
    assert network.head.linear.out_features == 1


def witness_bags(count: int, seed: int) -> FeatureBags:
    """Bags of 100 tiles; in every second bag one of them differs."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    tiles = rng.normal(0, 1, (count, 100, 32)).astype(np.float32)
    tiles[labels == 1, rng.integers(100), :8] += 4
    bags = dict(zip([f"s{number}" for number in range(count)], tiles, strict=True))
    return FeatureBags(list(bags), labels, bags.__getitem__, 32)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Small steps are slower on several threads than on one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_the_defaults_of_dsmil_find_one_tile_in_a_hundred(run: Run) -> None:
    cls = method("dsmil")
    trained = cls(cls.Params.build({"epochs": 16}, place="test"), TASK)
    run.checkpoint_seconds = 3600
    trained.fit(witness_bags(60, 0), witness_bags(20, 1), run)
    test = witness_bags(60, 2)
    assert test.labels is not None
    assert macro_auc(test.labels, trained.predict(test, run).probabilities) > 0.95


@pytest.mark.parametrize("augment", ["none", "weak", "strong"])
def test_tiles_are_cropped_for_the_encoder_in_training_and_resized_in_prediction(run: Run, augment: str) -> None:
    """Tiles of 27 pixels, an encoder at 24: every tile arrives at 24, prediction shows it the whole tile."""
    sides: list[int] = []
    cls = method("mean_pool")
    params = cls.Params.build({"epochs": 1, "augment": augment, "crop_px": 24, "trunk": "none"}, place="test")
    trained = cls(params, Classification(("no", "yes"), encoder="random:resnet18@layer1"))
    bags = tile_bags(4, 0)
    network = build_network(trained, bags, run)
    assert network.encoder is not None
    network.encoder.body.register_forward_pre_hook(lambda _, inputs: sides.append(inputs[0].shape[-1]))
    trained.network = network
    train_stage(mil_fit.stage(trained, bags, None, run), run)
    prediction = trained.predict(bags, run)
    assert set(sides) == {24}
    tiles = bags.read(0)
    whole = functional.interpolate(tiles.float(), (24, 24), mode="bilinear", align_corners=False, antialias=True)
    with torch.no_grad():
        logits = network.eval()(pack([whole])).logits
    assert prediction.probabilities[0] == pytest.approx(logits.double().softmax(1)[0].numpy(), abs=1e-5)


def test_smaller_tiles_are_never_enlarged(run: Run) -> None:
    params = method("abmilx").Params()
    assert isinstance(params, MILParams)
    assert [params.encoder_px(side) for side in (64, 224, 256, 512)] == [64, 224, 224, 224]


@pytest.mark.parametrize(("select", "expected"), [("protocol", "auc"), ("loss", "loss"), ("balanced_accuracy",) * 2])
def test_the_epoch_is_chosen_by_the_named_score(run: Run, select: str, expected: str) -> None:
    cls = method("abmil")
    params = cls.Params.build({**SMALL["abmil"], "epochs": 6, "select_metric": select, "lr": 0.02}, place="test")
    cls(params, TASK).fit(feature_bags(12, 0), feature_bags(8, 1), run)
    values = [float(row[f"val_{expected}"]) for row in run.curve]
    best = min(values) if expected == "loss" else max(values)
    assert (run.facts["train"]["selected_by"], run.facts["train"]["best_value"]) == (expected, best)


def test_the_protocol_that_keeps_the_last_epoch_has_the_last_word(run: Run) -> None:
    cls = method("abmil")
    run.select = "last"
    params = cls.Params.build({**SMALL["abmil"], "epochs": 3, "select_metric": "loss", "patience": 1}, place="test")
    cls(params, TASK).fit(feature_bags(8, 0), feature_bags(4, 1), run)
    assert (run.facts["train"]["selected_by"], run.facts["train"]["best_epoch"]) == ("last", 2)


OTHER_SAMPLER: dict[str, Any] = {
    "low_ratio": 0, "tiles_per_bag": 4, "sampling_regions": 2, "batch_size": 2, "min_epochs": 0,
    "report_weights": "raw",
}  # fmt: skip


@pytest.mark.parametrize("kind", ["features", "tiles"])
def test_abmilx_learns_from_tiles_drawn_by_region(run: Run, kind: str) -> None:
    cls = method("abmilx")
    make, count = (feature_bags, 40) if kind == "features" else (tile_bags, 16)
    values = {**SMALL["abmilx"], **OTHER_SAMPLER, "tile_sampling": "regions", "epochs": 12, "patience": None}
    values |= {"lr": 5e-3 if kind == "features" else 2e-3}
    trained = cls(cls.Params.build(values, place="test"), Classification(("no", "yes"), encoder="conv27"))
    trained.fit(make(count, 0), make(count // 2, 1), run)
    test = make(count, 2)
    assert test.labels is not None
    assert macro_auc(test.labels, trained.predict(test, run).probabilities) > 0.9


@pytest.mark.parametrize("kind", ["features", "tiles"])
def test_abmilx_trains_on_what_it_attends_to(run: Run, kind: str) -> None:
    """Four tiles of each bag reach the step. Whether it learns is luck: what is not attended to is never drawn."""
    cls = method("abmilx")
    make = feature_bags if kind == "features" else tile_bags
    values = {**SMALL["abmilx"], **OTHER_SAMPLER, "tile_sampling": "attention", "epochs": 2}
    trained = cls(cls.Params.build(values, place="test"), Classification(("no", "yes"), encoder="conv27"))
    seen: list[list[int]] = []
    for stage in trained.stages(make(8, 0), make(4, 1), run):
        first = {name: value.clone() for name, value in trained.network.state_dict().items()}
        trained.network.register_forward_pre_hook(lambda _, bags: seen.append(bags[0].offsets.diff().tolist()))
        train_stage(stage, run)
        assert any(not torch.equal(value, trained.network.state_dict()[name]) for name, value in first.items())
    assert seen == [[4, 4]] * 8


def test_attention_sampling_continues_bit_for_bit(tmp_path: Path) -> None:
    """What is drawn depends on the weights at the step, which a checkpoint has."""
    cls = method("abmilx")
    values = {**SMALL["abmilx"], **OTHER_SAMPLER, "tile_sampling": "attention", "epochs": 3}
    params = cls.Params.build(values, place="test")

    def trained(name: str, stop_after: int | None = None) -> dict[str, torch.Tensor]:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        run = Run(Seeds(1), torch.device("cpu"), folder, Meter(), checkpoint_seconds=0.0)
        one = cls(params, TASK)
        for stage in one.stages(feature_bags(8, 0), feature_bags(4, 1), run):
            loss, steps = stage.loss, iter(range(99))

            def stopping(batch: Any, loss: Any = loss, steps: Any = steps) -> Any:
                if next(steps) == stop_after:
                    raise InterruptedError
                return loss(batch)

            stage.loss = stopping
            train_stage(stage, run)
        return one.network.state_dict()

    whole = trained("whole")
    with pytest.raises(InterruptedError):
        trained("broken", stop_after=6)
    for key, value in trained("broken").items():
        assert torch.equal(value, whole[key]), key


@pytest.mark.parametrize("name", POINTS)
def test_every_number_that_can_be_set_has_limits(name: str) -> None:
    open_ended = [
        key
        for key, (_, field, default) in find_method(name).Params.describe().items()
        if isinstance(default, int | float) and not isinstance(default, bool) and not field.limits
    ]
    assert not open_ended
