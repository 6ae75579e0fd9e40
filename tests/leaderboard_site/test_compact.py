"""Compact pages: the same tree in fewer bytes."""

from __future__ import annotations

import html5lib
from html5lib import treewalkers
from html5lib.filters.whitespace import Filter

from harness.leaderboard_site.compact import compact

PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>a &lt;b&gt; "c"</title></head>
<body><p class="a b" title="x &#34;y&#34; =z">t "q=u"</p><dl><div><dt>n</dt><dd class="big">1</dd></div></dl>
<ul><li>one</li><li>two <b id="k">b</b></li></ul><select><option value="">any</option><option>x</option></select>
<table><caption>c</caption><thead><tr><th scope="col">A</th><th>B</th></tr></thead>
<tbody><tr><th scope="row">r</th><td data-v="">x</td></tr><tr><td>1</td><td>2</td></tr></tbody></table>
<svg viewBox="0 0 1 1"><path class="s" d="M0 0" r="2"/><circle r="1"/></svg><a href="a/b/">l</a><br>
</body></html>"""


def tokens(page: str) -> list[tuple[str, ...]]:
    """The tree, without white space that is not shown."""
    parser = html5lib.HTMLParser()
    walker = Filter(treewalkers.getTreeWalker("etree")(parser.parse(page)))
    assert not parser.errors, parser.errors
    found = [(one["type"], one.get("name", ""), str(one.get("data", "")).strip()) for one in walker]
    return [one for one in found if one[1:] != ("", "")]


def test_the_tree_is_the_same_and_smaller() -> None:
    small = compact(PAGE)
    assert tokens(small) == tokens(PAGE)
    assert len(small) < 0.85 * len(PAGE) and "</td>" not in small and "class=big" in small
