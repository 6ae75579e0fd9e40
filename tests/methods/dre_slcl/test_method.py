"""The method as a whole: it learns, continues bit for bit, and reads from the bank in training only."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from harness import DataError
from methods.dre_slcl import feed as feeding
from methods.dre_slcl.bank import MemoryBank

LEARN = {
    "lr": 3e-3,
    "encoder_lr": 3e-3,
    "epochs": 6,
    "finetune_epochs": 6,
    "probe_epochs": 60,
    "codewords": 4,
    "batch_size": 6,
}


def test_the_card_is_read_without_torch():
    code = "import sys, methods.dre_slcl as m; assert 'torch' not in sys.modules and m.DreSlcl.card.open_points"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("downstream", ["probe", "finetune"])
def test_a_toy_task_is_learned(make_method, make_bags, make_run, downstream):
    method, run = make_method(**LEARN, downstream=downstream), make_run()
    method.fit(make_bags(16), make_bags(8, first=100), run)
    prediction = method.predict(make_bags(20, first=200, held_out=True), run)
    assert ((prediction.probabilities[:, 1] > 0.5) == np.arange(20) % 2).mean() >= 0.9
    np.testing.assert_allclose(prediction.probabilities.sum(1), 1, atol=1e-12)


def test_both_heads_are_scored_and_the_better_one_is_reported(make_method, make_bags, make_run):
    method, run = make_method(), make_run()
    val = make_bags(8, first=100)
    method.fit(make_bags(), val, run)
    facts = run.facts["downstream"]
    assert {"probe_auc", "finetune_auc", "probe_loss", "finetune_loss"} <= set(facts)
    best = max(("probe", "finetune"), key=lambda kind: (facts[f"{kind}_auc"], -facts[f"{kind}_loss"]))
    assert facts["reported"] == best
    again = method.predict(val, run).probabilities
    loss = -np.log(again[np.arange(8), val.labels]).mean()
    assert loss == pytest.approx(facts[f"{best}_loss"], rel=1e-5)


def test_staleness_and_occupancy_are_logged(make_method, make_bags, make_run):
    method, run = make_method(refresh_epochs=2, epochs=4), make_run()
    method.fit(make_bags(), None, run)
    rows = [row for row in run.curve if row["stage"] == "contrast"]
    assert [row["bank_age"] for row in rows][::2] < [row["bank_age"] for row in rows][1::2]
    assert rows[0]["bank_age"] < 1 < rows[1]["bank_age"]
    assert all(0 < row["codewords_used"] <= 1 and -1 <= row["bank_cosine"] <= 1.001 for row in rows)
    assert all(row["feature_grad"] > 0 for row in rows)
    assert run.facts["contrast"]["last_bank_age"] == rows[-1]["bank_age"]
    assert run.facts["finetune"]["codebook_outrun"] in {True, False}
    assert not list(run.workdir.glob("bank-*"))


class Killed(Exception):
    """Stands for the process being killed."""


def _fit(method, train, val, run, *, stop_after: int | None, monkeypatch) -> None:
    """Fit, or die in the middle of write number ``stop_after`` to the bank: after the bank has changed."""
    writes = 0
    original = MemoryBank.write

    def write(bank, *values):
        nonlocal writes
        original(bank, *values)
        writes += 1
        if writes == stop_after:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(MemoryBank, "write", write)
        method.fit(train, val, run)


@pytest.mark.parametrize(
    ("stop_after", "seconds"),
    [(4, 0.0), (8, 1e9), pytest.param(1, 0.0, marks=pytest.mark.slow), pytest.param(8, 0.0, marks=pytest.mark.slow)],
)
def test_an_interrupted_fit_ends_bit_for_bit_like_an_uninterrupted_one(
    make_method, make_bags, make_run, monkeypatch, stop_after, seconds
):
    settings = {"epochs": 3, "refresh_epochs": 2, "warm_epochs": 1}
    train, val = make_bags(), make_bags(6, first=100)
    whole, run = make_method(**settings), make_run("whole")
    _fit(whole, train, val, run, stop_after=None, monkeypatch=monkeypatch)
    broken = make_run("broken", checkpoint_seconds=seconds)
    with pytest.raises(Killed):
        _fit(make_method(**settings), train, val, broken, stop_after=stop_after, monkeypatch=monkeypatch)
    torch.manual_seed(999)
    resumed, again = make_method(**settings), make_run("broken")
    _fit(resumed, train, val, again, stop_after=None, monkeypatch=monkeypatch)
    for part in ("backbone", "head"):
        expected = getattr(whole, part).state_dict()
        for name, value in getattr(resumed, part).state_dict().items():
            assert torch.equal(value, expected[name]), name
    assert again.curve == run.curve
    assert again.facts["downstream"] == run.facts["downstream"]


def test_prediction_never_reads_a_bank(make_method, make_bags, make_run, monkeypatch):
    method, run = make_method(downstream="probe"), make_run()
    method.fit(make_bags(), None, run)
    expected = method.predict(make_bags(held_out=True), run).probabilities

    def refuse(*_):
        raise AssertionError("the bank was read in prediction")

    monkeypatch.setattr(MemoryBank, "read", refuse)
    read = []
    original = feeding.encode_bag
    monkeypatch.setattr(feeding, "_encode", lambda b, t, r, f=feeding._encode: (read.append(len(t)), f(b, t, r))[1])
    assert original is feeding.encode_bag
    bags = make_bags(held_out=True)
    np.testing.assert_array_equal(method.predict(bags, run).probabilities, expected)
    assert sum(read) == sum(bags.count(k) for k in range(len(bags)))


def test_a_bag_of_one_tile_trains_and_an_empty_one_is_refused(make_method, make_bags, make_run):
    method, run = make_method(codewords=2), make_run()
    method.fit(make_bags(8, tiles=1), make_bags(4, tiles=1, first=50), run)
    assert np.isfinite(method.predict(make_bags(3, tiles=1, held_out=True), run).probabilities).all()
    with pytest.raises(DataError, match="no tiles"):
        method.predict(make_bags(2, tiles=0, held_out=True), run)
    with pytest.raises(DataError, match="no tiles"):
        make_method().fit(make_bags(4, tiles=0), None, make_run("empty"))


def test_bags_without_reports_are_refused(make_method, make_bags, make_run):
    bags = make_bags()
    bags.reports = None
    with pytest.raises(DataError, match="pathology reports"):
        make_method().fit(bags, None, make_run())


def test_every_weight_moves_and_the_codebook_stays(make_method, make_bags, make_run):
    from methods.dre_slcl import training

    method, run = make_method(epochs=2, contrast_weight=0.5), make_run()
    stages = training.stages(method, make_bags(), None, run)
    for stage in stages:
        before = {name: value.detach().clone() for name, value in stage.module.named_parameters()}
        books = []
        batches = stage.batches

        def watched(epoch, start, batches=batches, stage=stage, books=books):
            for batch in batches(epoch, start):
                if hasattr(stage.module, "backbone"):
                    books.append(stage.module.backbone.codebook.clone())
                yield batch

        stage.batches = watched
        run.train(stage)
        still = [name for name, value in stage.module.named_parameters() if torch.equal(value, before[name])]
        assert not still, (stage.name, still)
        assert all(torch.equal(book, books[0]) and book.abs().sum() > 0 for book in books)
