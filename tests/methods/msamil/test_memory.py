"""MsaMIL-Net is kept within its memory: the estimate agrees with what its stages take, a rung that fits is found."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.memory import limits, measured, plan_of

from harness import BagSource, MethodError, Scale, Task
from harness.bags.source import Extent
from harness.training.memory.ladder import BF16, RECOMPUTE, Memory
from methods.msamil import MsaMIL

PX = 48
LARGE = {
    "thumbnail_px": 96,
    "seg_encoder": "mobilenet_v2",
    "seg_depth": 3,
    "seg_width": 8,
    "seg_batch_size": 2,
    "seg_epochs": 1,
    "width": 64,
    "token_layers": 1,
    "token_heads": 2,
    "mhe_layers": 1,
    "mhe_heads": 4,
    "rank": 8,
    "tiles_per_step": 100,
    "encode_chunk": 0,
    "recompute": False,
    "epochs": 1,
    "warmup_epochs": 0,
    "bn_calibration": 64,
}


class Tissue(BagSource):
    """Slides full of noise, with lesions that cannot be learned: no window passes, so that all tiles are kept."""

    kind = "tiles"
    dim = 0
    scales = (Scale(0.5, PX), Scale(1.0, PX), Scale(2.0, PX))

    def __init__(self, *counts: int) -> None:
        self.ids = tuple(f"s{k}" for k in range(len(counts)))
        self.labels = np.arange(len(counts), dtype=np.int64) % 2
        self.counts = counts

    def count(self, bag, scale=0):
        return self.counts[bag] // 4**scale

    def read(self, bag, rows=None, scale=0):
        generator = torch.Generator().manual_seed(bag)
        tiles = self.count(bag, scale) if rows is None else len(rows)
        return torch.randint(0, 256, (tiles, 3, PX, PX), dtype=torch.uint8, generator=generator)

    def coords(self, bag, scale=0):
        return np.stack(np.divmod(np.arange(self.count(bag, scale)), 20), 1) * PX * 2**scale

    def extent(self, bag):
        return Extent(20 * PX, 20 * PX, (PX, 2 * PX, 4 * PX))

    def thumbnail(self, bag, side):
        return torch.randint(0, 256, (3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(bag))

    def mask(self, bag, side):
        return np.random.default_rng(bag).random((side, side)) > 0.5


def _method(**changes: object) -> MsaMIL:
    return MsaMIL(MsaMIL.Params.build(LARGE | changes, place="test"), Task(("no", "yes"), encoder="conv64"))


TRAIN, VAL = Tissue(160, 80), Tissue(200, 60)


@pytest.mark.parametrize(
    ("precision", "changes"),
    [
        ("fp32", {}),
        ("fp32", {"encode_chunk": 16, "recompute": True, "augment": "none"}),
        ("fp32", {"encode_chunk": 16, "thumbnail_px": 64, "width": 128, "mhe_layers": 2}),
        ("bf16", {}),
    ],
)
def test_the_estimate_lies_within_a_factor_of_two_of_what_a_training_takes(make_run, monkeypatch, precision, changes):
    plan = plan_of(_method(**changes), TRAIN, VAL, make_run("plan", precision=precision), monkeypatch)
    found = measured(_method(**changes), TRAIN, VAL, make_run(precision=precision))
    assert [part.name for part in plan.parts] == ["segment", "train"]
    for part in plan.parts:
        taken = found[part.name] + plan.held
        assert taken / 2 < part(plan.rungs[0]).total < 2 * taken


@pytest.mark.parametrize(("number", "settings"), [(RECOMPUTE, {"thumbnail_px": 32}), (BF16, {})])
def test_a_limit_finds_the_rung_that_fits(make_run, monkeypatch, number, settings):
    found, _ = limits(plan_of(_method(**settings), TRAIN, VAL, make_run("plan"), monkeypatch))
    rung, limit = found[number]
    method, run = _method(**settings), make_run(memory=Memory(limit=limit))
    method.fit(TRAIN, VAL, run)
    facts = run.memory.facts
    assert (facts["rung"], facts["how"], run.precision) == (number, rung.how, rung.precision)
    assert facts["estimate_mb"] <= facts["available_mb"] < facts["as_asked_mb"]
    assert (method.network.extractor.chunk, method.network.extractor.recompute) == (rung.chunk, True)
    assert np.isfinite(method.predict(VAL, run).probabilities).all()


@pytest.mark.parametrize(
    ("changes", "part", "fix"),
    [({"segment": False}, "it", "--set tiles_per_step="), ({}, "segment, its largest part,", "--set seg_batch_size=")],
)
def test_what_never_fits_is_refused_before_it_is_trained(make_run, monkeypatch, changes, part, fix):
    _, least = limits(plan_of(_method(**changes), TRAIN, None, make_run("plan"), monkeypatch))
    run = make_run(memory=Memory(limit=least - 1))
    with pytest.raises(MethodError) as error:
        next(_method(**changes).stages(TRAIN, None, run))
    assert f"{part} would take" in error.value.problem
    assert "slide s0 has 210 tiles" in error.value.problem
    assert fix in error.value.fix
    assert "--memory-limit" in error.value.fix


def test_data_without_masks_has_no_segmenter_to_count(make_run, monkeypatch):
    plan = plan_of(_method(segment=False), TRAIN, VAL, make_run("plan"), monkeypatch)
    assert [part.name for part in plan.parts] == ["train"]
