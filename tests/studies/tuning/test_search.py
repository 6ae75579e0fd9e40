"""What a search tries is a function of the study, the trial's number and earlier results, and of nothing else."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness import UsageError
from harness.studies.tuning.search import Question, flat
from harness.studies.tuning.settings import TuneSettings, seconds
from harness.studies.tuning.trials import Trial, best


def quality(question: Question) -> dict[str, float]:
    """A made-up validation score: best at lr 1e-2, heads 6; the inner fold shifts it a little."""
    p = question.params
    auc = 0.9 - 0.1 * abs(math.log10(p["lr"]) + 2) - 0.01 * abs(p["heads"] - 6) - 0.001 * question.step
    return {"auc": round(auc, 6), "log_loss": round(1 - auc + p["drop"], 6)}


def run(search, *, rng=None, until: int | None = None, failing: tuple[int, ...] = ()) -> list[Question]:
    """Answer all questions, in the order given or shuffled; stop after ``until`` of them, as a kill does."""
    asked = []
    while questions := search.questions():
        for question in questions if rng is None else rng.permutation(questions):
            asked.append(question)
            bad = question.trial in failing
            search.tell(question, None if bad else quality(question), 1.0, "it broke" if bad else "")
            if until is not None and len(asked) == until:
                return asked
    return asked


SAMPLERS = ("tpe", "random", "qmc", "grid")


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_first_trial_is_the_defaults_and_no_two_studies_try_the_same(search, sampler):
    one, other = search(sampler=sampler), search(sampler=sampler, key="study/r0f1")
    run(one)
    run(other)
    assert one.trials[0].params == {"lr": 1e-3, "drop": 0.25, "heads": 4, "pool": "mean"}
    assert len(one.trials) == 12
    assert [t.params for t in one.trials[1:]] != [t.params for t in other.trials[1:]]
    assert len({tuple(t.params.items()) for t in one.trials}) == 12


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_order_in_which_results_come_in_does_not_matter(search, sampler):
    straight, shuffled = search(sampler=sampler, batch=4), search(sampler=sampler, batch=4)
    run(straight)
    run(shuffled, rng=np.random.default_rng(1))
    assert [t.params for t in straight.trials] == [t.params for t in shuffled.trials]
    assert straight.best.number == shuffled.best.number


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("until", [1, 5, 9])
def test_a_search_that_is_killed_and_asked_again_tries_the_same(search, sampler, until):
    whole = search(sampler=sampler, batch=4)
    run(whole)
    first = search(sampler=sampler, batch=4)
    run(first, until=until)
    again = search(sampler=sampler, batch=4)  # results of the first are answered from the store, to the same effect
    run(again)
    assert [t.params for t in again.trials] == [t.params for t in whole.trials]


def test_tpe_learns_and_random_does_not(search):
    found = {}
    for sampler in ("tpe", "random"):
        values = []
        for k in range(5):
            one = search(sampler=sampler, trials=60, key=f"k{k}")
            run(one)
            values.append(np.mean([t.value("auc") for t in one.trials[-20:]]))
        found[sampler] = np.mean(values)
    assert found["tpe"] > found["random"] + 0.03


def test_the_best_has_the_best_value_ties_go_to_the_smaller_loss_then_the_earlier(search):
    def trial(number, auc, loss, state="complete"):
        return Trial(number, {}, [{"auc": auc, "log_loss": loss}], state=state)

    assert best([trial(0, 0.9, 0.5), trial(1, 0.9, 0.3), trial(2, 0.9, 0.3)], "auc").number == 1
    assert best([trial(0, 0.9, 0.5), trial(1, 1.0, 0.9, "pruned")], "auc").number == 0
    assert best([trial(0, 0.9, 0.5), trial(1, 0.8, 0.1)], "log_loss").number == 1
    assert best([trial(0, 0.9, 0.5, "failed")], "auc") is None


def test_a_failed_trial_is_a_row_with_its_reason_and_stops_nothing(search):
    one = search(batch=3)
    run(one, failing=(0, 4))
    assert [t.state for t in one.trials].count("failed") == 2
    assert len(one.trials) == 12
    rows = flat("r0f0", one.trials, "auc", one.best)
    assert rows[4]["reason"] == "it broke"
    assert sum(row["chosen"] for row in rows) == 1
    undefined = search(trials=1)
    undefined.tell(undefined.questions()[0], {"auc": float("nan"), "log_loss": 1.0}, 1.0)
    assert "auc" in undefined.trials[0].reason


def test_a_budget_ends_the_search_after_the_batch_that_used_it_up(search):
    one = search(trials=1000, batch=5, share_s=12.0)
    run(one)
    assert len(one.trials) == 15
    assert one.device_s == 15.0
    tiny = search(trials=1000, batch=5, share_s=0.001)
    run(tiny)
    assert len(tiny.trials) == 5


def test_inner_folds_are_all_done_before_a_trial_counts(search):
    one = search(folds=3, trials=4, batch=2)
    asked = run(one)
    assert len(asked) == 12
    assert [(q.trial, q.step) for q in asked[:4]] == [(0, 0), (1, 0), (0, 1), (1, 1)]
    assert one.trials[0].value("auc") == pytest.approx(np.mean([s["auc"] for s in one.trials[0].scores]))


def test_pruning_gives_up_the_worse_ones_and_saves_work(search):
    whole, halved, median = search(folds=3), search(folds=3, pruner="halving"), search(folds=3, pruner="median")
    asked = {name: len(run(one)) for name, one in (("none", whole), ("halving", halved), ("median", median))}
    assert asked["none"] == 36
    assert asked["halving"] < asked["median"] < asked["none"]
    for one in (halved, median):
        assert {t.state for t in one.trials} == {"complete", "pruned"}
    first = halved.trials[:5]
    survivors = {t.number for t in first if len(t.scores) > 1}
    ranked = sorted(first, key=lambda t: -t.scores[0]["auc"])
    assert survivors == {t.number for t in ranked[:3]}


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(UsageError, match="only one"):
        TuneSettings(trials=5, pruner="median")
    with pytest.raises(UsageError, match="unknown sampler 'tpee'"):
        TuneSettings(trials=5, sampler="tpee")
    with pytest.raises(UsageError, match=r"^0 "):
        TuneSettings(trials=0)


@pytest.mark.parametrize(
    ("text", "expected"), [("90s", 90), ("1.5h", 5400), ("30m", 1800), ("2d", 172800), ("5 min", 300)]
)
def test_times(text, expected):
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "2", "h", "-1h", "2 weeks", "0s", "1e3s"])
def test_what_is_no_time(text):
    with pytest.raises(UsageError, match="is not a time"):
        seconds(text)
