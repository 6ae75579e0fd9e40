"""Every line of the access log holds the hash of the one before it; an edit is found by its line."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from harness.results.access_chain import chain_problems, head, last_line, line_hash
from harness.results.access_log import FILE, AccessLog

ONE = np.full((1, 2), 0.5)


@pytest.fixture
def log(tmp_path):
    made = AccessLog(tmp_path)
    for name in "abcdef":
        made.note(name, [name], ONE)
    return tmp_path / FILE


def test_an_untouched_log_is_a_chain(log) -> None:
    assert chain_problems(log) == []
    lines = log.read_bytes().splitlines()
    assert head(log) == (6, line_hash(lines[-1])) and head(log, 2) == (2, line_hash(lines[1]))
    assert head(log.parent / "none") == (0, "")


EDITS = {
    "edited": (lambda lines: [*lines[:2], lines[2].replace(b'"c"', b'"x"'), *lines[3:]], 4),
    "taken out": (lambda lines: [*lines[:2], *lines[3:]], 3),
    "first taken out": (lambda lines: lines[1:], 1),
    "put in": (lambda lines: [*lines[:2], b'{"accessor": "x", "slides": 1}', *lines[2:]], 3),
    "twice": (lambda lines: [*lines[:3], *lines[2:]], 4),
    "swapped": (lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], 2),
}


@pytest.mark.parametrize("how", EDITS)
def test_an_edit_is_found_by_its_line(log, how: str) -> None:
    change, number = EDITS[how]
    log.write_bytes(b"".join(line + b"\n" for line in change(log.read_bytes().splitlines())))
    assert chain_problems(log)[0][0] == number


def test_a_log_of_an_earlier_version_is_continued_and_covered(tmp_path) -> None:
    path = tmp_path / FILE
    path.write_text('{"accessor": "a", "slides": 1}\n{"accessor": "b", "slides": 1}\n')
    AccessLog(tmp_path).note("c", ["x"], ONE)
    assert chain_problems(path) == [] and AccessLog(tmp_path).counts() == {"a": 1, "b": 1, "c": 1}
    path.write_text(path.read_text().replace('"b"', '"z"'))
    assert [problem[0] for problem in chain_problems(path)] == [3]


def test_a_line_that_a_kill_cut_short_is_covered_by_the_next(log) -> None:
    with log.open("a") as file:
        file.write('{"accessor": "g", "ti')
    AccessLog(log.parent).note("h", ["x"], ONE)
    assert chain_problems(log) == []


def test_writers_at_once_make_one_chain(tmp_path) -> None:
    def work(name: str) -> None:
        for _ in range(10):
            AccessLog(tmp_path).note(name, ["x"], ONE)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert chain_problems(tmp_path / FILE) == [] and head(tmp_path / FILE)[0] == 30


@pytest.mark.parametrize("size", [10, 4095, 4096, 4097, 9000])
def test_the_last_line_is_read_from_the_end(tmp_path, size: int) -> None:
    for content in (b"", b"x" * size, b"a\n" + b"x" * size + b"\n", b"a\nb\n" + b"y" * size):
        (tmp_path / "f").write_bytes(content)
        with (tmp_path / "f").open("ab+") as file:
            assert last_line(file) == (content.splitlines() or [b""])[-1]
