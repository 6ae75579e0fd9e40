"""ICMIL: its losses, what teaches whom, what is read, and that the loop continues bit for bit."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from support.coupled import TASK, fitted, make_run, params, tile_bags
from torch.nn import functional

from harness import LeakError, Prediction, UsageError, pack
from harness.api.check import check_method
from harness.bags.feature_source import FeatureBags
from harness.bags.tile_source import TileBags
from harness.core.seeds import Seeds
from harness.datasets.splits import Fold
from harness.encoders import build_encoder
from harness.evaluation.metrics import macro_auc
from methods.aggregators.dtfd import DTFD
from methods.icmil import ICMIL
from methods.icmil.bag_models import BagModel, PooledMIL, Teacher
from methods.icmil.building import without_normalisation
from methods.icmil.distil import Distillation
from methods.icmil.losses import confidence, coupling_losses, divergence
from methods.icmil.params import BAG_MODELS
from methods.icmil.tiles import TileLoader, TilePool


def logits(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# losses


def kl_rows(target: torch.Tensor, other: torch.Tensor) -> np.ndarray:
    p, q = target.softmax(-1).numpy(), other.softmax(-1).numpy()
    return (p * np.log(p / q)).sum(-1)


def test_the_loss_has_the_published_scaling():
    z_t, z_w, t, s, w = (logits(7, d, seed=k) for k, d in enumerate((512, 512, 3, 3, 3)))
    made = {
        "teacher_hidden": z_t,
        "teacher_logits": t,
        "student_logits": s,
        "tied_hidden": z_w,
        "tied_logits": w,
        "alpha": 0.5,
    }
    consistency, tied, hidden = kl_rows(t, s).mean(), kl_rows(t, w).mean(), kl_rows(z_t, z_w).mean()
    element = coupling_losses(**made, reduction="element")
    assert float(element.loss) == pytest.approx(consistency / 3 + 0.5 * (tied / 3 + hidden / 512), rel=1e-5)
    sample = coupling_losses(**made, reduction="sample")
    assert float(sample.loss) == pytest.approx(consistency + 0.5 * (tied + hidden), rel=1e-5)
    # The mean over all elements is what torch's own "mean" does.
    reference = functional.kl_div(s.log_softmax(-1), t.softmax(-1), reduction="none").mean()
    assert float(element.consistency) == pytest.approx(float(reference), rel=1e-5)
    weights = torch.linspace(0, 1, 7, dtype=torch.float64)
    weighted = coupling_losses(**made, reduction="sample", weights=weights)
    assert float(weighted.consistency) == pytest.approx((kl_rows(t, s) * weights.numpy()).mean(), rel=1e-5)
    assert float(weighted.similarity) == pytest.approx(float(sample.similarity))


def test_equal_distributions_diverge_by_nothing_and_confident_ones_stay_finite():
    sure = torch.tensor([[200.0, -200.0]])
    assert float(divergence(sure, sure, "element")) == 0
    assert float(divergence(sure, -sure, "sample")) == pytest.approx(400)


def test_confidence_is_one_at_both_ends_and_zero_between():
    scores = torch.tensor([-1.0, 0.0, 1.0, 2.0, 3.0])
    a = np.array([0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(confidence([scores], 6.0), np.abs(2 * a - 1) ** 6, atol=1e-7)
    assert confidence([torch.full((4,), 2.5)], 6.0).tolist() == [1, 1, 1, 1]
    assert confidence([torch.tensor([0.3])], 6.0).tolist() == [1]
    both = [logits(5, seed=k).float() for k in (1, 2)]
    soft = [score.softmax(0).numpy() for score in both]
    product = np.prod([(s - s.min()) / (s.max() - s.min()) for s in soft], axis=0)
    np.testing.assert_allclose(confidence(both, 2.0), np.abs(2 * product - 1) ** 2, atol=1e-5)


# teacher and student


@pytest.fixture(params=BAG_MODELS)
def aggregator(request: pytest.FixtureRequest):
    model = BagModel(None, TASK)
    model.kind, model.width, model.hidden = request.param, 16, 8
    torch.manual_seed(0)
    return model.aggregator(12).eval()


def test_teachers_are_the_bag_models_on_bags_of_one(aggregator):
    """Of one tile the bag vector is the tile's own: the bag model and its teacher agree."""
    features = logits(5, 12).float()
    _, answer = Teacher.of(aggregator)(features)
    with torch.no_grad():
        expected = torch.cat([aggregator(pack([row.unsqueeze(0)])).logits for row in features])
    torch.testing.assert_close(answer, expected)


def test_max_pooling_is_per_channel_and_the_reducer_has_no_bias():
    model = PooledMIL(4, 2, pool="max_pool", width=8)
    assert model.embed[0].bias is None
    x = logits(9, 4).float()
    expected = model.classify(model.embed(x).max(0, keepdim=True).values)
    torch.testing.assert_close(model(pack([x])).logits, expected)


def test_the_journals_dtfd_teacher_mixes_both_tiers():
    torch.manual_seed(0)
    model = DTFD(6, 2, width=8, hidden=4)
    teacher = Teacher.of(model, mix=True)
    hidden, answer = teacher(logits(5, 6).float())
    torch.testing.assert_close(answer, 0.3 * model.tier1.classify(hidden) + 0.7 * model.tier2.classify(hidden))
    assert len(teacher.attention(hidden)) == 2


def test_every_part_is_clipped_on_its_own(aggregator):
    from harness.training.mil_fit import BagNetwork

    groups = BagModel(None, TASK).optimizer_groups(BagNetwork(aggregator))
    assert len(groups) == {PooledMIL: 2 if getattr(aggregator, "score", None) is None else 3, DTFD: 4}[type(aggregator)]
    assert sum(map(len, groups)) == len(list(aggregator.parameters()))


def distillation(aggregator, **changes: object) -> tuple[Distillation, object]:
    from harness import Augment
    from methods.icmil.distil import Student

    torch.manual_seed(1)
    encoder = build_encoder("conv27", tile_px=27, seed=0).eval()
    torch.nn.init.normal_(aggregator.embed[0].weight)
    teacher = Teacher.of(aggregator)
    return Distillation(params(**changes), teacher, Student(encoder, teacher), Augment("strong", 27, 0.5)), encoder


def batch_of(encoder, source: TileBags):
    from methods.icmil.tiles import TileBatch

    tiles = source.read(0)
    with torch.no_grad():
        return TileBatch(tiles, encoder.encode(tiles), 5)


def test_weight_similarity_has_no_path_to_the_embedder():
    torch.manual_seed(0)
    work, encoder = distillation(PooledMIL(512, 2, pool="abmil", width=16, hidden=8))
    batch = batch_of(encoder, tile_bags(2, 0))
    with torch.no_grad():
        work.student.reducer[0].weight.mul_(1.5)
    work.losses(batch).similarity.backward()
    assert all(p.grad is None for p in work.student.embedder.parameters())
    assert float(work.student.reducer[0].weight.grad.norm()) > 0
    assert float(work.student.classifier.weight.grad.norm()) > 0
    work.losses(batch).consistency.backward()
    assert all(float(p.grad.norm()) > 0 for p in work.student.embedder.parameters() if p.dim() > 1)


def test_student_and_teacher_start_alike():
    work, encoder = distillation(PooledMIL(512, 2, pool="max_pool", width=16))
    batch = batch_of(encoder, tile_bags(2, 0))
    work.student.eval()
    assert work.losses(batch).similarity.item() == pytest.approx(0, abs=1e-7)
    with torch.no_grad():
        torch.testing.assert_close(work.student(batch.tiles), work.teacher(batch.features)[1])


# what is read


class Watched(TileBags):
    """Counts what is read of it."""

    reads = 0

    def read(self, bag, rows=None, scale=0):
        self.reads += 1
        return super().read(bag, rows, scale)


def watched(bags: TileBags) -> Watched:
    return Watched(bags.ids, bags.labels, bags._reader)


def test_only_tiles_of_training_slides_are_learned_from(tmp_path, monkeypatch):
    """Batches that are learned from are tiles of the training slides, with their own features; nothing else is read."""
    train, val = tile_bags(6, 0), watched(tile_bags(4, 1))
    own = {train.read(bag)[k].numpy().tobytes() for bag in range(len(train)) for k in range(train.count(bag))}
    seen = []
    losses = Distillation.losses

    def spy(self, batch):
        seen.append((batch, val.reads, copy.deepcopy(self.student.embedder)))
        return losses(self, batch)

    monkeypatch.setattr(Distillation, "losses", spy)
    coupling, _ = fitted(tmp_path / "run", train, val)
    assert len(seen) == 6
    assert all(tile.numpy().tobytes() in own for batch, _, _ in seen for tile in batch.tiles)
    first = coupling.rounds[0].embedder
    with torch.no_grad():
        for batch, _, _ in seen:
            torch.testing.assert_close(first.encode(batch.tiles), batch.features, rtol=1e-4, atol=1e-5)
    # Validation tiles are read to compare student and teacher, between the steps of two epochs only.
    at_step = [reads for _, reads, _ in seen]
    assert len(set(at_step[:3])) == len(set(at_step[3:])) == 1
    assert at_step[3] > at_step[0]


def test_every_tile_comes_once_before_any_comes_again(tmp_path):
    bags = tile_bags(5, 0)
    features = {slide: np.full((6, 2), k, np.float32) for k, slide in enumerate(bags.ids)}
    for slide in bags.ids:
        features[slide][:, 1] = np.arange(6)
    pool = TilePool(bags, FeatureBags(bags.ids, bags.labels, features.__getitem__, 2))
    loader = TileLoader(pool, "distil0", make_run(tmp_path), batch=6, steps=8)
    batches = list(loader(0, 0))
    assert [len(batch.tiles) for batch in batches] == [6] * 8
    turn = torch.cat([batch.features for batch in batches[:5]])
    assert len({tuple(row.tolist()) for row in turn}) == 30
    for batch in batches:
        for tile, (bag, row) in zip(batch.tiles, batch.features.long().tolist(), strict=True):
            assert torch.equal(tile, bags.read(bag)[row])
    for late, batch in zip(loader(0, 5), batches[5:], strict=True):
        assert torch.equal(late.tiles, batch.tiles)
        assert late.seed == batch.seed
    assert len({batch.seed for batch in [*batches, *loader(1, 0)]}) == 16


def test_tiles_and_features_have_to_be_of_the_same_bags():
    bags = tile_bags(2, 0)
    short = FeatureBags(bags.ids, None, lambda slide: np.zeros((5, 2), np.float32), 2)
    with pytest.raises(ValueError, match="different bags"):
        TilePool(bags, short)


# the loop


def test_only_the_embedder_survives_a_round_and_the_teacher_stays(tmp_path, monkeypatch):
    train, val = tile_bags(6, 0), tile_bags(4, 1)
    teachers = []
    of = Teacher.of.__func__

    def spy(cls, aggregator, *, mix=False):
        teacher = of(cls, aggregator, mix=mix)
        teachers.append((teacher, copy.deepcopy(teacher.reducer.state_dict()), aggregator))
        return teacher

    monkeypatch.setattr(Teacher, "of", classmethod(spy))
    coupling, run = fitted(tmp_path / "run", train, val, distil_select="last", iterations=2)
    before, after, _ = coupling.rounds
    (teacher, start, _), _ = teachers
    assert all(torch.equal(value, teacher.reducer.state_dict()[name]) for name, value in start.items())
    pairs = zip(before.embedder.parameters(), after.embedder.parameters(), strict=True)
    assert all(not torch.equal(a, b) for a, b in pairs)
    assert [row["stage"] for row in run.curve if row["epoch"] == 0] == ["bag0", "distil0", "bag1", "distil1", "bag2"]
    assert [one.trained_on for one in coupling.rounds] == [(), train.ids, train.ids]
    assert run.facts["coupling"]["rounds"] == 2
    assert {"val_auc_round0", "val_auc_round1", "val_auc_round2"} <= set(run.facts["coupling"])
    fresh = build_encoder("conv27", tile_px=27, seed=Seeds(3).seed("init", "encoder") % 2**32)
    for name, value in fresh.state_dict().items():
        assert torch.equal(value, before.embedder.state_dict()[name]), name


def test_no_round_is_the_two_stage_model_that_coupling_starts_from(tmp_path):
    train, val = tile_bags(6, 0), tile_bags(4, 1)
    plain, _ = fitted(tmp_path / "plain", train, val, iterations=0, warm_epochs=1)
    coupled, run = fitted(tmp_path / "coupled", train, val, iterations=1, warm_epochs=1)
    assert [row["stage"] for row in run.curve if row["epoch"] == 0] == ["warm", "bag0", "distil0", "bag1"]
    assert len(plain.rounds) == 1
    pairs = zip(
        plain.rounds[0].bag_model.network.parameters(), coupled.rounds[0].bag_model.network.parameters(), strict=True
    )
    assert all(torch.equal(a, b) for a, b in pairs)
    assert plain.kept.trained_on == train.ids


@pytest.mark.parametrize("stop_at", [1, pytest.param(4, marks=pytest.mark.slow)])
def test_an_interruption_in_the_middle_of_distillation_leaves_no_trace(tmp_path, monkeypatch, stop_at):
    train, val, test = tile_bags(6, 0), tile_bags(4, 1), tile_bags(4, 2)
    changes = {"confidence": True, "bag_model": "dtfd"}
    whole, run = fitted(tmp_path / "whole", train, val, **changes)
    losses, steps = Distillation.losses, []

    def stopping(self, batch):
        steps.append(batch)
        if len(steps) > stop_at:
            raise InterruptedError("stands for the process being killed")
        return losses(self, batch)

    monkeypatch.setattr(Distillation, "losses", stopping)
    with pytest.raises(InterruptedError):
        fitted(tmp_path / "broken", train, val, **changes)
    monkeypatch.setattr(Distillation, "losses", losses)
    torch.manual_seed(999)
    resumed, resumed_run = fitted(tmp_path / "broken", train, val, **changes)
    assert resumed_run.facts["distil0"]["resumed_at_epoch"] is not None
    assert resumed_run.curve == run.curve
    for name, value in whole.rounds[1].embedder.state_dict().items():
        assert torch.equal(value, resumed.rounds[1].embedder.state_dict()[name]), name
    assert np.array_equal(whole.predict(test).probabilities, resumed.predict(test).probabilities)


def test_what_one_fold_made_is_refused_in_another(tmp_path):
    train, val, test = tile_bags(6, 0), tile_bags(4, 1), tile_bags(4, 2)
    coupling, run = fitted(tmp_path / "run", train, val)
    run.fold = Fold(0, 1, val.ids, test.ids, train.ids)
    with pytest.raises(LeakError, match="round 1 was trained on 6 slides"):
        coupling.predict(test)


@pytest.mark.parametrize("bag_model", BAG_MODELS)
def test_bags_of_one_tile(tmp_path, bag_model):
    train, test = tile_bags(6, 0, size=1), tile_bags(3, 2, size=1)
    coupling, run = fitted(tmp_path / "run", train, None, bag_model=bag_model, distil_batch=100)
    prediction: Prediction = coupling.predict(test)
    prediction.check(test.ids, 2, method="icmil")
    assert coupling.kept.number == 1
    assert run.facts["distil0"]["selected_by"] == "last"
    if bag_model != "max_pool":
        assert [weights.tolist() for weights in prediction.attention] == [[1.0]] * 3


def test_the_better_round_is_kept_where_asked(tmp_path):
    train, val = tile_bags(6, 0), tile_bags(4, 1)
    coupling, run = fitted(tmp_path / "run", train, val, select_iteration="best", iterations=3)
    scores = [one.scores["auc"] for one in coupling.rounds]
    assert scores[coupling.kept.number] == max(scores)
    assert run.facts["coupling"]["kept_round"] == scores.index(max(scores))
    # A further round is only begun while the last one is the best.
    assert all(scores[k] > max(scores[:k]) for k in range(1, len(scores) - 1))


def test_a_later_bag_model_can_start_from_the_one_before(tmp_path):
    train = tile_bags(6, 0)
    first = {}
    for warm in (False, True):
        run = make_run(tmp_path / str(warm), train)
        for stage in ICMIL(params(warm_start=warm), TASK).stages(train, None, run):
            if stage.name.startswith("bag"):
                first[warm, stage.name] = copy.deepcopy(stage.module.state_dict())
            run.train(stage)
            if stage.name == "bag0":
                trained = copy.deepcopy(stage.module.state_dict())
    assert all(torch.equal(value, first[False, "bag0"][name]) for name, value in first[False, "bag1"].items())
    assert all(torch.equal(value, trained[name]) for name, value in first[True, "bag1"].items())


def test_learns_and_the_student_comes_to_agree_with_its_teacher(tmp_path):
    train, val, test = tile_bags(20, 0), tile_bags(8, 1), tile_bags(20, 2)
    changes = {
        "epochs": 15,
        "distil_steps": 60,
        "distil_checks": 4,
        "distil_lr": 5e-4,
        "warm_epochs": 3,
        "warm_lr": 1e-3,
    }
    coupling, run = fitted(tmp_path / "run", train, val, distil_select="last", **changes)
    assert macro_auc(test.labels, coupling.predict(test).probabilities) > 0.9
    losses = [row["loss"] for row in run.curve if row["stage"] == "distil0"]
    assert losses[-1] < 0.7 * losses[0]


# card and settings


def test_card_and_presets():
    check_method(ICMIL, "icmil", "tests")
    assert "arXiv" in ICMIL.card.paper
    published = ICMIL.Params.build(ICMIL.card.presets["published"].params, place="test")
    assert (published.epochs, published.bag_lr, published.weight_decay, published.clip_grad_norm) == (
        200,
        2e-4,
        1e-4,
        5,
    )
    assert (published.distil_batch, published.distil_lr, published.distil_weight_decay) == (100, 1e-5, 1e-4)
    assert (published.alpha, published.kl_reduction, published.crop_min, published.width) == (0.5, "element", 0.5, 512)
    assert (published.hidden, published.pseudo_bags, published.normalise, published.confidence) == (
        128,
        5,
        "none",
        False,
    )
    assert (published.warm_epochs, published.warm_start, published.iterations) == (0, False, 1)
    assert params(bag_model="dtfd", lr=None).bag_lr == params(bag_model="max_pool", lr=None).bag_lr == 1e-4
    betas = [params(bag_model=kind, confidence=True).sharpness for kind in ("abmil", "dtfd")]
    assert betas == [6.0, 2.0]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"bag_model": "max_pool", "confidence": True}, "which max_pool has none of"),
        ({"warm_epochs": 2, "normalise": "none"}, "cannot go with normalise=none"),
        ({"iterations": -1}, "iterations must be at least 0"),
        ({"bag_model": "transmil"}, "unknown value 'transmil'"),
    ],
)
def test_values_that_do_not_go_together_are_named(values, message):
    with pytest.raises(UsageError, match=message):
        params(**values)


def test_features_are_refused(tmp_path):
    bags = FeatureBags(("a",), np.zeros(1, np.int64), lambda slide: np.zeros((2, 3), np.float32), 3)
    with pytest.raises(Exception, match="cannot be trained on features"):
        ICMIL(params(), TASK).fit(bags, None, make_run(tmp_path))


def test_published_input_is_not_normalised():
    encoder = build_encoder("conv27", tile_px=27, seed=0).eval()
    tiles = tile_bags(2, 0).read(0)
    bare = without_normalisation(encoder)
    torch.testing.assert_close(bare.preprocess(tiles), tiles.float() / 255)
    with torch.no_grad():
        torch.testing.assert_close(bare.encode(tiles), encoder.body(tiles.float() / 255))
