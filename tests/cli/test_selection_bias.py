"""``bench selection-bias``: the clean row is the study's, nothing of it is ranked, and what is done stays done."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from support.toy import PLUGIN, write_toy_dataset

SILENT = PLUGIN.replace("class Tiny(MILMethod):", 'class Silent(MILMethod):\n    final_stage = ""').replace(
    '"tiny"', '"silent"'
)


@pytest.fixture
def place(tmp_path: Path) -> list[str]:
    """The options that name dataset, plugin and folder."""
    write_toy_dataset(tmp_path / "toy")
    (tmp_path / "tiny_plugin.py").write_text(PLUGIN)
    (tmp_path / "silent_plugin.py").write_text(SILENT)
    return ["--plugin", str(tmp_path / "tiny_plugin.py"), "--out", str(tmp_path / "runs"), "--device", "cpu"]


def result(out: Path) -> dict:
    (path,) = out.glob("selection-bias/*/result-*.json")
    return json.loads(path.read_text())


def test_the_clean_row_is_what_bench_run_gives_and_nothing_else_changes(bench, place, tmp_path):
    toy, out = str(tmp_path / "toy"), tmp_path / "runs"
    settings = ["--set", "epochs=4", "--set", "lr=0.005", "--seeds", "2"]
    answer = bench("selection-bias", "tiny", toy, *settings, *place)
    assert answer.code == 0, answer.err
    assert [path.name for path in out.iterdir() if path.is_dir()] == ["selection-bias"]
    found = result(out)
    assert found["ranked"] is False
    assert not [*out.rglob("model.json")]  # its trainings keep no model
    assert found["accesses"] == 2 * 2 * 4
    lines = [json.loads(line) for line in (out / "test_accesses.jsonl").read_text().splitlines()]
    assert sum(line["accesses"] for line in lines) == found["accesses"]
    assert {line["accessor"].partition("/")[0] for line in lines} == {"selection-bias"}
    for name in ("clean", "threshold-on-test", "epoch-on-test", "all-on-test"):
        assert re.search(rf"{name} ", answer.out)
    # What is kept tells nothing of a single slide that was tested: the trainings know them by ids that say nothing.
    assert not any("toy_0" in path.read_text() for path in out.glob("selection-bias/*/result-*.json"))
    for path in out.glob("selection-bias/*/trainings/*/result/result.json"):
        assert all(slide.startswith("test-") for slide in json.loads(path.read_text())["slides"]["test"])

    # The same command again shows the file: nothing is trained, and no test label used.
    again = bench("selection-bias", "tiny", toy, *settings, *place)
    assert again.out == answer.out
    assert "done already" in again.err
    assert len((out / "test_accesses.jsonl").read_text().splitlines()) == len(lines)

    # The study itself gives the clean numbers, and the test labels of its units were used once.
    assert bench("run", "--method", "tiny", "--dataset", toy, *settings, *place).code == 0
    (study,) = (out / "studies").iterdir()
    assert study.name == found["study_id"]
    records = [json.loads(path.read_text()) for path in out.glob("units/*/record.json")]
    assert {record["extra"]["test_accesses"] for record in records} == {1}
    from harness.results.store import RunStore
    from harness.results.summary import summarise

    store = RunStore(out)
    scores = summarise(store, store.studies()[0]).scores.scores
    (clean,) = [one for one in found["selections"] if one["name"] == "clean"]
    for name in ("auc", "accuracy", "log_loss"):
        assert clean["scores"][name]["value"] == pytest.approx(scores[name].value, abs=1e-12)
        assert clean["scores"][name]["low"] == pytest.approx(scores[name].low, abs=1e-12)
    board = bench("leaderboard", "show", "--out", str(out))
    assert "on-test" not in board.out


def test_a_training_that_fails_by_itself_is_left_out(bench, place, tmp_path):
    toy = str(tmp_path / "toy")
    broken = ["--fold", "0", "--set", "epochs=1", "--set", "lr=1e30", "--set", "clip_grad_norm=none"]
    answer = bench("selection-bias", "tiny", toy, "--trials", "2", *broken, *place)
    assert answer.code == 1
    assert "no training of r0f0 with seed 0 was completed" in answer.err
    assert "the loss is" in answer.err


def test_what_cannot_be_done_is_refused_before_anything_is_run(bench, place, tmp_path):
    toy, silent = str(tmp_path / "toy"), str(tmp_path / "silent_plugin.py")
    answer = bench("selection-bias", "silent", toy, "--plugin", silent, *place)
    assert answer.code == 2
    assert "cannot predict while it is trained" in answer.check_three_lines()[0]
    answer = bench("run", "--method", "silent", "--dataset", toy, "--protocol", "on-test", "--plugin", silent, *place)
    assert answer.code == 2
    assert "compares epochs on the test slides" in answer.check_three_lines()[0]
    answer = bench("selection-bias", "tiny", toy, "--trials", "0", *place)
    assert answer.code == 2
    assert "--trials" in answer.check_three_lines()[1]
    assert not (tmp_path / "runs").exists()


def test_a_protocol_of_the_literature_stands_apart_and_has_no_rank(bench, place, tmp_path):
    toy, out = str(tmp_path / "toy"), tmp_path / "runs"
    for protocol in ("cv2", "on-test"):
        study = ["--protocol", protocol, "--set", "epochs=4"]
        answer = bench("run", "--method", "tiny", "--dataset", toy, *study, *place)
        assert answer.code == 0, answer.err
    records = {}
    for path in out.glob("units/*/record.json"):
        record = json.loads(path.read_text())
        records.setdefault(record["spec"]["protocol"], []).append(record)
    assert {record["extra"]["test_accesses"] for record in records["cv2"]} == {1}
    assert {record["extra"]["test_accesses"] for record in records["on-test"]} == {4}
    assert all("epoch_on_test" in record["selection"] for record in records["on-test"])
    assert not any("epoch_on_test" in record["selection"] for record in records["cv2"])

    from harness.results.leaderboard import leaderboard
    from harness.results.store import RunStore

    groups = {group.protocol: group.rows for group in leaderboard(RunStore(out)).groups}
    assert [(row.rank, row.reason) for row in groups["cv2"]] == [(1, "")]
    assert [(row.rank, row.reason) for row in groups["on-test"]] == [(None, "protocol is not ranked")]
    assert "protocol is not ranked" in bench("leaderboard", "show", "--out", str(out)).out


def test_what_was_found_under_the_former_name_still_opens(bench, place, tmp_path):
    toy, out, words = str(tmp_path / "toy"), tmp_path / "runs", ["--fold", "0", "--set", "epochs=2"]
    new = bench("selection-bias", "tiny", toy, *words, *place)
    (path,) = out.glob("selection-bias/*/result-*.json")
    path.write_text(path.read_text().replace('"compared":', '"looks":'))
    (out / "selection-bias").rename(out / "inflate")
    old = bench("selection-bias", "tiny", toy, *words, *place)
    assert "done already" in old.err
    assert old.out == new.out.replace("runs/selection-bias", "runs/inflate")
    assert "bench selection-bias" in bench("inflate", "tiny", toy).check_three_lines()[2]
