"""Examples of attention: small pictures that units have left beside their predictions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.reading import open_regular
from harness.results.names import is_inside, safe_name
from harness.results.staging import ARTEFACTS

if TYPE_CHECKING:
    from harness.results.store import RunStore
    from harness.results.studies import Study

MOST = 3
"""Pictures of a study."""
LARGEST = 40_000
"""Bytes of a picture; larger ones are left out, so that the site stays small."""
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Picture:
    """A picture of a study.

    Attributes:
        path: its file, relative to the folder of the site.
        text: what it shows.
        content: the PNG.
    """

    path: str
    text: str
    content: bytes


def pictures_of(study: Study, store: RunStore) -> tuple[Picture, ...]:
    """The first small ones, by unit and name; none that is not the file that the record names."""
    found: list[Picture] = []
    for record in study.records:
        folder = store.unit_folder(record.unit_id)
        for name in sorted(record.files):
            if len(found) == MOST:
                return tuple(found)
            if not (name.startswith(f"{ARTEFACTS}/") and name.endswith(".png") and is_inside(name)):
                continue
            if content := _small_png(folder / name):
                target = f"attention/{safe_name(study.study_id)}-{len(found)}.png"
                found.append(Picture(target, _text(name, record.spec), content))
    return tuple(found)


def _small_png(path: Path) -> bytes:
    try:
        with open_regular(path, limit=LARGEST) as file:
            content = file.read(LARGEST + 1)
    except OSError:
        return b""
    return content if content.startswith(_PNG) and len(content) <= LARGEST else b""


def _text(name: str, spec: object) -> str:
    kind, _, slide = Path(name).stem.partition("-")
    fold = f", fold {spec['fold']}" if isinstance(spec, dict) else ""
    return f"{kind} on test slide {slide}{fold}"
