"""Survival cards and label tables, and intervals that know the training patients only."""

from __future__ import annotations

import numpy as np
import pytest

from harness.core.errors import DataError
from harness.datasets.dataset import load_dataset
from harness.datasets.fingerprint import dataset_fingerprint
from harness.protocols.verify import verify
from harness.tasks.follow_up import FollowUp, cut_points, decoded, interval_names

TABLE = """slide,patient,time,event,label
normal_001,p1,10,1,x
normal_002,p1,10,1,x
tumor_001,p2,2.5,0,x
tumor_002,p3,7,1,x
test_001,p4,9e1,0,x
test_002,p5,0.5,1,x
"""
CARD = {"task": "survival", "classes": ..., "intervals": 2, "counts": {"slides": 6, "event": 4, "censored": 2}}


def test_a_survival_card_is_read(write) -> None:
    dataset = load_dataset(write(labels=TABLE, card=CARD))
    assert dataset.card.classes == ("censored", "event")
    assert dataset.task.columns == ("interval_1", "interval_2", "later")
    assert [(entry.truth["time"], entry.label) for entry in dataset.entries[:3]] == [(10, 1), (10, 1), (2.5, 0)]
    assert dataset.entries[0].extra == {"label": "x"}
    follow_up = FollowUp.of(dataset.truth(["test_001", "tumor_002"]))
    assert follow_up.patients == ("p4", "p3")
    assert follow_up.times.tolist() == [90, 7]
    assert follow_up.events.tolist() == [0, 1]


def test_a_card_without_a_task_is_one_of_classes(tiny) -> None:
    assert (tiny.card.task, tiny.task.columns) == ("classification", ("normal", "tumor"))
    assert list(tiny.entries[0].truth) == ["label"]


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"task": "survivel"}, "task", "'survival'"),
        ({"task": "survival", "classes": ["a", "b", "c"]}, "task", "the two ways"),
        ({"task": "survival", "intervals": 1}, "intervals", "greater than or equal to 2"),
        ({"intervals": 4}, "intervals", "task survival"),
    ],
)
def test_mistakes_on_the_card(write, fields, field: str, words: str) -> None:
    with pytest.raises(DataError) as error:
        load_dataset(write(labels=TABLE, card=fields))
    assert error.value.place.endswith(f"field {field}")
    assert words in f"{error.value.problem} {error.value.fix}"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("2.5", "0", "no follow-up time"),
        ("2.5", "-1", "no follow-up time"),
        ("2.5", "nan", "1 of 6 lines have no time"),
        ("2.5", "inf", "no follow-up time"),
        ("2.5", "", "1 of 6 lines have no time"),
        ("2.5", '"1,250"', "no follow-up time"),
        ("2.5", "1_0", "no follow-up time"),
        ("2.5", "2 years", "no follow-up time"),
        ("2.5,0", "2.5,2", "whether the event was seen"),
        ("2.5,0", "2.5,", "1 of 6 lines have no event"),
        ("normal_002,p1,10,1", "normal_002,p1,11,1", "patient p1 has two follow-ups"),
        ("normal_002,p1,10,1", "normal_002,p1,10,0", "patient p1 has two follow-ups"),
        ("time,event", "days,event", "no column 'time'"),
    ],
)
def test_mistakes_in_the_label_table(write, old: str, new: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        load_dataset(write(labels=TABLE.replace(old, new, 1), card=CARD))


def test_every_time_and_event_and_the_intervals_are_in_the_fingerprint(write) -> None:
    seen = set()
    for number, (labels, card) in enumerate(
        [
            (TABLE, CARD),
            (TABLE.replace("2.5", "2.6"), CARD),
            (TABLE.replace("2.5,0", "2.5,1"), CARD),
            (TABLE, CARD | {"intervals": 3}),
        ]
    ):
        dataset = load_dataset(write(f"d{number}", labels=labels, card=card))
        seen.add(dataset_fingerprint(dataset, dict.fromkeys(dataset.slides, "same")))
    assert len(seen) == 4


def test_verify_says_which_fold_has_too_few_events(write) -> None:
    enough = load_dataset(write("enough", labels=TABLE.replace("2.5,0", "2.5,1"), card=CARD))
    assert [one for one in verify(enough, None).findings if one.kind == "split"] == []
    (found,) = [
        one for one in verify(load_dataset(write(labels=TABLE, card=CARD)), None).findings if one.what == "official"
    ]
    assert found.kind == "split"
    assert "2 intervals cannot be cut from 1 events at 1 different times" in found.detail
    assert "protocol official, r0f0" in found.detail


def test_numbers_as_spreadsheets_write_them(write) -> None:
    table = TABLE.replace("2.5", "2,5").replace(",", ";").replace("2;5", "2,5").replace(";1\n", ";1.0\n")
    plain, german = (load_dataset(write(labels=labels, card=CARD)) for labels in (TABLE, table))
    assert [e.truth for e in plain.entries] == [e.truth for e in german.entries]


def follow_up(times, events, patients=None) -> FollowUp:
    names = patients or [f"p{k}" for k in range(len(times))]
    return FollowUp(tuple(names), np.asarray(times, np.float64), np.asarray(events, np.int64))


def test_limits_are_quantiles_of_event_times() -> None:
    some = follow_up([1, 2, 3, 4, 5, 100, 200], [1, 1, 1, 1, 1, 0, 0])
    assert cut_points(some, 2, place="") == (3,)
    assert cut_points(some, 4, place="") == (2, 3, 4)


def test_a_patient_with_many_slides_counts_once() -> None:
    many = follow_up([1, 1, 1, 1, 2, 3], [1] * 6, ["a", "a", "a", "a", "b", "c"])
    assert cut_points(many, 2, place="") == (2,)


@pytest.mark.parametrize(
    ("times", "events", "possible"), [([1, 2, 3], [1, 0, 0], None), ([2, 2, 2, 2, 2, 3], [1] * 6, 2)]
)
def test_too_few_events_are_refused_with_advice_that_works(times, events, possible) -> None:
    with pytest.raises(DataError, match="intervals cannot be cut") as error:
        cut_points(follow_up(times, events), 3, place="fold 0")
    assert "with an event" in error.value.fix
    assert ("intervals" in error.value.fix) == (possible is not None)
    if possible is not None:
        assert f"`intervals: {possible}`" in error.value.fix
        assert len(cut_points(follow_up(times, events), possible, place="")) == possible - 1


def test_codes_hold_the_interval_and_the_event() -> None:
    some = follow_up([0.1, 2, 2.5, 3, 99], [1, 0, 1, 1, 0])
    codes = some.event_time_labels((2, 3))
    assert codes.dtype == np.int64
    intervals, events = decoded(codes)
    # A time at a limit belongs to the interval above it; the last one has no end.
    assert intervals.tolist() == [0, 1, 1, 2, 2]
    assert events.tolist() == [1, 0, 1, 1, 0]
    assert len(interval_names(3)) == 3
