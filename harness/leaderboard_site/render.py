"""The pages of the site, from its content. All text is escaped: names come from other people's evidence."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from harness.leaderboard_site.compact import compact
from harness.results.study_table import hours_text, memory_text

if TYPE_CHECKING:
    from jinja2 import Environment

    from harness.leaderboard_site.content import Board, Content, Score


@dataclass(frozen=True)
class Axis:
    """The scale of the interval bars in a table.

    Attributes:
        low, high: its ends.
    """

    low: float
    high: float

    @classmethod
    def of(cls, scores: list[Score]) -> Axis:
        """From the lowest to the highest limit of some scores, widened to a multiple of 0.05."""
        ends = [end for one in scores for end in (one.value, one.low, one.high) if end is not None]
        low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
        low, high = int(low * 20) / 20 - 0.05 * (low < 0), -(-int(high * 1000) // 50) / 20
        return cls(low, high if high > low else low + 0.05)

    @property
    def low_text(self) -> str:
        """The lower end."""
        return f"{self.low:.2f}"

    @property
    def high_text(self) -> str:
        """The upper end."""
        return f"{self.high:.2f}"

    def share(self, value: float) -> str:
        """Where a value lies, in percent of the axis."""
        return f"{min(100.0, max(0.0, 100 * (value - self.low) / (self.high - self.low))):.0f}"


@dataclass(frozen=True)
class Column:
    """A column of the table of a board.

    Attributes:
        title: its heading.
        sort: how it is sorted at first.
        phone: what stands before its cells on a phone, where each row is a card; empty where the cell says it itself.
        right: whether it is aligned to the right.
    """

    title: str
    sort: str
    phone: str = ""
    right: bool = False


@cache
def templates() -> Environment:
    """The templates of the package."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    found = Environment(
        loader=PackageLoader("harness.leaderboard_site"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {
        "score": lambda value: "–" if value is None else f"{value:.3f}",
        "plain": lambda value: "" if value is None else f"{value:.5g}",
        "hours": hours_text,
        "memory": memory_text,
        "p_value": lambda value: "< 0.001" if value < 0.001 else f"{value:.3f}",
        "first_upper": lambda text: text[:1].upper() + text[1:],
        "css": _css_text,
        "seen": lambda text: "pre-trained on" in text,
    }
    return found


def _css_text(text: str) -> Any:
    """A text for a string of a style sheet: whatever is no letter, digit or space becomes its number."""
    from markupsafe import Markup

    return Markup(re.sub(r"[^A-Za-z0-9 ]", lambda match: f"\\{ord(match[0]):06x}", text))


def page(name: str, content: Content, *, root: str, **values: Any) -> str:
    """A page.

    Args:
        name: of its template.
        content: of the site.
        root: what leads from the page to the folder of the site.
        values: for the template.
    """
    count = Counter(board.dataset for board in content.boards)
    repeated = {dataset for dataset, boards in count.items() if boards > 1}
    text = templates().get_template(f"{name}.html.j2").render(content=content, root=root, repeated=repeated, **values)
    return compact(re.sub(r"\n\s*\n+", "\n", text))


def index_page(content: Content, difference: str) -> str:
    """The overview."""
    from markupsafe import Markup

    names = {board.name: board.dataset for board in content.boards}
    return page(
        "index",
        content,
        root="",
        difference=Markup(difference),
        overview_names=[names[name] for name in content.overview.boards],
        count=_counts(content),
    )


def board_page(content: Content, board: Board, *, hours: str, memory: str) -> str:
    """A board with its figures."""
    from markupsafe import Markup

    resources = {entry.cost.resource for entry in board.entries}
    resource = "GPU-hours" if "GPU-hours" in resources else "CPU-hours"
    has = {
        "trials": any(entry.cost.trials for entry in board.entries),
        "shared": any(entry.cost.shared_hours is not None for entry in board.entries),
        "encoder": any(entry.encoder for entry in board.entries),
    }
    return page(
        "board",
        content,
        root="../",
        board=board,
        axis=Axis.of([entry.score for entry in board.entries]),
        columns=_columns(board, resource if len(resources) == 1 else "Hours", has),
        any=has,
        mixed=len(resources) > 1,
        resource=resource,
        supervisions=sorted({entry.supervision for entry in board.entries}),
        overlapping=any(templates().filters["seen"](entry.pretraining) for entry in board.entries),
        hours=Markup(hours),
        memory=Markup(memory),
    )


def _columns(board: Board, hours: str, has: Mapping[str, bool]) -> list[Column]:
    """Those of the template, in its order."""
    return [
        Column("Rank", "up"),
        Column("Method", "text"),
        Column(f"{board.label}, 95 % interval", "up" if board.lower_is_better else "down", board.label),
        *[Column("Ties", "text", "Ties")] * board.tied,
        Column(hours, "up", hours, right=True),
        *[Column("with tuning", "up", "with tuning", right=True)] * has["trials"],
        *[Column("+ features", "up", "+ features", right=True)] * has["shared"],
        Column("Memory", "up", "Memory", right=True),
        Column("Hardware", "text", "Hardware"),
        Column("Learnt from", "text", "Learnt from"),
        *[Column("Encoder", "text", "Encoder")] * has["encoder"],
        Column("Evidence", "text"),
    ]


def _counts(content: Content) -> dict[str, str]:
    studies = sum(len(board.entries) for board in content.boards)
    methods = len({entry.method for board in content.boards for entry in board.entries})
    datasets = len({board.dataset for board in content.boards})
    return {
        "studies": _count(studies, "study", "studies"),
        "methods": _count(methods, "method"),
        "datasets": _count(datasets, "dataset"),
    }


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one}" if number == 1 else f"{number} {many or f'{one}s'}"
