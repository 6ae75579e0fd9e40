"""Replays: the actual protocol gives the actual numbers bit for bit, and what was not trained is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.evidence import predictions, record

from harness.core.errors import DataError, UsageError
from harness.evaluation.study_scores import study_scores
from harness.results.access_log import AccessLog
from harness.results.store import RunStore
from harness.results.summary import study_predictions, summarise
from harness.studies.replay import Rules, replay

TUNED, OTHER = "abmil-toy-cv3-aaaaaa", "abmil-toy-cv3-bbbbbb"
TUNING = {"trials": 4, "sampler": "random", "batch": 2, "folds": 1, "metric": "", "pruner": "none", "fixed": ["epochs"]}
RATES = (0.001, 0.01, 0.0003, 0.03)
VALUES = {"r0f0": (0.7, 0.8, 0.75, 0.9), "r0f1": (0.9, 0.8, 0.7, 0.6), "r0f2": (0.5, 0.8, 0.6, 0.7)}
"""Validation AUC of each trial: over all four, trials 3, 0 and 1 are chosen."""
CHOSEN = {0: 3, 1: 0, 2: 1}


def unit(study: str, fold: int, seed: int, rate: float, *, tuned: bool, **selection: Any):
    made = record(study=study, fold=fold, seed=seed)
    params = {"lr": rate, "epochs": 5, "gated": False}
    spec: dict[str, Any] = {**made.spec, "params": {**params, "lr": 0.001}, "protocol_settings": {"select": "best"}}
    if tuned:
        spec["tuning"] = TUNING
        selection = {"tuning": {"trials": 4}, "params": params, **selection}
    else:
        spec["params"] = params
    return record(study=study, fold=fold, seed=seed, spec=spec, selection=selection)


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    """A tuned study of three folds and two seeds, each training with a signal of its own."""
    store = RunStore(tmp_path / "runs")
    made = [unit(TUNED, fold, seed, RATES[CHOSEN[fold]], tuned=True) for seed in range(2) for fold in range(3)]
    space = [{"name": "lr", "low": 1e-4, "high": 0.1, "log": True}]
    plan = {"method": "abmil", "dataset": "toy", "protocol": "cv3", "tuning": {"space": space}, "preset": None}
    write(store, TUNED, made, plan)
    store.write_trials(
        TUNED,
        [
            {
                "fold": fold,
                "trial": number,
                "state": "complete",
                "auc": value,
                "log_loss": 0.5,
                "device_s": 2.0,
                "chosen": number == CHOSEN[int(fold[-1])],
                "param.lr": RATES[number],
                "reason": "",
            }
            for fold, values in VALUES.items()
            for number, value in enumerate(values)
        ],
    )
    return store


def write(store: RunStore, study: str, made: list, config: dict[str, Any]) -> None:
    names = [one.unit_id.replace(study, f"{study[:9]}") + f"-{study[-6:]}" for one in made]
    made = [record_named(one, name) for one, name in zip(made, names, strict=True)]
    store.write_study(
        {
            "study_id": study,
            "method": "abmil",
            "dataset": "toy",
            "protocol": "cv3",
            "ranked": True,
            "units": names,
            "n_units": len(names),
            "config": config,
        }
    )
    for one in made:
        fold, seed = one.spec["fold"], one.spec["seed"]
        signal = 0.2 + 0.1 * seed + 5 * (one.selection.get("params") or one.spec["params"])["lr"]
        store.write_unit(one, predictions(fold=fold, seed=seed, folds=3, signal=signal))


def record_named(one, name: str):
    from dataclasses import replace

    return replace(one, unit_id=name)


def everything(scores) -> dict[str, tuple[float, float, float, float]]:
    return {name: (one.value, one.low, one.high, one.std_folds) for name, one in scores.scores.items()}


@pytest.mark.parametrize("rules", [Rules(), Rules(trials=4), Rules(seeds=2, folds=(0, 1, 2)), Rules(select="best-val")])
def test_the_actual_protocol_gives_the_actual_numbers_and_is_no_access(store, rules):
    study = store.study(TUNED)
    found = replay(store, study, rules, resamples=300)
    reported = study_scores(study_predictions(store, study), resamples=300)
    assert found.same and found.accesses == 0
    assert repr(everything(found.metric_scores)) == repr(everything(reported))
    assert [one.trial for one in found.chosen] == [3, 0, 1]
    assert not AccessLog(store.root).counts()


def test_fewer_seeds_and_folds_are_those_units_alone(store):
    study = store.study(TUNED)
    found = replay(store, study, Rules(seeds=1, folds=(1, 2)), resamples=100)
    alone = [one for one in study.records if one.spec["seed"] == 0 and one.spec["fold"] in {1, 2}]
    frame = store.predictions([one.unit_id for one in alone])
    assert (frame["label"] == frame["predicted"]).mean() == pytest.approx(found.metric_scores.scores["accuracy"].value)
    assert not found.same and len(found.units) == 2 and found.actual.predictions == 48


def test_a_smaller_budget_takes_units_trained_with_what_it_chooses(store):
    study = store.study(TUNED)
    # Of two trials, fold 0 chooses trial 1; folds 1 and 2 choose as before.
    with pytest.raises(
        DataError, match="no test predictions are stored for 2 units: r0f0 would have chosen trial 1"
    ) as e:
        replay(store, study, Rules(trials=2))
    assert "bench run --method abmil --dataset toy --protocol cv3 --preset none --fold 0 --seed 0" in e.value.fix
    assert "--set epochs=5 --set lr=0.01" in e.value.fix
    made = [unit(OTHER, 0, seed, RATES[1], tuned=False) for seed in range(2)]
    write(store, OTHER, made, {"method": "abmil", "dataset": "toy", "protocol": "cv3"})
    found = replay(store, study, Rules(trials=2), resamples=100)
    assert [(one.fold, one.trial, one.actual) for one in found.chosen] == [
        ("r0f0", 1, 3),
        ("r0f1", 0, 0),
        ("r0f2", 1, 1),
    ]
    assert [one.device_s for one in found.chosen] == [4.0] * 3
    assert sum(name.endswith("bbbbbb") for name in found.units) == 2 and len(found.units) == 6
    assert found.metric_scores.scores["auc"].value != found.actual.scores["auc"].value
    # Every unit of a replay that is not the study itself is an access.
    counts = AccessLog(store.root).counts()
    assert found.accesses == 6 and set(counts.values()) == {1}
    assert all(name.startswith(f"replay/{TUNED}/") for name in counts)
    # It stands nowhere else.
    assert {one.study_id for one in store.studies()} == {TUNED, OTHER}
    assert everything(summarise(store, store.study(TUNED), resamples=100).scores) == everything(found.actual)


def test_the_largest_probability_may_decide_instead_of_the_threshold(store):
    found = replay(store, store.study(TUNED), Rules(threshold="argmax"), resamples=50)
    frame = store.predictions([one.unit_id for one in store.study(TUNED).records])
    right = ((frame["p_yes"] > frame["p_no"]) == frame["label"]).mean()
    assert found.metric_scores.scores["accuracy"].value == pytest.approx(right)
    assert found.metric_scores.scores["auc"].value == found.actual.scores["auc"].value


@pytest.mark.parametrize(
    ("rules", "kind", "said"),
    [
        (Rules(trials=0), UsageError, "0 is no number of trials"),
        (Rules(trials=9), DataError, "has 4 trials, not 9"),
        (Rules(seeds=3), DataError, "has 2 seeds, not 3"),
        (Rules(folds=(3,)), UsageError, "no fold 3"),
        (Rules(select="best-test"), UsageError, "unknown rule"),
        (Rules(select="last-epoch"), DataError, "6 units keep the weights of another epoch"),
        (Rules(threshold="validation"), DataError, "predictions of validation slides are not kept"),
    ],
)
def test_what_the_evidence_does_not_allow_is_refused(store, rules, kind, said):
    with pytest.raises(kind, match=said):
        replay(store, store.study(TUNED), rules)
    assert not AccessLog(store.root).counts()


def test_units_that_are_missing_are_named(store):
    (path,) = store.root.glob("units/*r0f2-s1*/record.json")
    path.unlink()
    with pytest.raises(DataError, match="1 of the units that are replayed are not done: r0f2 seed 1"):
        replay(store, store.study(TUNED), Rules(seeds=2))
    assert replay(store, store.study(TUNED), Rules(seeds=1), resamples=20).accesses == 3


def test_the_last_epoch_was_kept_where_it_was_the_best(store):
    kept = {"stages": {"fit": {"epochs": 5, "best_epoch": 4}}}
    made = [unit(OTHER, fold, 0, 0.001, tuned=False, **kept) for fold in range(3)]
    write(store, OTHER, made, {"method": "abmil", "dataset": "toy", "protocol": "cv3"})
    assert replay(store, store.study(OTHER), Rules(select="last-epoch"), resamples=20).same
    with pytest.raises(UsageError, match="the study was not tuned"):
        replay(store, store.study(OTHER), Rules(trials=2))
