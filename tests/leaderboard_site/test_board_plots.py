"""Figures: small, and what they show is what the numbers say."""

from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from harness.leaderboard_site.board_plots import difference_svg, front
from harness.leaderboard_site.content import MeanRank, Overview


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 6)), min_size=1, max_size=12))
def test_the_front_is_what_no_other_point_beats(points: list[tuple[int, int]]) -> None:
    found = front(points)
    for k, (cost, score) in enumerate(points):
        beaten = any(c <= cost and s >= score and (c, s) != (cost, score) for c, s in points)
        assert ((cost, score) in [points[one] for one in found]) == (not beaten), k


def test_the_diagram_names_every_method_and_a_refused_one_is_not_drawn() -> None:
    ranks = tuple(MeanRank(method=f"m{k}", mean_rank=k + 1.0, ranks=(k + 1.0,)) for k in range(5))
    common = {"boards": ("a",), "methods": ranks, "left_out": (), "friedman_p": 0.01}
    drawn = difference_svg(
        Overview(**common, refused="", distance=2.5, groups=(("m0", "m1", "m2"), ("m2", "m3", "m4")))
    )
    found = [one.text for one in ElementTree.fromstring(drawn).iter("text")]
    assert {f"m{k}  {k + 1:.2f}" for k in range(5)} <= set(found) and "CD 2.50" in found
    assert difference_svg(Overview(**common, refused="too few", distance=None, groups=())) == ""
