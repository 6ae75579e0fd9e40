"""Which files make up a slide."""

from __future__ import annotations

from pathlib import Path

from harness.data.dicom import levels_of


def slide_files(path: Path) -> list[Path]:
    """Every file that holds content of the slide at ``path``, by name.

    A DICOM slide is all levels of its series (not its label and overview), an MRXS slide its folder of data files too.
    """
    if path.is_dir() or path.suffix.lower() == ".dcm":
        return levels_of(path)
    data = path.with_suffix("")
    if path.suffix.lower() == ".mrxs" and data.is_dir():
        return [path, *sorted(file for file in data.iterdir() if file.is_file())]
    return [path]
