"""A night at the seam where a seed is run: what turns red, what does not, and what is run for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from harness.core.errors import DataError, UnitFailedError
from harness.gate.night import judge, seed_of
from harness.gate.statistics import FRESH

SEED = seed_of(date(2030, 1, 1))


def held(drawn, seed: int = SEED, run=None):
    return judge(drawn.references, lambda one: drawn.bands[one.name], run or drawn.run, seed=seed)


def reds(night) -> set[tuple[str, str]]:
    return {(one.reference, one.measure) for one in night.judged if one.red}


def test_fifty_nights_without_a_change_are_green(drawn) -> None:
    nights = [held(drawn, seed_of(date.fromordinal(date(2030, 1, 1).toordinal() + k))) for k in range(50)]
    assert not any(night.red for night in nights)
    assert len({seed for _, seed in drawn.asked}) > 50, "each night has seeds of its own"
    assert len(drawn.asked) < 50 * 3 * 3, "most nights end after a run or two of each"


def test_a_drop_of_four_sigma_in_one_method_is_red_the_first_night(drawn) -> None:
    drawn.shifts = {"abmil-two": {"sigmas": 4}}
    night = held(drawn)
    assert night.red
    assert reds(night) == {("abmil-two", "auc"), ("abmil-two", "log_loss")}
    assert sum(name == "abmil-two" for name, _ in drawn.asked) == 1 + FRESH


def test_a_leap_is_red_too_since_a_leak_looks_like_it(drawn) -> None:
    drawn.shifts = {"abmil-two": {"sigmas": -5}}
    assert {name for name, _ in reds(held(drawn))} == {"abmil-two"}


def test_a_bad_seed_that_the_second_does_not_confirm_is_green(drawn) -> None:
    def unlucky(reference, seed):
        drawn.shifts = {"abmil-one": {"sigmas": 9.0 if seed == SEED else 0.0}}
        return drawn.run(reference, seed)

    assert not held(drawn, run=unlucky).red
    assert sum(name == "abmil-one" for name, _ in drawn.asked) > 1


@pytest.mark.parametrize(
    ("shift", "measure"), [({"slower": 1.6}, "cpu"), ({"larger": 1.3}, "memory")], ids=["slow", "memory"]
)
def test_a_method_that_is_slower_or_larger_is_red(drawn, shift, measure) -> None:
    drawn.shifts = {"abmil-three": shift}
    assert reds(held(drawn)) == {("abmil-three", measure)}


def test_within_the_tolerance_and_faster_are_green(drawn) -> None:
    drawn.shifts = {"abmil-three": {"slower": 1.15, "larger": 1.05}, "abmil-one": {"slower": 0.3, "larger": 0.5}}
    assert not held(drawn).red


def test_another_processor_is_given_more_room(drawn) -> None:
    drawn.shifts = {"abmil-three": {"slower": 1.6}}
    band = drawn.bands["abmil-three"]
    drawn.bands["abmil-three"] = replace(band, hardware={**band.hardware, "cpu": "another"})
    assert not held(drawn).red


def test_a_slower_machine_is_no_slower_method(drawn) -> None:
    def slow(reference, seed):
        found = drawn.run(reference, seed)
        return replace(found, cpu_s=3 * found.cpu_s, calibration_s=3 * found.calibration_s)

    assert not held(drawn, run=slow).red


def test_what_measured_nothing_is_red(drawn) -> None:
    def fails(reference, seed):
        raise UnitFailedError("2 of 2 units failed", place="there", fix="look")

    night = held(drawn, run=fails)
    assert night.red and not night.judged
    assert [one.error.problem for one in night.problems] == ["2 of 2 units failed"] * 3
    assert judge([], drawn.bands.get, drawn.run, seed=SEED).red, "an empty selection"


def test_one_that_fails_amid_the_confirmation_is_red(drawn) -> None:
    drawn.shifts = {"abmil-two": {"sigmas": 6}}

    def fails(reference, seed):
        if reference.name == "abmil-two" and seed > SEED:
            raise UnitFailedError("it broke", place="there", fix="look")
        return drawn.run(reference, seed)

    night = held(drawn, run=fails)
    assert [one.reference for one in night.problems] == ["abmil-two"]
    assert {one.reference for one in night.judged} == {"abmil-one", "abmil-three"}


def test_a_score_that_is_undefined_is_red(drawn) -> None:
    def lacking(reference, seed):
        found = drawn.run(reference, seed)
        return replace(found, scores={"auc": found.scores["auc"]})

    assert held(drawn, run=lacking).problems[0].error.problem == f"log_loss is undefined with seed {SEED}"


def test_a_missing_band_is_red(drawn) -> None:
    def band_of(reference):
        raise DataError("there is no band of reference runs", place="there", fix="make it")

    night = judge(drawn.references, band_of, drawn.run, seed=SEED)
    assert night.red and len(night.problems) == 3 and not drawn.asked


@pytest.mark.parametrize("name", ["dataset_fingerprint", "split_sha256", "folds"])
def test_a_band_of_other_data_is_red_and_not_compared(drawn, name) -> None:
    band = drawn.bands["abmil-one"]
    drawn.bands["abmil-one"] = replace(band, identity={**band.identity, name: "another"})
    night = held(drawn)
    assert [one.error.problem.startswith(f"the band is of other data: {name} was another") for one in night.problems]
    assert {one.reference for one in night.judged} == {"abmil-two", "abmil-three"}


def test_a_changed_hyper_parameter_is_red_by_its_name_and_still_measured(drawn) -> None:
    band = drawn.bands["abmil-one"]
    params = {**band.identity["params"], "lr": 0.5}
    drawn.bands["abmil-one"] = replace(band, identity={**band.identity, "params": params})
    night = held(drawn)
    (problem,) = night.problems
    assert "params.lr was 0.5 and is" in problem.error.problem
    assert {one.reference for one in night.judged} == {"abmil-one", "abmil-two", "abmil-three"}


def test_a_declared_version_is_noted_and_compared(drawn) -> None:
    band = drawn.bands["abmil-one"]
    drawn.bands["abmil-one"] = replace(band, versions={**band.versions, "training": 0})
    night = held(drawn)
    assert not night.red
    assert "training 0 →" in night.notes[0]


def test_the_seeds_of_a_band_are_never_used_again(drawn) -> None:
    night = held(drawn, seed=15)
    assert all("seed 15 is one of the band's own" in one.error.problem for one in night.problems)
    assert night.red and not drawn.asked
