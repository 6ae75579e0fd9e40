"""Slides that the harness draws itself, from a seed: an embedded dataset, and small copies of releases for tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.core.hashing import sha256_json

__all__ = ["DRAWINGS", "draw", "folder_name"]

DRAWINGS = ("camelyon16-mini", "camelyon16-release")


def draw(name: str, settings: Mapping[str, Any], root: Path, *, workers: int) -> None:
    """Draw what ``source.draw`` of a card asks for; what is there already is kept.

    Args:
        name: which drawing, one of :data:`DRAWINGS`.
        settings: its settings; an entry ``name`` is ignored.
        root: the folder to draw into: absent, empty, or holding the same drawing.
        workers: processes to draw with.

    Raises:
        UsageError: there is no such drawing, or it has no such setting.
        DataError: the folder holds something else, or cannot be written.
    """
    # Imported late: listing datasets needs none of this.
    from harness.synthetic.mini import MiniSettings, draw_camelyon16_mini
    from harness.synthetic.release import ReleaseSettings, draw_release_like
    from harness.synthetic.settings import build

    if name == "camelyon16-mini":
        draw_camelyon16_mini(root, settings=build(MiniSettings, name, settings), workers=workers)
    elif name == "camelyon16-release":
        draw_release_like(root, settings=build(ReleaseSettings, name, settings), workers=workers)
    else:
        from harness.core.suggest import unknown

        raise unknown("drawing", name, DRAWINGS, place="card, field source.draw.name", listing="the documentation")


def folder_name(name: str, settings: Mapping[str, Any]) -> str:
    """A folder name for a drawing that changes with its settings and with the way it is drawn."""
    from harness.synthetic.drawing import VERSION

    return f"{name}-v{VERSION}-{sha256_json({**settings, 'name': name})[:8]}"
