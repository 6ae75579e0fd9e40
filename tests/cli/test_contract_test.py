"""``bench test``: the table of checks, the exit code, and plugins."""

from __future__ import annotations

BROKEN = """

class Silent(Tiny):
    card = MethodCard(name="silent", title="Says it has no attention", paper="none")
"""


def test_a_good_method(bench, tiny_plugin):
    answer = bench("test tiny --plugin tiny_plugin.py --check permutation --check card")
    assert answer.code == 0
    assert "Contract of tiny" in answer.out
    assert "│ permutation │ pass " in answer.out
    assert "1 method keeps the contract" in answer.out


def test_a_broken_method_and_a_good_one(bench, tiny_plugin):
    tiny_plugin.write_text(tiny_plugin.read_text() + BROKEN)
    answer = bench("test --plugin tiny_plugin.py --check attention --check save_load")
    assert answer.code == 1
    assert "│ silent │    1 │    1 │" in answer.out
    assert "│ tiny   │    2 │    0 │" in answer.out
    assert "the card says attention=False, predictions have some" in answer.out
    assert "1 method of 2 broken: silent" in answer.out


def test_a_method_that_cannot_be_imported_is_broken_among_others(bench, tiny_plugin, tmp_path):
    (tmp_path / "bad.py").write_text("import no_such_library")
    answer = bench("test tiny bad --plugin tiny_plugin.py --plugin bad.py --check card")
    assert answer.code == 1
    assert "no_such_library" in answer.out
    assert "1 method of 2 broken: bad" in answer.out


def test_the_list_of_checks(bench):
    answer = bench("test --list")
    assert answer.code == 0
    for check in ("deterministic", "save_load", "one_tile", "empty_bag", "permutation", "packed_equals_single"):
        assert f"│ {check} " in answer.out


def test_what_is_misspelt_is_named(bench):
    problem, place, fix = bench("test abmil --check permutations").check_three_lines()
    assert (problem, place) == ("unknown check 'permutations'", "--check")
    assert "'permutation'" in fix
    assert bench("test abmill").check_three_lines()[0] == "unknown method 'abmill'"
    assert bench("test").check_three_lines()[0] == "no method is named"
