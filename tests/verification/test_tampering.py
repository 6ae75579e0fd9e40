"""Every way to tamper with a runs folder is found, with its kind, and leaves the ranking."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.tampering import Books, copy_unit, edit, edit_table, log_lines, make_books, perfect, score_again, write_log

from harness.core.hashing import sha256_file
from harness.results.leaderboard import leaderboard
from harness.results.store import RunStore
from harness.results.verified import verify_study


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Books:
    return make_books(tmp_path_factory.mktemp("books"))


@pytest.fixture
def books(honest: Books, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Books:
    """A copy to tamper with; the catalogue has its dataset and no other."""
    shutil.copytree(honest.store.root, tmp_path / "runs")
    monkeypatch.setattr("harness.results.verified.named_dataset", {"toy": honest.dataset}.get)
    return Books(RunStore(tmp_path / "runs"), honest.dataset)


def predictions_edited(books: Books) -> None:
    for unit in books.units:
        edit_table(unit, perfect)


def predictions_edited_and_hashed(books: Books) -> None:
    for unit in books.units:
        edit_table(unit, perfect, rehash=True)


def predictions_edited_hashed_and_scored(books: Books) -> None:
    for unit in books.units:
        edit_table(unit, perfect, rehash=True)
        score_again(unit)


def folder_copied(books: Books) -> None:
    for number in range(20):
        copy_unit(books, books.units[0], seed=None if not number else 100 + number)


def folder_copied_under_an_honest_name(books: Books) -> None:
    for seed in range(2, 12):
        copy_unit(books, books.units[0], seed=seed, honest_name=True)


def folds_deleted(books: Books) -> None:
    gone = [unit for unit in books.units if json.loads((unit / "record.json").read_text())["spec"]["fold"] == 1]
    for unit in gone:
        shutil.rmtree(unit)
    names = {unit.name for unit in gone}
    edit(books.plan, lambda plan: plan.update(units=[name for name in plan["units"] if name not in names]))


def seed_deleted(books: Books) -> None:
    gone = [unit for unit in books.units if json.loads((unit / "record.json").read_text())["spec"]["seed"] == 1]
    for unit in gone:
        shutil.rmtree(unit)
    names = {unit.name for unit in gone}
    edit(books.plan, lambda plan: plan.update(units=[name for name in plan["units"] if name not in names]))


def unit_planned_twice(books: Books) -> None:
    edit(books.plan, lambda plan: plan["units"].append(plan["units"][0]))


def unit_of_another_study_planned(books: Books) -> None:
    edit(books.plan, lambda plan: plan["units"].append("abmil-toy-r0f9-s0-0123456789ab"))


def score_edited(books: Books) -> None:
    edit(books.units[0] / "record.json", lambda record: record["scores"]["auc"].update(value=0.99))


def study_score_edited(books: Books) -> None:
    edit(books.plan, lambda plan: plan["scores"]["auc"].update(value=0.99))


def labels_changed(books: Books) -> None:
    edit_table(books.units[0], lambda frame: frame.assign(label=frame["predicted"]), rehash=True)
    score_again(books.units[0])


def patient_changed(books: Books) -> None:
    edit_table(books.units[0], lambda frame: frame.assign(patient="one"), rehash=True)


def row_dropped(books: Books) -> None:
    wrong = lambda frame: frame[frame["predicted"] == frame["label"]]  # noqa: E731
    edit_table(books.units[0], wrong, rehash=True)


def row_doubled(books: Books) -> None:
    edit_table(books.units[0], lambda frame: frame.loc[[*frame.index, 0]], rehash=True)


def folds_swapped(books: Books) -> None:
    first, second = (unit / "predictions.parquet" for unit in books.units[:2])
    kept = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(kept)
    for path, fold in ((first, 0), (second, 1)):
        edit_table(path.parent, lambda frame, fold=fold: frame.assign(fold=fold))
        digest = sha256_file(path)
        edit(path.with_name("record.json"), lambda record, digest=digest: record["files"].update({first.name: digest}))


def threshold_changed(books: Books) -> None:
    edit(books.units[0] / "record.json", lambda record: record["selection"].update(threshold=0.1))


def decisions_changed(books: Books) -> None:
    edit_table(books.units[0], lambda frame: frame.assign(predicted=frame["label"]), rehash=True)
    score_again(books.units[0])


def probabilities_off(books: Books) -> None:
    edit_table(books.units[0], lambda frame: frame.assign(p_no=frame["p_no"] / 2), rehash=True)


def curve_replaced(books: Books) -> None:
    (books.units[0] / "curve.csv").write_text("stage,epoch,loss\nfit,0,0.0\n")


def hash_left_out(books: Books) -> None:
    edit_table(books.units[0], perfect)
    edit(books.units[0] / "record.json", lambda record: record["files"].pop("predictions.parquet"))


def params_edited(books: Books) -> None:
    edit(books.units[0] / "record.json", lambda record: record["spec"]["params"].update(lr=0.1))


def accesses_lowered(books: Books) -> None:
    write_log(books, [*log_lines(books), log_lines(books)[0]])


def log_deleted(books: Books) -> None:
    books.log.unlink()


def log_edited(books: Books) -> None:
    lines = log_lines(books)
    write_log(books, lines[1:])


def ended_before_it_began(books: Books) -> None:
    edit(books.units[0] / "record.json", lambda record: record.update(finished="2029-12-31T23:00:00+00:00"))


def hours_of_no_gpu(books: Books) -> None:
    edit(books.units[0] / "record.json", lambda record: record["compute"].update(gpu_hours=3.0))


def another_protocol_claimed(books: Books) -> None:
    edit(books.plan, lambda plan: plan.update(protocol="open"))


def auc_pooled(books: Books) -> None:
    edit(books.plan, lambda plan: plan["config"].update(protocol_settings={"auc": "pooled"}))


def labels_used_concealed(books: Books) -> None:
    edit(books.plan, lambda plan: plan["config"].update(labels=["slides", "masks"]))


TAMPERINGS: list[tuple[Callable[[Books], None], str]] = [
    (predictions_edited, "file"),
    (predictions_edited_and_hashed, "score"),
    (predictions_edited_hashed_and_scored, "accesses"),
    (folder_copied, "unit-id"),
    (folder_copied_under_an_honest_name, "copy"),
    (folds_deleted, "plan"),
    (seed_deleted, "stray"),
    (unit_planned_twice, "plan"),
    (unit_of_another_study_planned, "plan"),
    (score_edited, "score"),
    (study_score_edited, "score"),
    (labels_changed, "rows"),
    (patient_changed, "rows"),
    (row_dropped, "rows"),
    (row_doubled, "rows"),
    (folds_swapped, "rows"),
    (threshold_changed, "decision"),
    (decisions_changed, "decision"),
    (probabilities_off, "probabilities"),
    (curve_replaced, "file"),
    (hash_left_out, "file"),
    (params_edited, "unit-id"),
    (accesses_lowered, "accesses"),
    (log_deleted, "accesses"),
    (log_edited, "accesses"),
    (ended_before_it_began, "cost"),
    (hours_of_no_gpu, "cost"),
    (another_protocol_claimed, "plan"),
    (auc_pooled, "protocol"),
    (labels_used_concealed, "plan"),
]


@pytest.mark.parametrize(("tamper", "code"), TAMPERINGS, ids=[one.__name__ for one, _ in TAMPERINGS])
def test_tampering_is_found_and_leaves_the_ranking(books: Books, tamper: Callable[[Books], None], code: str) -> None:
    name = books.study
    tamper(books)
    study = next(one for one in books.store.studies() if one.study_id == name)
    found = verify_study(books.store, study, dataset=books.dataset, deep=True)
    assert code in {finding.code for finding in found.findings}, found.findings
    assert all(finding.problem and finding.place for finding in found.findings)
    rows = {row.summary.study.study_id: row for group in leaderboard(books.store).groups for row in group.rows}
    assert rows[name].rank is None and rows[name].reason.startswith("unverified: ")
    (other,) = (row for other, row in rows.items() if other != name)
    assert (other.rank == 1 and other.verification.status == "verified") or tamper is log_deleted


def test_the_books_are_verified_before(honest: Books, books: Books) -> None:
    (group,) = leaderboard(books.store).groups
    assert [(row.rank, row.verification.status) for row in group.rows] == [(1, "verified"), (2, "verified")]
    for study in books.store.studies():
        assert verify_study(books.store, study, dataset=books.dataset, deep=True).status == "verified"


def test_a_protocol_that_is_not_ranked_is_none_by_its_card(books: Books) -> None:
    """``ranked`` is the card's to say: study.json and records that agree with each other do not help."""
    from support.evidence import fill

    split = books.dataset.splits("open").sha256
    made = fill(books.store, study="c", protocol="open", split_sha256=split, honest=True, ranked=True, method="clam")
    found = verify_study(books.store, books.store.study(made[0].study_id), dataset=books.dataset)
    assert [(one.code, one.shown, one.true) for one in found.findings] == [("protocol", "true", "false")]
    (row,) = (row for group in leaderboard(books.store).groups for row in group.rows if group.protocol == "open")
    assert row.rank is None


def test_an_incomplete_study_is_no_finding(books: Books) -> None:
    shutil.rmtree(books.units[0])
    found = verify_study(books.store, books.store.study(books.study), dataset=books.dataset, deep=True)
    assert (found.status, found.missing) == ("verified", 1)


def test_two_seeds_of_a_method_without_chance_are_no_copies(books: Books) -> None:
    for first, second in zip(books.units[:3], books.units[3:], strict=True):
        table = (first / "predictions.parquet").read_bytes()
        (second / "predictions.parquet").write_bytes(table)
        edit_table(second, lambda frame: frame.assign(seed=1), rehash=True)
        for line in ("started", "finished"):
            edit(second / "record.json", lambda record, line=line: record.update({line: "2030-01-01T11:00:00+00:00"}))
        score_again(second)
    found = verify_study(books.store, books.store.study(books.study), dataset=books.dataset, deep=True)
    assert "copy" not in {finding.code for finding in found.findings}


def test_the_true_value_is_named(books: Books) -> None:
    true = json.loads((books.units[0] / "record.json").read_text())["scores"]["auc"]["value"]
    score_edited(books)
    found = verify_study(books.store, books.store.study(books.study), dataset=books.dataset, deep=True)
    (finding,) = found.findings
    assert (finding.code, finding.shown, finding.true) == ("score", "0.99", repr(true))
    assert books.units[0].name in finding.place


def test_without_its_card_a_study_cannot_be_checked_whole(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.results.verified.named_dataset", lambda _: None)
    (group,) = leaderboard(books.store).groups
    assert [row.verification.status for row in group.rows] == ["cannot be checked"] * 2
    assert [row.rank for row in group.rows] == [1, 2]
    folds_deleted(books)
    found = verify_study(books.store, books.store.study(books.study))
    assert {finding.code for finding in found.findings} == {"stray"}
