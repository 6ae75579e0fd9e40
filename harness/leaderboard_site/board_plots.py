"""The figures of a board and of the overview: score against cost, and critical difference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from harness.tasks.svg import INK, LINE, MAIN, MUTED, axes_in, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from harness.leaderboard_site.content import Board, Entry, Estimate, Overview

Point = tuple["Entry", "Estimate"]
_ROW = 0.2
_NAME_WIDTH, _NAME_HEIGHT = 0.22, 0.06
"""Room that a name takes, as shares of the axes."""


def hours_svg(board: Board) -> str:
    """Score over the hours of one training; empty where nobody knows them."""
    resource = _resource(board)
    points = [(entry, entry.cost.per_unit) for entry in board.entries if entry.cost.resource == resource]
    return _pareto(board, points, f"{resource} of one training", resource)


def memory_svg(board: Board) -> str:
    """Score over the peak memory; empty where nobody knows it."""
    points = [(entry, entry.cost.memory_per_unit) for entry in board.entries]
    return _pareto(board, points, "peak memory, MB", "MB")


def _resource(board: Board) -> str:
    """GPU-hours where any entry has used a GPU: hours of other devices do not compare."""
    return "GPU-hours" if any(entry.cost.resource == "GPU-hours" for entry in board.entries) else "CPU-hours"


def front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Places of the points that no other one beats in cost without being worse in score, by cost.

    Args:
        points: cost, the smaller the better, and score, the larger the better.
    """
    order = sorted(range(len(points)), key=lambda k: (points[k][0], -points[k][1]))
    found: list[int] = []
    for k in order:
        if not found or points[k][1] > points[found[-1]][1]:
            found.append(k)
    return found


def _pareto(board: Board, given: Sequence[tuple[Entry, Estimate | None]], xlabel: str, unit: str) -> str:
    points: list[Point] = [
        (entry, cost)
        for entry, cost in given
        if cost is not None and cost.mean > 0 and entry.score.value is not None and not entry.not_ranked
    ]
    if not points:
        return ""
    rows = {entry.study: k for k, entry in enumerate(board.entries)}
    sign = -1 if board.lower_is_better else 1
    best = front([(cost.mean, sign * (entry.score.value or 0.0)) for entry, cost in points])
    with axes_in((5.6, 4.0), (0.6, 0.45, 4.85, 3.4)) as (figure, axes):
        axes.set_xscale("log")
        _crosses(axes, points, best)
        _front_line(axes, [points[k] for k in best])
        _cost_ticks(axes, [cost for _, cost in points])
        axes.set(xlabel=f"{xlabel} (log scale)", ylabel=board.label)
        _name_the_front(axes, [points[k] for k in best])
        names = ", ".join(points[k][0].method for k in best)
        return svg(
            figure,
            title=f"{board.label} against {xlabel}",
            text=f"Of {len(points)} studies, none costs less and scores better than: {names}. Bars are 95 % intervals.",
            points={f"p{k}": (_told(board, *point, unit), rows[point[0].study]) for k, point in enumerate(points)},
        )


def _crosses(axes: Axes, points: Sequence[Point], best: Sequence[int]) -> None:
    """Intervals first, so that those of one colour become one path, and points over them."""
    for chosen, colour in ((False, MUTED), (True, MAIN)):
        for k, (entry, cost) in enumerate(points):
            if (k in best) is chosen:
                _intervals(axes, entry, cost, colour)
    for k, (entry, cost) in enumerate(points):
        colour, size = (MAIN, 7) if k in best else (MUTED, 5.5)
        at = [cost.mean], [entry.score.value or 0.0]
        axes.plot(*at, "o", color=colour, markersize=size, markeredgewidth=0, gid=f"p{k}")


def _intervals(axes: Axes, entry: Entry, cost: Estimate, colour: str) -> None:
    score, value = entry.score, entry.score.value or 0.0
    if score.low is not None and score.high is not None:
        axes.plot([cost.mean, cost.mean], [score.low, score.high], color=colour, linewidth=1, alpha=0.45)
    if cost.low is not None and cost.high is not None and cost.low > 0:
        axes.plot([cost.low, cost.high], [value, value], color=colour, linewidth=1, alpha=0.45)


def _front_line(axes: Axes, points: Sequence[Point]) -> None:
    x = [cost.mean for _, cost in points]
    y = [entry.score.value or 0.0 for entry, _ in points]
    axes.plot(x, y, color=MAIN, linewidth=1, linestyle=(0, (3, 3)), drawstyle="steps-post", zorder=1)


def _cost_ticks(axes: Axes, costs: Sequence[Estimate]) -> None:
    """A few round numbers over the range, none in scientific notation."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    low, high = min(cost.mean for cost in costs), max(cost.mean for cost in costs)
    wide = (high / low) ** 0.22 * 1.1  # room for a name at the left
    low, high = low / wide, high * 1.15
    marks = [m * 10.0**e for e in range(-7, 10) for m in (1, 2, 5) if low <= m * 10.0**e <= high]
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(FixedLocator(marks[:: 1 + len(marks) // 8]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.4g}" if value < 1e6 else f"{value:.1e}"))


def _name_the_front(axes: Axes, points: Sequence[Point]) -> None:
    """Names of the points on the front, at their upper left: no point is there, since it would beat them.

    A name that would run into the one before is left out; the table and the point itself have it.
    """
    from math import log

    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    before: tuple[float, float] | None = None
    for entry, cost in points:
        x, y = log(cost.mean / left) / log(right / left), ((entry.score.value or 0.0) - bottom) / (top - bottom)
        if before is not None and x - before[0] < _NAME_WIDTH and abs(y - before[1]) < _NAME_HEIGHT:
            continue
        before = (x, y)
        place = (cost.mean, entry.score.value or 0.0)
        axes.annotate(
            entry.method[:22], place, xytext=(-5, 5), textcoords="offset points", ha="right", size=9.5, color=INK
        )


def _told(board: Board, entry: Entry, cost: Estimate, unit: str) -> str:
    score = entry.score
    limits = "" if score.low is None or score.high is None else f" [{score.low:.3f}, {score.high:.3f}]"
    used = f"{cost.mean:.3g}" if cost.mean < 100 else f"{cost.mean:,.0f}"
    return f"{entry.method}: {board.label} {score.value or 0.0:.3f}{limits}, {used} {unit}"


def difference_svg(overview: Overview) -> str:
    """Critical-difference diagram (Demšar 2006, figure 1): methods by mean rank, bars over those that do not differ."""
    if overview.distance is None:
        return ""
    methods, ranks = [one.method for one in overview.methods], [one.mean_rank for one in overview.methods]
    half = (len(methods) + 1) // 2
    bars = 0.16 * len(overview.groups)
    height = 0.95 + bars + _ROW * half
    with axes_in((6.8, height), (0.1, 0.05, 6.6, height - 0.1)) as (figure, axes):
        axes.axis("off")
        top, last = height - 0.55, len(methods)
        place = _placing(last)
        axes.set(xlim=(0, 6.6), ylim=(0, height - 0.1))
        _rank_axis(axes, last, top, place)
        _distance_bar(axes, overview.distance, top + 0.32, place)
        for number, group in enumerate(overview.groups):
            inside = [place(rank) for name, rank in zip(methods, ranks, strict=True) if name in group]
            y = top - 0.16 - 0.16 * number
            axes.plot([min(inside) - 0.04, max(inside) + 0.04], [y, y], color=MAIN, linewidth=4)
        for k, (name, rank) in enumerate(zip(methods, ranks, strict=True)):
            _leader(axes, f"{name[:24]}  {rank:.2f}", place(rank), top, k, half, len(methods), bars)
        groups = "; ".join(", ".join(group) for group in overview.groups) or "none"
        order = ", ".join(f"{name} {rank:.2f}" for name, rank in zip(methods, ranks, strict=True))
        text = (
            f"Mean ranks: {order}. Critical difference {overview.distance:.2f}. Methods that do not differ: {groups}."
        )
        return svg(figure, title="Critical-difference diagram", text=text)


def _placing(last: int) -> Callable[[float], float]:
    return lambda rank: 1.7 + 3.2 * (rank - 1) / (last - 1)


def _rank_axis(axes: Axes, last: int, top: float, place: Callable[[float], float]) -> None:
    axes.plot([place(1), place(last)], [top, top], color=MUTED, linewidth=1)
    step = 1 + (last - 1) // 14
    for rank in range(1, last + 1, step):
        axes.plot([place(rank)] * 2, [top, top + 0.06], color=MUTED, linewidth=1)
        axes.text(place(rank), top + 0.09, str(rank), ha="center", va="bottom", size=9, color=MUTED)


def _distance_bar(axes: Axes, distance: float, y: float, place: Callable[[float], float]) -> None:
    axes.plot([place(1), place(1 + distance)], [y, y], color=INK, linewidth=2)
    axes.text(place(1 + distance / 2), y + 0.04, f"CD {distance:.2f}", ha="center", va="bottom", size=9, color=INK)


def _leader(axes: Axes, text: str, x: float, top: float, k: int, half: int, count: int, bars: float) -> None:
    """The line from a mean rank to the method's name: the better half goes left, the others right."""
    left = k < half
    row = k if left else count - 1 - k
    y = top - 0.3 - bars - _ROW * row
    end = 1.6 if left else 5.0
    axes.plot([x, x, end], [top, y, y], color=LINE, linewidth=1)
    axes.plot([x], [top], "o", color=MAIN, markersize=4.5, markeredgewidth=0)
    axes.text(end - 0.06 if left else end + 0.06, y, text, ha="right" if left else "left", va="center", color=INK)
