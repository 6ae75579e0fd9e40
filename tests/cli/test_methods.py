"""``bench methods``: the list with its broken entries, and a card with its parameters and presets."""

from __future__ import annotations

import pytest

from harness.api.method_page import shown
from harness.api.registry import find_method

PLUGIN = """
from harness import Method, MethodCard, Params, Preset, fixed, tunable

class Example(Method):
    card = MethodCard(
        name="example", title="An [example]", paper="Nobody 2020", inputs=("tiles",), scales=2, needs=("masks",),
        open_points=("the paper leaves the width open; here 8",),
        presets={"small": Preset(help="for tests", params={"width": 4}, input={"mpp": (0.5, 2.0)})},
    )
    class Params(Params):
        lr: float = tunable(1e-3, low=1e-4, high=1e-2, log=True, source="paper", help="learning [rate]")
        width: int = tunable(8, choices=(4, 8), source="code", help="width")
        drop: float | None = fixed(None, help="dropout")
    def stages(self, train, val, run):
        yield from ()
    def predict(self, bags, run):
        raise RuntimeError
"""


def test_the_list_names_every_method_and_where_it_comes_from(bench, tmp_path):
    (tmp_path / "mine.py").write_text(PLUGIN)
    (tmp_path / "bad.py").write_text("import no_such_library")
    answer = bench("methods list --plugin mine.py --plugin bad.py")
    assert answer.code == 0
    for name in ("abmil", "abmilx", "gated_abmil", "max_pool", "mean_pool", "example"):
        assert f"│ {name} " in answer.out
    assert str(tmp_path / "mine.py") in answer.out
    assert "labels used" in answer.out
    (line,) = (line for line in answer.out.splitlines() if "│ example " in line)
    assert "slides + masks" in line
    broken = answer.out.split("Broken")[1]
    assert "│ bad " in broken
    assert "no_such_library" in broken


def test_a_card_shows_what_the_method_declares(bench, tmp_path):
    (tmp_path / "mine.py").write_text(PLUGIN)
    answer = bench("methods show example --plugin mine.py")
    assert answer.code == 0
    for text in (
        "An [example]",
        "Nobody 2020",
        "tiles, 2 magnifications",
        "masks",
        "0.0001 to 0.01 (log)",
        "learning [rate]",
        "4, 8",
        "none",
        "preset small: for tests",
        "width=4",
        "input.mpp=[0.5, 2.0]",
        "the paper leaves the width open",
        "parity      not compared with anything",
    ):
        assert text in answer.out, text


@pytest.mark.parametrize("name", ["mean_pool", "abmil", "gated_abmil", "abmilx"])
def test_every_hyper_parameter_of_a_built_in_method_is_shown(bench, name):
    answer = bench("methods", "show", name)
    assert answer.code == 0
    for parameter in find_method(name).Params.describe():
        assert f"│ {parameter} " in answer.out


def test_a_misspelt_method_names_the_nearest(bench):
    answer = bench("methods show gated_amil")
    assert answer.code == 2
    problem, _, fix = answer.check_three_lines()
    assert problem == "unknown method 'gated_amil'"
    assert "'gated_abmil'" in fix


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "none"), (True, "true"), (1e-5, "1e-05"), ((0.5, 2.0), "[0.5, 2.0]"), (3, "3"), ("a", "a")],
)
def test_values_are_shown_as_they_are_typed(value, text):
    assert shown(value) == text
