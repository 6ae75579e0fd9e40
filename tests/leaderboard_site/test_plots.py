"""Figures: small, and what they show is what the numbers say."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.leaderboard_site.board_plots import difference_svg, front
from harness.leaderboard_site.content import MeanRank, Overview
from harness.leaderboard_site.plots import thinned
from harness.leaderboard_site.svg import MAIN, axes_in, svg


@given(st.lists(st.floats(0, 1), min_size=2, max_size=60))
def test_a_thinned_curve_is_nowhere_further_off_than_the_tolerance(values: list[float]) -> None:
    x, y = np.linspace(0, 1, len(values)), np.array(values)
    a, b = thinned(x, y, 0.05)
    assert (a[0], a[-1]) == (0, 1) and len(a) <= len(x)
    assert np.abs(np.interp(x, a, b) - y).max() <= 0.05 + 1e-9


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 6)), min_size=1, max_size=12))
def test_the_front_is_what_no_other_point_beats(points: list[tuple[int, int]]) -> None:
    found = front(points)
    for k, (cost, score) in enumerate(points):
        beaten = any(c <= cost and s >= score and (c, s) != (cost, score) for c, s in points)
        assert ((cost, score) in [points[one] for one in found]) == (not beaten), k


def test_an_svg_has_no_colour_and_its_text_is_escaped() -> None:
    with axes_in((3, 2), (0.5, 0.5, 2, 1)) as (figure, axes):
        axes.plot([0, 1, 2], [0, 1, 0], "o-", color=MAIN, gid="p0")
        axes.set(xlabel="a <b> & $x$")
        text = svg(figure, title="<title>", text="a & b", points={"p0": ("<i>", "x.html?a=1&b")})
    root = ElementTree.fromstring(text)
    assert "a <b> & $x$" in [one.text for one in root.iter("text")]
    assert not re.search(r"#[0-9a-f]{6}|style=|url\(", text) and len(text) < 3000
    assert root.get("aria-label") == "<title>. a & b"


def test_the_diagram_names_every_method_and_a_refused_one_is_not_drawn() -> None:
    ranks = tuple(MeanRank(method=f"m{k}", mean_rank=k + 1.0, ranks=(k + 1.0,)) for k in range(5))
    common = {"boards": ("a",), "methods": ranks, "left_out": (), "friedman_p": 0.01}
    drawn = difference_svg(
        Overview(**common, refused="", distance=2.5, groups=(("m0", "m1", "m2"), ("m2", "m3", "m4")))
    )
    found = [one.text for one in ElementTree.fromstring(drawn).iter("text")]
    assert {f"m{k}  {k + 1:.2f}" for k in range(5)} <= set(found) and "CD 2.50" in found
    assert difference_svg(Overview(**common, refused="too few", distance=None, groups=())) == ""
