"""A figure as a small SVG for a page: coordinates rounded, colours left to the style sheet, text that can be read.

matplotlib writes a style with every element and a group around each; that is most of its files. Here colours become
classes (so that one style sheet serves light and dark), markers become circles, and whatever is not drawn goes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from harness.tasks.svg_path import short_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Drawing:
    """A figure for a page.

    Attributes:
        svg: the figure, with a label for those who do not see it.
        caption: one sentence that stands below it.
    """

    svg: str
    caption: str


COLOURS = {
    "ink": "#101010",
    "muted": "#202020",
    "line": "#303030",
    "main": "#404040",
    "soft": "#505050",
    "warm": "#606060",
}
"""Class of the style sheet → the colour that stands for it in a figure."""
INK, MUTED, LINE, MAIN, SOFT, WARM = COLOURS.values()
_CLASSES = {colour: name for name, colour in COLOURS.items()}
_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "wsibench",
    "path.simplify": False,
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "text.parse_math": False,  # names are text, whatever signs are in them
    "axes.labelcolor": MUTED,
    "axes.edgecolor": LINE,
    "axes.linewidth": 1,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
}
SCALE = 1.5
"""Units of the SVG for a point of the figure: about as many as pixels on the page, so that they can be whole."""
_GRID = "0.9"
_SVG = "{http://www.w3.org/2000/svg}"
_LINK = "{http://www.w3.org/1999/xlink}href"
_KEPT = ("stroke-width", "stroke-dasharray", "opacity", "fill-opacity", "stroke-opacity")
_ALIGNED = re.compile(
    r'<text x="[^"]*" y="[^"]*" text-anchor="(\w+)">[^<]*</text>'
    r'(?:<text x="[^"]*" y="[^"]*" text-anchor="\1">[^<]*</text>)+'
)
_USUAL = {"stroke-width": ("1", "1.0"), "opacity": ("1",)}


@contextmanager
def axes_in(size: tuple[float, float], box: tuple[float, float, float, float]) -> Iterator[tuple[Figure, Axes]]:
    """A figure outside pyplot's registry with axes at a fixed place.

    Args:
        size: width and height in inches.
        box: left, bottom, width and height of the axes in inches.
    """
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure
    from matplotlib.style import context

    width, height = size
    x, y, w, h = box
    with context(["default", _settings()]):  # whatever the user or another library has set
        figure = Figure(figsize=size)
        FigureCanvasSVG(figure)
        axes = figure.add_axes((x / width, y / height, w / width, h / height))
        figure.patch.set_visible(False)
        axes.patch.set_visible(False)
        yield figure, axes


@cache
def _settings() -> Any:
    import seaborn as sns

    return {**sns.axes_style("ticks"), **_STYLE}


def svg(figure: Figure, *, title: str, text: str, points: Mapping[str, tuple[str, int]] | None = None) -> str:
    """The figure as an SVG element for a page.

    Args:
        figure: drawn with the colours of this module.
        title: what it is, for those who do not see it.
        text: what it shows, for the same.
        points: id of an artist (its gid) → what is shown when one points at it, and the row of the page's table
            that it stands for. It is no link, since a picture holds none: the page's script makes it one for the mouse.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    root = ElementTree.fromstring(buffer.getvalue())
    markers = {one.get("id", ""): one for one in root.iter(f"{_SVG}path") if one.get("id")}
    body = _joined("".join(_element(child, markers, points or {}) for child in root))
    _, _, width, height = root.get("viewBox", "0 0 0 0").split()
    return (
        f'<svg class="figure" viewBox="0 0 {_number(width)} {_number(height)}" role="img" '
        f'aria-label="{escape(f"{title}. {text}")}">{body}</svg>'
    )


def _joined(body: str) -> str:
    """Paths of one look as one: those that follow each other, and all grid lines, which lie behind everything."""
    grid, rest = [], body
    for match in re.finditer(rf'<path class="s-line" d="([^"]*)"( stroke-width="{_GRID}")/>', body):
        grid.append(match[1])
        rest = rest.replace(match[0], "", 1)
    if grid:
        rest = f'<path class="s-line" d="{"".join(grid)}" stroke-width="{_GRID}"/>{rest}'
    dots = re.compile(r'(?:<circle class="f-(\w+)" cx="[^"]*" cy="[^"]*" r="([^"]*)"/>){2,}')
    rest = dots.sub(_dots, rest)
    same = re.compile(r'<path class="([^"]*)" d="([^"]*)"([^>]*)/><path class="\1" d="([^"]*)"\3/>')
    while (merged := same.sub(r'<path class="\1" d="\2\4"\3/>', rest)) != rest:
        rest = merged
    return _ALIGNED.sub(_group, rest)


def _group(match: re.Match[str]) -> str:
    """Texts that follow each other and are aligned alike, with that said once."""
    attribute = f' text-anchor="{match[1]}"'
    return f"<g{attribute}>{match[0].replace(attribute, '')}</g>"


def _dots(match: re.Match[str]) -> str:
    """Circles of one look as a path of round dots."""
    places = re.findall(r'cx="([^"]*)" cy="([^"]*)"', match[0])
    shape = "".join(f"M{x} {y}h0" for x, y in places)
    return f'<path class="s-{match[1]} dots" d="{shape}" stroke-width="{2 * float(match[2]):.3g}"/>'


def _element(element: ElementTree.Element, markers: Mapping[str, Any], points: Mapping[str, tuple[str, int]]) -> str:
    kind = element.tag.removeprefix(_SVG)
    if kind == "g":
        inner = "".join(_element(child, markers, points) for child in element)
        return _pointed(inner, points.get(element.get("id", "")))
    if kind == "path":
        shape = f'd="{short_path(element.get("d", ""), SCALE)}"'
        return _drawn("path", shape, element) if element.get("d") else ""
    if kind == "use":
        return _circle(element, markers)
    return _text(element) if kind == "text" else ""


def _pointed(inner: str, point: tuple[str, int] | None) -> str:
    if point is None or not inner:
        return inner
    text, row = point
    return f'<g data-row="{row}"><title>{escape(text)}</title>{inner}</g>'


def _drawn(kind: str, shape: str, element: ElementTree.Element) -> str:
    """A shape with its colours as classes; nothing where it has none."""
    style = _style(element)
    fill, stroke = style.get("fill", ""), style.get("stroke", "none")
    classes = [f"f-{_CLASSES[fill]}"] if fill in _CLASSES else []
    classes += [f"s-{_CLASSES[stroke]}"] if stroke in _CLASSES and stroke != fill else []
    if not classes:
        return ""
    more = "".join(
        f' {name}="{_kept(name, style[name])}"' for name in _KEPT if name in style and _unusual(name, style[name])
    )
    return f'<{kind} class="{" ".join(classes)}" {shape}{more}/>'


def _kept(name: str, value: str) -> str:
    if "opacity" in name:
        return f"{float(value):.2g}"
    return ",".join(_length(one) for one in re.findall(r"[\d.]+", value))


def _unusual(name: str, value: str) -> bool:
    return value not in _USUAL.get(name, ())


def _circle(element: ElementTree.Element, markers: Mapping[str, Any]) -> str:
    """A marker, all of which are circles; ticks are markers without a size, and are left out."""
    marker = markers[element.get(_LINK, "")[1:]]
    radius = max((abs(float(one)) for one in re.findall(r"-?[\d.]+(?:e-?\d+)?", marker.get("d", ""))), default=0.0)
    if not radius:
        return ""
    shape = " ".join(f'{name}="{_number(element.get(key, "0"))}"' for name, key in (("cx", "x"), ("cy", "y")))
    return _drawn("circle", f'{shape} r="{_length(str(radius))}"', element)


def _text(element: ElementTree.Element) -> str:
    style = _style(element)
    turned = re.match(r"rotate\((-?[\d.]+)", element.get("transform", ""))
    x, y = (_number(element.get(name, "0")) for name in "xy")
    if "translate" in element.get("transform", ""):
        x, y = (
            _number(one) for one in re.findall(r"translate\((-?[\d.]+) (-?[\d.]+)", element.get("transform", ""))[0]
        )
    found = re.search(r"([\d.]+)px", style.get("font", "") + style.get("font-size", ""))
    size = f' font-size="{_length(found[1])}"' if found and float(found[1]) != _STYLE["font.size"] else ""
    anchor = style.get("text-anchor", "start")
    align = f' text-anchor="{anchor}"' if anchor != "start" else ""
    bold = ' font-weight="600"' if "bold" in style.get("font", "") or "600" in style.get("font", "") else ""
    turn = f' transform="rotate({float(turned[1]):.0f} {x} {y})"' if turned and float(turned[1]) else ""
    name = _CLASSES.get(style.get("fill", ""), "ink")
    colour = "" if name == "muted" else f' class="f-{name}"'
    return f'<text{colour} x="{x}" y="{y}"{size}{align}{bold}{turn}>{escape(element.text or "")}</text>'


def _style(element: ElementTree.Element) -> dict[str, str]:
    pairs = (one.partition(":") for one in element.get("style", "").split(";"))
    return {name.strip(): value.strip() for name, _, value in pairs if name.strip()}


def _number(text: str) -> str:
    """A coordinate, scaled to a whole number."""
    return str(round(SCALE * float(text)))


def _length(text: str) -> str:
    """A size, scaled, with one digit behind the point."""
    return f"{SCALE * float(text):.1f}".removesuffix(".0")
