"""Short paths: they lead where the long ones do."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.tasks.svg_path import short_path

POINTS = st.lists(st.tuples(st.integers(-40, 40), st.integers(-40, 40)), min_size=1, max_size=12)
STEP = re.compile(r"([MhvlzZ])([^MhvlzZ]*)")


def corners(path: str) -> list[list[tuple[int, int]]]:
    """The points of each part of a path."""
    found: list[list[tuple[int, int]]] = []
    for command, rest in STEP.findall(path):
        numbers = [int(one) for one in re.findall(r"-?\d+", rest)]
        if command == "M":
            found.append([(numbers[0], numbers[1])])
            continue
        pairs = {"h": [(n, 0) for n in numbers], "v": [(0, n) for n in numbers], "z": []}.get(command)
        for dx, dy in list(zip(numbers[::2], numbers[1::2], strict=True)) if pairs is None else pairs:
            x, y = found[-1][-1]
            found[-1].append((x + dx, y + dy))
    return found


@given(st.lists(POINTS, min_size=1, max_size=3))
def test_every_corner_is_there_and_nothing_else(parts: list[list[tuple[int, int]]]) -> None:
    long = " ".join("L".join(f"{x} {y} " for x, y in points).join(["M", ""]) for points in parts)
    for points, found in zip(parts, corners(short_path(long, 1)), strict=True):
        assert (found[0], found[-1]) == (points[0], points[-1])
        assert set(found) <= set(points)
        for before, at, after in zip(points, points[1:], points[2:], strict=False):
            straight = any(before[k] == at[k] == after[k] for k in (0, 1))
            assert straight or at in found


def test_numbers_are_scaled_and_steps_along_an_axis_put_together() -> None:
    assert short_path("M 10.2 20 L 10.2 22 L 10.2 30 L 20 30 L 25 20.4 L 31 2 z", 1.5) == "M15 30v15h15l8-14 8-28z"


def test_a_curve_is_refused() -> None:
    with pytest.raises(ValueError, match="other commands"):
        short_path("M 0 0 C 1 1 2 2 3 3", 1)
