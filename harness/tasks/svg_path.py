"""The shape of an SVG path in as few bytes as it takes: whole numbers, and steps from point to point."""

from __future__ import annotations

import re

_COMMAND = re.compile(r"([MLZz])([^MLZzA-DF-Ya-df-y]*)")
_NUMBER = re.compile(r"-?\d*\.?\d+(?:e-?\d+)?")
Step = tuple[int, int]


def short_path(text: str, scale: float) -> str:
    """A path of straight lines, scaled and rounded to whole numbers.

    Steps are differences of rounded coordinates, so that errors do not add up. A step along an axis continues the one
    before it, and a step of nothing is left out.

    Args:
        text: the ``d`` of a path with the commands M, L and z, as matplotlib writes it.
        scale: what coordinates are multiplied by.

    Raises:
        ValueError: it has another command.
    """
    if _COMMAND.sub("", text).strip():
        raise ValueError(f"a path of other commands than M, L and z: {text[:60]}")
    found, at, start = _Steps(), (0, 0), (0, 0)
    for command, rest in _COMMAND.findall(text):
        numbers = [round(scale * float(one)) for one in _NUMBER.findall(rest)]
        points = list(zip(numbers[::2], numbers[1::2], strict=True))
        if command in "Zz":
            found.jump("z")
            at = start
        elif command == "M":
            at = start = points.pop(0)
            found.jump(f"M{at[0]} {at[1]}")
        for point in points:
            found.go(point[0] - at[0], point[1] - at[1])
            at = point
    return found.ended()


class _Steps:
    """A path that is written step by step; those along one axis are put together."""

    def __init__(self) -> None:
        self._text = ""
        self._command = ""
        self._step: Step = (0, 0)

    def jump(self, command: str) -> None:
        """Write a command that is no step."""
        self._text = self.ended() + command
        self._command, self._step = "", (0, 0)

    def go(self, dx: int, dy: int) -> None:
        """A step from where the last one ended."""
        x, y = self._step
        if (dx == x == 0 and dy * y > 0) or (dy == y == 0 and dx * x > 0):
            self._step = (x + dx, y + dy)
        elif (dx, dy) != (0, 0):
            self._text = self.ended()
            self._command = _command(x, y) or self._command
            self._step = (dx, dy)

    def ended(self) -> str:
        """The path as far as it goes."""
        command, (x, y) = _command(*self._step), self._step
        numbers = {"h": f"{x}", "v": f"{y}", "l": f"{x}{y}" if y < 0 else f"{x} {y}", "": ""}[command]
        if command == "l" == self._command:  # of equal commands the first one is enough
            command = "" if x < 0 else " "
        return self._text + command + numbers


def _command(dx: int, dy: int) -> str:
    return "l" if dx and dy else "h" if dx else "v" if dy else ""
