"""kill -9 amid a training, then the same command again: the evidence is that of an uninterrupted run, bit for bit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.faults import Toy, check_equal

LONG = ("--set", "epochs=40")


def killed(study: Toy, words: tuple[str, ...], under_way) -> bool:
    """Start ``bench`` with these words, and kill it when ``under_way()``; whether it was still running then."""
    pid = study.attempts.start(words, cwd=study.home, **study.environment)
    while (ended := study.attempts.wait(pid, 0.005)) is None and not under_way():
        pass
    if ended is not None:
        assert ended.code == 0, ended.text
        return False
    study.attempts.kill(pid)
    return True


def test_killed_in_the_middle_of_each_fold(toy, undisturbed):
    study = toy(*LONG)
    for finished in (0, 1):

        def under_way(count: int = finished) -> bool:
            done, checkpoints = study.out.glob("units/*/record.json"), study.out.glob("units/*/work/train.pt")
            return len(list(done)) == count and any(checkpoints)

        assert killed(study, study.words, under_way)
        assert any(study.out.glob("units/*/work/train.pt")), "the kill did not fall into a training"
    assert "2 units done" in study.finish()
    check_equal(study.out, undisturbed(*LONG))


def comparison(out: Path) -> dict:
    (path,) = out.glob("selection-bias/*/result-*.json")
    return json.loads(path.read_text())


@pytest.mark.slow
def test_a_comparison_of_selections_that_is_killed_ends_with_the_same_result(toy):
    whole, broken = toy(name="whole"), toy(name="broken")

    def words(study: Toy) -> tuple[str, ...]:
        place = study.words[study.words.index("--plugin") :]
        return ("selection-bias", "tiny", str(study.home / "toy"), "--trials", "3", "--fold", "0", *place)

    ended = whole.attempts.run(words(whole), cwd=whole.home, **whole.environment)
    assert ended.code == 0, ended.text

    def trained() -> list[Path]:
        return list(broken.out.glob("selection-bias/*/trainings/*/result/result.json"))

    assert killed(broken, words(broken), lambda: len(trained()) >= 2)
    assert not list(broken.out.glob("selection-bias/*/result-*.json"))
    times = {path: path.stat().st_mtime_ns for path in trained()}
    ended = broken.attempts.run(words(broken), cwd=broken.home, **broken.environment)
    assert ended.code == 0, ended.text
    assert comparison(broken.out) == comparison(whole.out)
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert not list(broken.out.glob("selection-bias/*/trainings/*/work"))
