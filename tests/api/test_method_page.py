"""Method pages: those in docs/ are up to date, and a page holds what the card and the docstrings say."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from harness import MethodCard, MethodError, MILMethod, MILParams, Preset, fixed
from harness.api.method_page import method_page, write_pages
from harness.api.registry import find_method

ROOT = Path(__file__).resolve().parents[2]
BUILT_IN = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["harness.methods"]


def test_the_pages_in_docs_are_up_to_date(tmp_path):
    write_pages(tmp_path, sorted(BUILT_IN))
    made = {path.name: path.read_text() for path in tmp_path.iterdir()}
    kept = {path.name: path.read_text() for path in (ROOT / "docs/methods").iterdir()}
    stale = sorted(name for name in made.keys() | kept.keys() if made.get(name) != kept.get(name))
    assert not stale, "run `python -m harness.api.method_page docs/methods`"


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_a_page_holds_the_whole_card(name):
    method = find_method(name)
    page = method_page(method)
    assert all(f"- {point}\n" in page for point in method.card.open_points)
    assert all(f"| `{parameter}` |" in page for parameter in method.Params.describe())
    assert all(f"## Preset `{preset}`" in page for preset in method.card.presets)
    assert method.card.parity[1:] in page
    assert method.card.parity, "say what it was compared with"
    assert "### `methods." in page, "no docstring with formulas"
    assert "Args:" not in page
    assert "::\n" not in page


class Plain(MILMethod):
    """Adds things up.

    Attributes:
        size: how many,
            in words.
    """

    card = MethodCard(name="plain", title="Plain", paper="none", needs=("masks",), described_by=("json:JSONDecoder",))

    class Params(MILParams):
        kind: str = fixed("a", choices=("a", "b"), help="this | that")

    def aggregator(self, dim):
        raise NotImplementedError


def test_a_page_of_a_method_elsewhere():
    page = method_page(Plain)
    assert "- size: how many,\n  in words." in page
    assert "pixel annotations (lesion masks)" in page
    assert "| `kind` | a | fixed: a, b | ours | this \\| that |" in page
    assert "### `json.decoder.JSONDecoder`" in page
    assert "Not compared with anything." in page


def test_a_wrong_path_is_named():
    card = MethodCard(name="plain", title="Plain", paper="none", described_by=("json:Nothing",))
    method = type("Wrong", (Plain,), {"card": card, "__doc__": "Wrong."})
    with pytest.raises(MethodError, match="there is no json:Nothing"):
        method_page(method)


def test_smoke_settings_are_checked_like_presets():
    from harness.api.check import check_method

    card = MethodCard(name="plain", title="Plain", paper="none", smoke=Preset(help="", params={"epoch": 1}))
    method = type("Wrong", (Plain,), {"card": card, "aggregator": lambda self, dim: None})
    with pytest.raises(MethodError, match="unknown hyper-parameter 'epoch'"):
        check_method(method, "plain", "here")
