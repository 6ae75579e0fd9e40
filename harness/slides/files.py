"""Which files make up a slide."""

from __future__ import annotations

from pathlib import Path

from harness.core.reading import MEBIBYTE, read_bytes
from harness.datasets.dicom import levels_of
from harness.slides.reader_registry import reader_for


def slide_files(path: Path) -> list[Path]:
    """Every file that holds content of the slide at ``path``, by name.

    A DICOM slide is all levels of its series (not its label and overview), an MRXS slide its folder of data files too,
    a Hamamatsu VMS or VMU slide the images that it names; what a reader from a plugin says of its own.
    """
    if (reader := reader_for(path)) is not None:
        return reader.files(path)
    if path.is_dir() or path.suffix.lower() == ".dcm":
        return levels_of(path)
    data = path.with_suffix("")
    if path.suffix.lower() == ".mrxs" and data.is_dir():
        return [path, *sorted(file for file in data.iterdir() if file.is_file())]
    if path.suffix.lower() in {".vms", ".vmu"}:
        return [path, *_named_in(path)]
    return [path]


def _named_in(path: Path) -> list[Path]:
    """The files beside a text file that stand behind a ``=`` in it, by name."""
    try:
        text = read_bytes(path, limit=MEBIBYTE).decode("latin-1")
    except OSError:
        return []  # whoever reads it says why
    names = {line.partition("=")[2].strip() for line in text.splitlines()} - {"", ".", ".."}
    files = {path.parent / Path(name).name for name in names}
    return sorted(file for file in files if file.is_file() and file != path)
