"""A bundle is accepted as it is; a forger who hashes everything anew is answered with the true value."""

from __future__ import annotations

import json

import pytest

from harness.bundles.members import ACCESSES, MANIFEST, PLAN, PREDICTIONS, RECORDS, manifest_of
from harness.bundles.record_lines import read_record_lines, record_lines
from harness.bundles.verify import verify_members
from harness.core.errors import DataError


def told(report) -> str:
    return "\n".join(f"{one.place}: {one.problem}: {one.shown} -> {one.true}" for one in report.verification.findings)


def with_records(made, change) -> dict[str, bytes]:
    values = read_record_lines(made.members[RECORDS].decode(), "x")
    return made.hashed({**made.members, RECORDS: record_lines(change(values)).encode()})


def test_what_was_packed_is_verified(made) -> None:
    report = verify_members(made.members, "x", dataset=made.dataset)
    assert report.accepted and report.units == 2 and report.signed_by == ""
    stated = json.loads(made.members[PLAN])["scores"]
    assert report.scores["auc"] == stated["auc"]["value"]


def edit_score(values):
    values[0]["scores"]["auc"]["value"] = 0.999
    return values


def edit_split(values):
    values[1]["spec"]["split_sha256"] = "0" * 64
    return values


def test_an_edited_score_is_answered_with_the_true_one(made) -> None:
    report = verify_members(with_records(made, edit_score), "x", dataset=made.dataset)
    true = read_record_lines(made.members[RECORDS].decode(), "x")[0]["scores"]["auc"]["value"]
    assert not report.accepted and f"0.999 -> {true!r}" in told(report)


@pytest.mark.parametrize("field", ["value", "low"])
def test_an_edited_score_of_the_study_is_answered_with_the_true_one(made, field: str) -> None:
    true = json.loads(made.members[PLAN])["scores"]["auc"][field]
    report = verify_members(made.edited(PLAN, json.dumps(true), "0.123456"), "x", dataset=made.dataset)
    assert not report.accepted and f"0.123456 -> {true!r}" in told(report)


def test_edited_predictions_are_not_those_that_were_scored(made) -> None:
    row = made.members[PREDICTIONS].decode().splitlines()[1].split(",")
    swapped = [*row[:6], row[7], row[6], *row[8:]]
    report = verify_members(made.edited(PREDICTIONS, ",".join(row), ",".join(swapped)), "x", dataset=made.dataset)
    assert "not those that the access log says were scored" in told(report)
    assert "is not that of the predictions" in told(report)


def test_an_edited_label_is_not_that_of_the_label_table(made) -> None:
    row = made.members[PREDICTIONS].decode().splitlines()[1].split(",")
    other = [*row[:5], "10"[int(row[5])], *row[6:]]
    report = verify_members(made.edited(PREDICTIONS, ",".join(row), ",".join(other)), "x", dataset=made.dataset)
    assert "label" in told(report) and row[3] in told(report)


def test_a_wrong_split_changes_the_name_of_the_unit(made) -> None:
    report = verify_members(with_records(made, edit_split), "x", dataset=made.dataset)
    assert "is not the hash of the specification" in told(report)


def test_a_missing_fold_is_refused(made) -> None:
    rows = made.members[PREDICTIONS].decode().splitlines(keepends=True)
    values = read_record_lines(made.members[RECORDS].decode(), "x")
    gone = str(values[1]["spec"]["fold"])
    kept = "".join(row for row in rows if row.split(",")[1] != gone).encode()
    members = {**made.members, RECORDS: record_lines(values[:1]).encode(), PREDICTIONS: kept}
    report = verify_members(made.hashed(members), "x", dataset=made.dataset)
    assert not report.accepted and "1 units of the plan are missing" in told(report)
    with pytest.raises(DataError, match="not in the predictions"):
        verify_members(made.hashed({**made.members, PREDICTIONS: kept}), "x", dataset=made.dataset)


def test_accesses_that_were_left_out_are_missed(made) -> None:
    lines = made.members[ACCESSES].splitlines(keepends=True)
    report = verify_members(made.hashed({**made.members, ACCESSES: lines[0]}), "x", dataset=made.dataset)
    assert "accesses" in told(report)


def test_without_the_dataset_it_is_not_accepted(made) -> None:
    report = verify_members(made.members, "x")
    assert not report.accepted and "is not here" in report.verification.reason


ODD = {
    "another version": ('"version": 1', '"version": 2', "version is 2"),
    "another format": ("wsibench-bundle", "tar", "format is not"),
    "a path among the hashes": ('"curves.csv"', '"../x.csv"', "changed"),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_manifest_is_refused(made, name: str) -> None:
    old, new, problem = ODD[name]
    text = made.members[MANIFEST].decode().replace(old, new)
    with pytest.raises(DataError, match=problem):
        verify_members({**made.members, MANIFEST: text.encode()}, "x", dataset=made.dataset)


def test_the_manifest_names_the_study_of_the_records(made) -> None:
    about = {"study_id": "other", "method": "abmil", "dataset": "toy", "protocol": "cv2"}
    others = {name: content for name, content in made.members.items() if name != MANIFEST}
    with pytest.raises(DataError, match="study_id is 'other'"):
        verify_members({MANIFEST: manifest_of(others, about=about, left_out=()), **others}, "x", dataset=made.dataset)


@pytest.mark.parametrize(("old", "new"), [("0.", "00."), ("\n", "\r\n"), (",0,", ", 0,"), ("repeat,", "repeat,extra,")])
def test_a_table_that_is_written_otherwise_is_refused(made, old: str, new: str) -> None:
    with pytest.raises(DataError, match="refused"):
        verify_members(made.edited(PREDICTIONS, old, new), "x", dataset=made.dataset)


def test_text_that_is_not_utf8_is_refused(made) -> None:
    text = made.members[PREDICTIONS] + b"\xff"
    with pytest.raises(DataError, match="not UTF-8"):
        verify_members(made.hashed({**made.members, PREDICTIONS: text}), "x", dataset=made.dataset)


@pytest.mark.parametrize(
    "line", ["[" * 100_000, '{"a": NaN}', "[1]", '{"a":1e999}', "{}", '{"a":' + "9" * 10_000 + "}"]
)
def test_odd_json_is_refused(made, line: str) -> None:
    records = made.members[RECORDS] + line.encode() + b"\n"
    with pytest.raises(DataError, match=r"refused|damaged"):
        verify_members(made.hashed({**made.members, RECORDS: records}), "x", dataset=made.dataset)
