"""Write the site: pages, data, style and script, in a folder that opens from a file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.atomic import replacing
from harness.core.console import progress
from harness.core.errors import UsageError
from harness.core.folders import writable_folder
from harness.leaderboard_site.board_plots import difference_svg, hours_svg, memory_svg
from harness.leaderboard_site.boards import content_of
from harness.leaderboard_site.collect import Collected, collect
from harness.leaderboard_site.content import Board, Content
from harness.leaderboard_site.pictures import pictures_of
from harness.leaderboard_site.render import board_page, index_page
from harness.leaderboard_site.study_page import study_page
from harness.tasks.registry import task_of

if TYPE_CHECKING:
    from harness.results.store import RunStore

DATA = "leaderboard.json"
_OWN_FOLDERS = ("boards", "studies", "attention")
_DIGITS = 6


@dataclass(frozen=True)
class Site:
    """A site that was written.

    Attributes:
        folder: where it is; it begins at ``index.html``.
        content: what it shows.
        files, size: how many files, and their bytes.
    """

    folder: Path
    content: Content
    files: int
    size: int


def build(stores: Sequence[RunStore], folder: Path, *, title: str, metric: str | None = None) -> Site:
    """Write the site of some runs folders. The same evidence gives the same bytes.

    Args:
        stores: where the evidence is; a study that stands in several is taken from the first of them.
        folder: of the site; an earlier site in it is replaced.
        title: of the site.
        metric: name of the score to rank by; None takes the first one of each task.

    Raises:
        DataError: there is no finished unit.
        UsageError: the folder cannot be written, or holds something else.
    """
    writable_folder(folder, "--site")
    _check_free(folder)
    collected = collect(stores, metric=metric)
    content = content_of(collected, title=title)
    files = _fixed(content) | {"index.html": index_page(content, difference_svg(content.overview)).encode()}
    studies = sum(len(board.entries) for board in content.boards)
    with progress("pages", studies) as bar:
        for board in content.boards:
            page = board_page(content, board, hours=hours_svg(board), memory=memory_svg(board))
            files[f"boards/{board.name}.html"] = page.encode()
            files |= _studies(content, board, collected, bar.advance)
    _write(folder, files)
    return Site(folder, content, len(files), sum(map(len, files.values())))


def _studies(content: Content, board: Board, collected: Collected, done: Any) -> dict[str, bytes]:
    """The pages of the studies of a board, and their pictures."""
    studies = {row.summary.study.study_id: row.summary.study for group in collected.groups for row in group.rows}
    files: dict[str, bytes] = {}
    for entry in board.entries:
        study = studies[entry.study]
        pictures = pictures_of(study, collected.stores[entry.study])
        data, classes = collected.predictions.get(entry.study), study.records[0].classes
        task = task_of(study.records[0].config)
        page = study_page(content, board, entry, task=task, data=data, classes=classes, pictures=pictures)
        files |= {entry.page: page.encode()} | {one.path: one.content for one in pictures}
        done()
    return files


def _fixed(content: Content) -> dict[str, bytes]:
    """Data, its schema, style and script."""
    static = resources.files("harness.leaderboard_site") / "static"
    data = _rounded(content.model_dump(mode="json"))
    schema = _untitled(Content.model_json_schema(mode="serialization"))
    return {
        DATA: (json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False) + "\n").encode(),
        "schema.json": (json.dumps(schema, separators=(",", ":")) + "\n").encode(),
        **{name: (static / name).read_bytes() for name in ("site.css", "site.js")},
    }


def _untitled(schema: Any) -> Any:
    """A schema without titles, which say the names of fields again."""
    if isinstance(schema, dict):
        return {name: _untitled(one) for name, one in schema.items() if name != "title" or not isinstance(one, str)}
    return [_untitled(one) for one in schema] if isinstance(schema, list) else schema


def _rounded(value: Any) -> Any:
    """Numbers with six significant digits: more than any interval leaves certain."""
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value


def _check_free(folder: Path) -> None:
    """See that a folder is empty or holds a site: nothing of anybody else's is replaced.

    Raises:
        UsageError: it holds something else.
    """
    if folder.is_dir() and any(folder.iterdir()) and not (folder / DATA).is_file():
        raise UsageError(
            "the folder holds something that is no site", place=f"--site {folder}", fix="name an empty or a new folder"
        )


def _write(folder: Path, files: dict[str, bytes]) -> None:
    """Write the files and remove what an earlier site has left; the data first, as the mark of a site."""
    for name in sorted(files, key=lambda one: (one != DATA, one)):
        with replacing(folder / name) as temporary:
            temporary.write_bytes(files[name])
    for own in _OWN_FOLDERS:
        for path in (folder / own).glob("*"):
            if path.relative_to(folder).as_posix() not in files and path.is_file():
                path.unlink()
        if (folder / own).is_dir() and not any((folder / own).iterdir()):
            shutil.rmtree(folder / own)
