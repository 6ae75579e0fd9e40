"""A figure as SVG: small, without colours of its own, its text escaped."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from harness.tasks.svg import MAIN, axes_in, svg


def test_an_svg_has_no_colour_and_its_text_is_escaped() -> None:
    with axes_in((3, 2), (0.5, 0.5, 2, 1)) as (figure, axes):
        axes.plot([0, 1, 2], [0, 1, 0], "o-", color=MAIN, gid="p0")
        axes.set(xlabel="a <b> & $x$")
        text = svg(figure, title="<title>", text="a & b", points={"p0": ("<i>", 3)})
    root = ElementTree.fromstring(text)
    assert "a <b> & $x$" in [one.text for one in root.iter("text")]
    assert not re.search(r"#[0-9a-f]{6}|style=|url\(", text) and len(text) < 3000
    assert root.get("aria-label") == "<title>. a & b"


def test_settings_that_somebody_has_made_change_no_drawing() -> None:
    import matplotlib

    def drawn() -> str:
        with axes_in((3, 2), (0.5, 0.5, 2, 1)) as (figure, axes):
            axes.plot([0, 1], color=MAIN)
            axes.set(xlabel="x")
            return svg(figure, title="t", text="a")

    plain = drawn()
    with matplotlib.rc_context({"axes.labelsize": 18, "lines.linewidth": 7, "xtick.labelsize": 3}):
        assert drawn() == plain
