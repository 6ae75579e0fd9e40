"""The journal version: mix-up of bags, the learning-rate step, and students that a retrained bag model judges."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.coupled import TASK, fitted, make_run, params, tile_bags

from harness import LeakError, MILParams, UsageError
from harness.bags.feature_source import FeatureBags
from harness.datasets.splits import Fold
from methods.icmil import ICMIL
from methods.icmil.bag_models import BagModel
from methods.icmil.distil import Distillation, step_schedule
from methods.icmil.mixup import MixedBags
from methods.icmil.params import BAG_MODELS

JOURNAL = {"bag_mixup": True, "distil_decay": 0.2, "distil_select": "bag_model", "confidence": True}
STUDENTS = {"distil_checks": 3, "snapshot_epochs": 2, "distil_lr": 1e-2}


def numbered(count: int, size: int = 12) -> FeatureBags:
    """Bags whose features say which bag and which tile they are."""
    bags = {f"b{k}": np.stack([np.full(size, k), np.arange(size)], 1).astype(np.float32) for k in range(count)}
    return FeatureBags(list(bags), np.arange(count) % 2, bags.__getitem__, 2)


def mixed(tmp_path, source: FeatureBags, epochs: int = 1, **changes: object) -> list:
    batches = MixedBags(source, "train", params(**changes), make_run(tmp_path))
    return [batch for epoch in range(epochs) for batch in batches(epoch, 0)]


# mix-up


def test_every_slide_comes_first_once_and_partners_are_of_its_group(tmp_path):
    source = numbered(10)
    run = make_run(tmp_path)
    order = run.seeds.numpy("order", "train", 0).permutation(10).tolist()
    made = mixed(tmp_path, source)
    assert [int(one.bag.ids[0][1:]) for one in made] == order
    for start in range(0, 10, 4):
        group, share = set(order[start : start + 4]), {one.share for one in made[start : start + 4]}
        assert len(share) == 1
        for one in made[start : start + 4]:
            assert set(one.bag.x[:, 0].int().tolist()) <= group
    assert len({one.share for one in made}) == 3


def test_parts_follow_the_share_and_labels_the_two_slides(tmp_path):
    """k = int(5 λ) parts of 3 tiles of the first slide, and the others of the second or, one time in four, none."""
    alone = with_partner = 0
    for one in mixed(tmp_path, numbered(8), epochs=60):
        first = int(one.bag.ids[0][1:])
        others = set(one.bag.x[:, 0].int().tolist()) - {first}
        own, mine = int((one.bag.x[:, 0] == first).sum()), int(5 * one.share)
        assert one.bag.labels.tolist() == [first % 2]
        if others:
            (second,) = others
            assert one.other.tolist() == [second % 2]
            assert (own, len(one.bag.x)) == (3 * mine, 12)
        elif own == 3 * mine < 12:
            alone += 1
        if others and 0 < mine < 4:
            with_partner += 1
        if mine == 0:
            assert len(one.bag.x) == 12
    assert 0.15 < alone / (alone + with_partner) < 0.35


def test_mixing_continues_in_the_middle_of_an_epoch(tmp_path):
    batches = MixedBags(numbered(10), "train", params(), make_run(tmp_path))
    for late, whole in zip(batches(3, 6), list(batches(3, 0))[6:], strict=True):
        assert torch.equal(late.bag.x, whole.bag.x)
        assert (late.share, late.other.tolist()) == (whole.share, whole.other.tolist())


def test_a_slide_alone_in_its_group_is_not_mixed_and_no_bag_is_empty(tmp_path):
    (last,) = mixed(tmp_path, numbered(1))
    assert (last.share, len(last.bag.x)) == (1.0, 12)
    assert all(len(one.bag.x) for one in mixed(tmp_path, numbered(8, size=1), epochs=20))


@pytest.mark.parametrize("kind", BAG_MODELS)
def test_the_loss_weighs_both_labels(tmp_path, kind):
    run = make_run(tmp_path)
    model = BagModel(MILParams.build({}, place="test"), TASK)
    model.kind, model.width, model.hidden, model.mixup = kind, 8, 4, params()
    (stage,) = model.stages(numbered(8), None, run)
    stage.module.eval()
    one = next(one for one in stage.batches(0, 0) if one.bag.labels.tolist() != one.other.tolist())
    with torch.no_grad():
        output, loss = stage.module(one.bag), float(stage.loss(one))
    parts = [float(model.network.aggregator.loss(output, label)) for label in (one.bag.labels, one.other)]
    expected = one.share * parts[0] + (1 - one.share) * parts[1]
    assert loss == pytest.approx(expected, rel=1e-5)
    assert stage.steps_per_epoch == 8


# learning rate


def test_the_students_learning_rate_falls_once(tmp_path):
    schedule = step_schedule(0.2, 1.5)
    assert [schedule(progress) for progress in (0.0, 1.49, 1.5, 2.9)] == [1.0, 1.0, 0.2, 0.2]
    _, run = fitted(tmp_path / "run", tile_bags(6, 0), None, distil_decay=0.2)
    assert [row["lr"] for row in run.curve if row["stage"] == "distil0"] == [1e-4, pytest.approx(2e-5)]
    _, plain = fitted(tmp_path / "plain", tile_bags(6, 0), None)
    assert [row["lr"] for row in plain.curve if row["stage"] == "distil0"] == [1e-4, 1e-4]


# students that a bag model judges


def test_the_student_whose_features_serve_a_bag_model_best_is_kept(tmp_path):
    train, val = tile_bags(6, 0), tile_bags(4, 1)
    coupling, run = fitted(tmp_path / "run", train, val, distil_select="bag_model", **STUDENTS)
    names = [row["stage"] for row in run.curve if row["epoch"] == 0]
    assert names == ["bag0", "distil0", "snapshot0_0", "snapshot0_1", "snapshot0_2", "bag1"]
    merits = []
    for k in range(3):
        best = run.facts[f"snapshot0_{k}"]["best_epoch"]
        (row,) = [r for r in run.curve if r["stage"] == f"snapshot0_{k}" and r["epoch"] == best]
        merits.append((row["val_auc"], -row["val_loss"]))
    kept = run.facts["distil0"]["kept_snapshot"]
    assert kept == merits.index(max(merits))
    state = torch.load(run.workdir / "snapshots0" / f"{kept}.pt", weights_only=True)
    assert all(torch.equal(value, state[name]) for name, value in coupling.rounds[1].embedder.state_dict().items())
    # Features of those that were only judged take no space.
    assert not list(run.workdir.glob("snapshot0_*/features.bin"))


def test_without_validation_slides_the_last_student_is_kept(tmp_path):
    _, run = fitted(tmp_path / "run", tile_bags(6, 0), None, distil_select="bag_model")
    assert run.facts["distil0"]["selected_by"] == "last"
    assert not any(name.startswith("snapshot") for name in run.facts)


@pytest.mark.parametrize(
    ("bag_model", "stop_at"),
    [
        ("abmil", "snapshot0_1"),
        ("dtfd", "distil0"),
        pytest.param("abmil", "distil0", marks=pytest.mark.slow),
        pytest.param("abmil", "bag1", marks=pytest.mark.slow),
        pytest.param("dtfd", "snapshot0_1", marks=pytest.mark.slow),
        pytest.param("dtfd", "bag1", marks=pytest.mark.slow),
    ],
)
def test_an_interruption_anywhere_leaves_no_trace(tmp_path, monkeypatch, bag_model, stop_at):
    train, val, test = tile_bags(6, 0), tile_bags(4, 1), tile_bags(4, 2)
    changes = {**JOURNAL, **STUDENTS, "bag_model": bag_model}
    whole, run = fitted(tmp_path / "whole", train, val, **changes)
    broken = make_run(tmp_path / "broken", train, val)
    trained = type(broken).train

    def stopping(self, stage):
        if stage.name == stop_at:
            losses, steps = stage.loss, []

            def loss(batch):
                steps.append(batch)
                if len(steps) > 3:
                    raise InterruptedError("stands for the process being killed")
                return losses(batch)

            stage.loss = loss
        trained(self, stage)

    monkeypatch.setattr(type(broken), "train", stopping)
    with pytest.raises(InterruptedError):
        fitted(tmp_path / "broken", train, val, **changes)
    monkeypatch.setattr(type(broken), "train", trained)
    torch.manual_seed(999)
    read = []
    monkeypatch.setattr(Distillation, "losses", _noting(Distillation.losses, read))
    resumed, resumed_run = fitted(tmp_path / "broken", train, val, **changes)
    assert bool(read) == (stop_at == "distil0")
    assert resumed_run.curve == run.curve
    for name, value in whole.rounds[1].embedder.state_dict().items():
        assert torch.equal(value, resumed.rounds[1].embedder.state_dict()[name]), name
    assert np.array_equal(whole.predict(test).probabilities, resumed.predict(test).probabilities)


def _noting(losses, read):
    def noting(self, batch):
        read.append(batch)
        return losses(self, batch)

    return noting


def test_a_student_of_another_fold_is_refused_before_anything_is_embedded(tmp_path):
    train, val = tile_bags(6, 0), tile_bags(4, 1)
    run = make_run(tmp_path / "run", train, val)
    stages = ICMIL(params(distil_select="bag_model", **STUDENTS), TASK).stages(train, val, run)
    for stage in stages:
        run.train(stage)
        if stage.name == "distil0":
            break
    run.fold = Fold(0, 1, val.ids, train.ids[:2], train.ids[2:])
    with pytest.raises(LeakError, match="snapshot0_0 was trained on 6 slides"):
        run.train(next(stages))
    assert not (run.workdir / "snapshot0_0").exists()


# settings


def test_the_journal_preset_has_what_the_conference_one_has_not():
    made = {
        name: ICMIL.Params.build(ICMIL.card.presets[name].params, place="test") for name in ("published", "journal")
    }
    journal, conference = made["journal"], made["published"]
    assert (journal.bag_mixup, journal.distil_decay, journal.distil_decay_at) == (True, 0.2, 0.5)
    assert (journal.mixup_slides, journal.mixup_parts, journal.mixup_alpha, journal.mixup_chance) == (4, 4, 1.0, 0.75)
    assert (journal.distil_select, journal.confidence, journal.sharpness) == ("bag_model", True, 6.0)
    assert (conference.bag_mixup, conference.distil_decay) == (False, 1.0)
    assert (conference.distil_select, conference.confidence) == ("agreement", False)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"distil_decay": 0.0}, "distil_decay must be above 0"),
        ({"mixup_chance": 1.5}, "at most 1"),
        ({"mixup_slides": 1}, "mixup_slides must be at least 2"),
        ({"distil_select": "bags"}, "unknown value 'bags'"),
    ],
)
def test_values_that_make_no_sense_are_named(values, message):
    with pytest.raises(UsageError, match=message):
        params(**values)
