"""A unit follows its protocol, and what a method is given holds no test label."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import numpy as np
import pytest
from support.units import run_unit

from harness import Method, MILMethod, Prediction, Run, UsageError
from harness.studies.planned_unit import prepare


def test_a_unit_learns_the_toy_task_and_repeats_itself_bit_for_bit(toy_unit):
    first = run_unit(*toy_unit(name="a"))
    again = run_unit(*toy_unit(name="b"))
    other = run_unit(*toy_unit(name="c", seed=1))
    assert np.array_equal(first.rows.probabilities, again.rows.probabilities)
    assert not np.array_equal(first.rows.probabilities, other.rows.probabilities)
    hits = (first.rows.probabilities[:, 1] >= first.threshold) == first.rows.truth["label"]
    assert hits.mean() >= 0.7
    assert first.rows.accesses == 1


def test_selection_threshold_and_training_follow_the_protocol(toy_unit):
    best = run_unit(*toy_unit(name="best"))
    last = run_unit(*toy_unit(protocol="last", name="last"))
    assert best.result.facts["train"]["selected_by"] == "auc"
    assert last.result.facts["train"]["selected_by"] == "last"
    assert best.threshold is not None
    assert last.threshold is None
    assert "val_auc" in best.result.curve[0]
    assert "val_auc" not in last.result.curve[0]


class Spy(MILMethod):
    """Records what fit and predict are given."""

    seen: dict[str, object]

    def fit(self, train, val, run):
        type(self).seen = {"train": train, "val": val, "run": run}

    def predict(self, bags, run):
        type(self).seen.setdefault("asked", []).append(bags)
        return Prediction(bags.ids, np.full((len(bags), 2), 0.5))


def test_the_parts_are_those_of_the_split_file(toy_unit):
    spy = _spy(toy_unit)
    for protocol in ("cv2", "last"):
        unit, inputs, scorer = toy_unit(protocol=protocol, method=spy)
        run_unit(unit, inputs, scorer)
        seen, fold = spy.seen, unit.fold
        if protocol == "cv2":
            assert seen["train"].ids == fold.train
            assert seen["val"].ids == fold.val
            assert [len(bags) for bags in seen["asked"]] == [len(fold.val), len(fold.test)]
            assert seen["asked"][0].ids == fold.val
        else:
            assert seen["train"].ids == fold.train + fold.val
            assert seen["val"] is None


def test_test_slides_are_predicted_under_ids_that_tell_nothing_and_scored_under_their_own(toy_unit):
    spy = _spy(toy_unit)
    unit, inputs, scorer = toy_unit(method=spy)
    prepared = prepare(unit, inputs)
    job, real = prepared.job, prepared.names
    result = run_unit(unit, inputs, scorer)
    ids = spy.seen["asked"][1].ids
    assert ids == job.test == tuple(f"test-{number:03d}" for number in range(len(unit.fold.test)))
    assert [real[name] for name in ids] != list(unit.fold.test)
    assert result.rows.slides == unit.fold.test
    bags = {name: spy.seen["asked"][1].read(k) for k, name in enumerate(ids)}
    own = inputs.access.bags(unit.fold.test)
    assert all((bags[name] == own.read(unit.fold.test.index(slide))).all() for name, slide in real.items())
    with pytest.raises(KeyError):
        job.access.bags(unit.fold.test).read(0)


def _spy(toy_unit):
    unit, _, _ = toy_unit()
    return type(
        "TinySpy", (Spy,), {"card": unit.method.card, "Params": unit.method.Params, "aggregator": lambda s, d: None}
    )


def test_normalisation_is_fitted_on_what_is_trained_on(toy_unit):
    spy = _spy(toy_unit)
    for protocol, exact in (("last", True), ("leaky", False)):
        run_unit(*toy_unit(protocol=protocol, method=spy))
        train = spy.seen["train"]
        values = np.concatenate([train.read(k).numpy() for k in range(len(train))])
        assert np.allclose(values.mean(0), 0, atol=1e-5) == exact


class Thief(Spy):
    """Looks for test labels in everything that it can reach from what it is given."""

    def predict(self, bags, run):
        prediction = super().predict(bags, run)
        type(self).seen["loot"] = [bags.labels, *_reachable(bags), *_reachable(run), *_reachable(self)]
        return prediction


def _reachable(root: object) -> Iterator[object]:
    """Objects behind the attributes and containers of ``root``, closures of functions left out."""
    todo, done = [root], set()
    while todo:
        item = todo.pop()
        if id(item) in done or isinstance(item, type | str | bytes):
            continue
        done.add(id(item))
        yield item
        if isinstance(item, dict):
            todo += list(item.values())
        elif isinstance(item, list | tuple | set):
            todo += list(item)
        elif hasattr(item, "__self__"):
            todo.append(item.__self__)
        elif hasattr(item, "__dict__"):
            todo += list(vars(item).values())


def test_a_method_that_looks_for_test_labels_finds_none(toy_unit):
    unit, inputs, scorer = toy_unit(method=_thief(toy_unit))
    run_unit(unit, inputs, scorer)
    test = set(unit.fold.test)
    truth = {slide: inputs.dataset.by_slide[slide].label for slide in test}
    seen = unit.method.seen
    assert seen["asked"][-1].labels is None
    for item in seen["loot"]:
        assert item is not inputs.dataset
        assert item is not scorer
        assert not (isinstance(item, dict) and any(item.get(slide) == truth[slide] for slide in test))
        assert not (
            isinstance(item, np.ndarray) and item.dtype == np.int64 and len(item) == len(inputs.dataset.entries)
        )
    assert gc.isenabled()


def _thief(toy_unit):
    unit, _, _ = toy_unit()
    return type(
        "TinyThief", (Thief,), {"card": unit.method.card, "Params": unit.method.Params, "aggregator": lambda s, d: None}
    )


def test_the_contract_is_importable_without_torch():
    assert issubclass(MILMethod, Method)
    assert Run.__module__ == "harness.training.run"


def test_a_wrong_parameter_is_refused_before_anything_is_opened(toy_unit):
    with pytest.raises(UsageError, match="unknown hyper-parameter 'lrr'"):
        toy_unit(lrr=1)
