"""Slides in a folder that no card describes: which files are slides, and which belong to a slide."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from harness.core.errors import DataError, UsageError
from harness.datasets.dicom import read_instance, slides_in
from harness.datasets.identity import did_you_mean, spelling
from harness.datasets.listing import defect, list_files, near_files
from harness.datasets.table import listed
from harness.plugins.kinds import registry_of

SLIDE_SUFFIXES = (".svs", ".tif", ".tiff", ".ndpi", ".mrxs", ".scn", ".bif", ".svslide", ".vms", ".vmu", ".czi")
"""Endings of slides that the built-in readers open."""

FLAT_SUFFIXES = (".png", ".jpg", ".jpeg")
"""Images without resolution and pyramid."""

_UUID = re.compile(r"(.+)\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_WORD = r"(?:thumb(?:nail)?|label|macro|overview|preview|mask|barcode)s?(?:[ ._-]?images?)?(?:[ ._-]?\d+)?"
_COMPANION = re.compile(rf"(.+?)[ ._-]*\(?{_WORD}\)?|{_WORD}[ ._-]+(.+)", re.IGNORECASE)
_WORDS = re.compile(_WORD, re.IGNORECASE)


def slide_suffixes() -> tuple[str, ...]:
    """:data:`SLIDE_SUFFIXES`, and those of readers from plugins."""
    added = registry_of("readers").added()
    return (*SLIDE_SUFFIXES, *(suffix for reader in added for suffix in reader.suffixes))


@dataclass(frozen=True)
class SlideFile:
    """A file that may be a slide.

    Attributes:
        name: its name without suffix; of a DICOM series, the name of its folder, or where the folder holds more than
            this slide, of its first level.
        pattern: card pattern that finds it: ``**/{slide}.svs``.
        path: the file, or the DICOM folder. Of a DICOM series in a folder with others, its first level.
        flat: whether it is a flat image.
        companion: whether it is a thumbnail, label, overview or mask of a slide in the same folder tree.
        single: of a DICOM folder with a single file, the name of that file without suffix.
    """

    name: str
    pattern: str
    path: Path
    flat: bool = False
    companion: bool = False
    single: str = ""

    @property
    def readings(self) -> tuple[tuple[str, str], ...]:
        """(slide id, pattern) of every id that the file may have: its name, the name without ``.ome`` or UUID."""
        readings = [(self.name, self.pattern)]
        if self.name.lower().endswith(".ome"):
            readings.append((self.name[:-4], self.pattern.replace("{slide}", f"{{slide}}{self.name[-4:].lower()}")))
        if self.single and self.single != self.name:
            readings.append((self.single, "**/{slide}.dcm"))
        if uuid := _UUID.fullmatch(self.name):
            readings.append((uuid[1], self.pattern.replace("{slide}", "{slide}.{uuid}")))
        return tuple(readings)


def slide_files(folder: Path, *, refuse: bool = False) -> list[SlideFile]:
    """Every file below ``folder`` that has a slide's suffix, and every DICOM series.

    The data folders of MRXS slides and the JPEG parts of VMS slides are left out. Thumbnails, labels, overviews and
    masks that lie beside slides are marked as companions: flat images whose name is or begins with that of a slide in
    another format (``S1.png``, ``S1_10x.jpg``), any image that is called like a slide and one of those words
    (``S1_mask.tif``), and those in a folder that is called so.

    Args:
        folder: the folder.
        refuse: whether a folder below that may not be listed is an error; it is passed over otherwise.

    Raises:
        UsageError: there is no such folder.
        DataError: a folder that may not be listed.
    """
    if not folder.is_dir():
        raise UsageError("there is no such folder", place=f"--slides {folder}", fix="give the folder with the slides")
    names = sorted(PurePosixPath(path) for paths in list_files(folder, refuse=refuse).files.values() for path in paths)
    suffixes = {(name.parent, name.suffix.lower()) for name in names}
    known = slide_suffixes()
    mrxs = {name.with_suffix("") for name in names if name.suffix.lower() == ".mrxs"}
    found: dict[Path, SlideFile] = {}
    for place in sorted({name.parent for name in names if name.suffix.lower() == ".dcm"}):
        shared = any(parent == place and suffix in known for parent, suffix in suffixes)
        found |= {file.path: file for file in _dicom(folder / place, root=folder, shared=shared)}
    for name in names:
        suffix, path = name.suffix.lower(), folder / name
        of_vms = suffix in FLAT_SUFFIXES and any((name.parent, index) in suffixes for index in (".vms", ".vmu"))
        if of_vms or not mrxs.isdisjoint(name.parents):
            continue
        if suffix in (*known, *FLAT_SUFFIXES):
            found[path] = SlideFile(name.stem, f"**/{{slide}}{suffix}", path, suffix in FLAT_SUFFIXES)
    return _marked(sorted(found.values(), key=lambda file: file.path), folder)


def _dicom(place: Path, root: Path, *, shared: bool) -> list[SlideFile]:
    """The DICOM slides in a folder: the folder itself where one slide is all that it holds, else one file of each.

    Args:
        place: the folder.
        root: the folder that was asked for. Loose files in it are not named after it, except the levels of one slide.
        shared: whether slides of other formats lie there too.
    """
    slides = slides_in(place)
    if slides and place != root and not any(read_instance(levels[0]).is_level for levels in slides):
        slides = [[file for levels in slides for file in levels]]  # one folder that is refused, not each of its files
    alone = len(slides) == 1 and not shared and (place != root or len(slides[0]) > 1)
    if not alone:
        return [SlideFile(levels[0].stem, f"**/{{slide}}{levels[0].suffix.lower()}", levels[0]) for levels in slides]
    single = slides[0][0].stem if len(slides[0]) == 1 else ""
    return [SlideFile(place.name or place.resolve().name, "**/{slide}/*.dcm", place, single=single)]


def _marked(files: Sequence[SlideFile], root: Path) -> list[SlideFile]:
    """The files, with ``companion`` where one belongs to a slide."""
    apart = {file.path for file in files if _in_folder_for_companions(file, root)}
    outside = [file for file in files if file.path not in apart]
    every = {spelling(name) for file in outside for name, _ in file.readings}
    deep = {spelling(name) for file in outside if not file.flat for name, _ in file.readings}
    return [replace(file, companion=_is_companion(file, every, deep, apart=file.path in apart)) for file in files]


def _in_folder_for_companions(file: SlideFile, root: Path) -> bool:
    return any(_WORDS.fullmatch(part) for part in file.path.relative_to(root).parts[:-1])


def _is_companion(file: SlideFile, every: Collection[str], deep: Collection[str], *, apart: bool) -> bool:
    """Whether a file belongs to one of the slides with the names ``every``; ``deep`` are those that are not flat."""
    name = spelling(file.name)
    if apart and (name in every or (file.flat and deep)):
        return True
    if (named := _COMPANION.fullmatch(name)) and (named[1] or named[2]) in every:
        return True
    if not file.flat or not deep:
        return False
    starts = (name[:end] for end in range(1, len(name)) if not name[end].isalnum())
    return name in deep or bool(_WORDS.fullmatch(name)) or any(start in deep for start in starts)


def without_suffix(name: str) -> str:
    """A slide name as it may stand in a table, without the suffix of its file."""
    suffix = PurePosixPath(name).suffix
    if suffix.lower() not in (*slide_suffixes(), ".dcm", *FLAT_SUFFIXES):
        return name
    stem = name.removesuffix(suffix)
    return stem[:-4] if stem.lower().endswith(".ome") else stem


def assign(
    slides: Sequence[str], files: Sequence[SlideFile], *, partial: bool, unused: Sequence[str] = ()
) -> dict[str, SlideFile]:
    """The file of each slide: the one of its name.

    Letter case and the Unicode form of accents do not count, and a UUID behind the name may be left out, as in
    ``TCGA-A1-A0SB-01Z-00-DX1.<uuid>.svs``. Nothing else may: ``S00.2.tif`` is no file of ``S00``. A flat image or a
    companion counts only for a slide that has no other file.

    Args:
        slides: slide ids.
        files: what lies in the folder.
        partial: leave out slides without a file and files without a slide, instead of refusing them.
        unused: ids of slides that are left out on purpose; they may have files.

    Raises:
        DataError: slides without a file, files without a slide, two files for a slide, or a file that is empty or a
            mere pointer.
    """
    wanted = {spelling(slide) for slide in slides}
    by_id: dict[str, list[SlideFile]] = {}
    for file in files:
        # A file is of one slide: if its whole name is one, it is not that of a shorter name too.
        hits = [(name, pattern) for name, pattern in file.readings if spelling(name) in wanted]
        for name, pattern in hits[:1]:
            by_id.setdefault(spelling(name), []).append(replace(file, pattern=pattern))
    chosen = {slide: _choose(slide, by_id[spelling(slide)]) for slide in slides if spelling(slide) in by_id}
    missing = [slide for slide in slides if slide not in chosen]
    if missing and not (partial and chosen):
        raise _without_file(missing, len(slides), files)
    spare = without_slide((*slides, *unused), files)
    if spare and not partial:
        raise DataError(
            f"{len(spare)} slides in the folder are not in the table: {listed(file.name for file in spare)}",
            place=str(spare[0].path.parent),
            fix="add them to the table, or leave them out with --partial",
        )
    _check_content(chosen)
    return chosen


def without_slide(slides: Sequence[str], files: Sequence[SlideFile]) -> list[SlideFile]:
    """The files that belong to none of the slides, companions left out."""
    known = {spelling(slide) for slide in slides}
    return [
        file for file in files if not file.companion and known.isdisjoint(spelling(name) for name, _ in file.readings)
    ]


def _choose(slide: str, hits: Sequence[SlideFile]) -> SlideFile:
    hits = [file for file in hits if not file.companion] or hits
    hits = [file for file in hits if not file.flat] or hits
    if len(hits) > 1:
        raise DataError(
            f"slide {slide} has {len(hits)} files: {listed([str(file.path) for file in hits], most=3)}",
            place=f"slide {slide}",
            fix="leave one of them in the folder",
        )
    return hits[0]


def _check_content(chosen: Mapping[str, SlideFile]) -> None:
    broken = {slide: reason for slide, file in chosen.items() if (reason := defect(file.path))}
    if broken:
        shown = listed([f"{slide} ({reason})" for slide, reason in broken.items()], most=3)
        first = chosen[next(iter(broken))].path
        raise DataError(f"{len(broken)} slides cannot be used: {shown}", place=str(first), fix="fetch the files again")


def _without_file(missing: Sequence[str], total: int, files: Sequence[SlideFile]) -> DataError:
    names = {file.name: file.path for file in files if not file.companion}
    hint = near_files(missing, names) or did_you_mean(missing[0], names)
    return DataError(
        f"{len(missing)} of {total} slides of the table have no file: {listed(missing)}",
        place=f"--slides, {len(names)} slides there: {listed(names, most=3) or 'none'}",
        fix=f"{hint}Put the files there, correct the names, or leave them out with --partial",
    )
