"""Finding a dataset's slides below a data root, in any layout and letter case that its card knows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import DataError
from harness.core.folders import expanded
from harness.datasets.dataset import Dataset
from harness.datasets.dicom import with_levels
from harness.datasets.identity import spelling
from harness.datasets.listing import Listing, Match, defect, list_files, match, near_files
from harness.datasets.table import listed


@dataclass(frozen=True)
class Found:
    """What lies below a data root.

    Attributes:
        root: the data root.
        layout: name of the layout that most slides were found in; empty when nothing was found.
        paths: slide id → file (or DICOM folder), in the order of the label table; defective files are among them.
        missing: slides without a file.
        defects: slide id → why its file cannot be used.
        duplicates: slide id → the other files that carry its name.
        extra: files that fit a pattern but whose id the label table does not know.
    """

    root: Path
    layout: str
    paths: Mapping[str, Path]
    missing: tuple[str, ...]
    defects: Mapping[str, str]
    duplicates: Mapping[str, tuple[Path, ...]]
    extra: tuple[Match, ...]


def locate(dataset: Dataset, data_root: Path | None, slides: Iterable[str] | None = None) -> dict[str, Path]:
    """The file of every slide.

    Args:
        dataset: a dataset of slides; others have no slide files and give an empty mapping.
        data_root: the folder that the card's patterns are relative to; None for the card's own.
        slides: the slides that are wanted; None for all in the label table.

    Returns:
        Slide id → path of a file, or of a DICOM folder.

    Raises:
        DataError: no data root, or slides that are missing, empty or mere pointers; says how many and which, where
            was looked, and where to get them.
    """
    if not dataset.card.source.slide_patterns():
        return {}
    wanted = dataset.slides if slides is None else tuple(slides)
    root = resolve_root(dataset, data_root)
    if root is None:
        raise DataError(
            f"{dataset.name} needs its {len(wanted)} slides, and no data root is given",
            place="--data-root",
            fix=f"{get_text(dataset)} Then give the folder with --data-root",
        )
    found = find_slides(dataset, root)
    missing = [slide for slide in wanted if slide not in found.paths]
    broken = [slide for slide in wanted if slide in found.defects]
    if missing or broken:
        raise _incomplete(dataset, found, wanted, missing, broken)
    return {slide: found.paths[slide] for slide in wanted}


def locate_annotations(dataset: Dataset, data_root: Path | None) -> dict[str, Path]:
    """Slide id → its annotation file, for those slides that have one."""
    patterns = dataset.card.source.annotation_patterns()
    root = resolve_root(dataset, data_root)
    if root is None or not patterns:
        return {}
    hits = _matches(_listing(dataset, root), {"": patterns}, _known(dataset))[""]
    return {slide: hits[spelling(slide)][0].path for slide in dataset.slides if spelling(slide) in hits}


def resolve_root(dataset: Dataset, data_root: Path | None) -> Path | None:
    """The data root that was given, else the one in the card (relative to the card's folder), else None."""
    return dataset.card.source.own_root(dataset.folder) if data_root is None else expanded(data_root)


def find_slides(dataset: Dataset, root: Path) -> Found:
    """Look for all slides below ``root``. The layout that holds most slides comes first, the others fill gaps.

    Raises:
        DataError: ``root`` is no folder.
    """
    ids = _known(dataset)
    by_layout = _matches(_listing(dataset, root), dataset.card.source.slide_patterns(), ids)
    order = sorted(by_layout, key=lambda name: -sum(slide in ids for slide in by_layout[name]))
    found: dict[str, list[Path]] = {}
    for name in order:
        for folded, hits in by_layout[name].items():
            every = found.setdefault(folded, [])
            every += [hit.path for hit in hits if hit.path not in every]
    paths = {slide: found[spelling(slide)][0] for slide in dataset.slides if spelling(slide) in found}
    parts = with_levels(paths.values())
    return Found(
        root=root,
        layout=order[0] if order and paths else "",
        paths=paths,
        missing=tuple(slide for slide in dataset.slides if slide not in paths),
        defects={slide: reason for slide, path in paths.items() if (reason := defect(path))},
        duplicates={slide: tuple(found[spelling(slide)][1:]) for slide in paths if len(found[spelling(slide)]) > 1},
        extra=tuple(
            Match(name, path) for name in found if name not in ids for path in found[name] if path not in parts
        ),
    )


def check_root(dataset: Dataset, root: Path) -> None:
    """Raise DataError unless the data root is a folder."""
    if not root.is_dir():
        raise DataError(
            f"the data root of {dataset.name} is not a folder",
            place=f"--data-root {root}",
            fix=f"check the path. {get_text(dataset)}",
        )


def get_text(dataset: Dataset) -> str:
    """The card's words on how to get the data, in one line that ends like a sentence."""
    text = " ".join(dataset.card.get.split())
    return text if text.endswith((".", "!", "?", ":")) else f"{text}."


def _known(dataset: Dataset) -> frozenset[str]:
    """The spellings of all slide ids."""
    return frozenset(map(spelling, dataset.slides))


def _listing(dataset: Dataset, root: Path) -> Listing:
    check_root(dataset, root)
    return list_files(root)


def _matches(
    listing: Listing, groups: Mapping[str, Sequence[str]], known: Collection[str]
) -> dict[str, dict[str, list[Match]]]:
    """Group of patterns → spelling of an id → its matches, those of the first pattern first.

    A file is of one slide, whatever patterns it fits: of the known ids in its name, the longest.
    """
    hits = {name: [hit for one in patterns for hit in match(listing, one, known)] for name, patterns in groups.items()}
    owner: dict[Path, str] = {}
    for hit in (hit for group in hits.values() for hit in group if hit.slide in known):
        owner[hit.path] = max(owner.get(hit.path, ""), hit.slide, key=len)
    found: dict[str, dict[str, list[Match]]] = {name: {} for name in groups}
    for name, group in hits.items():
        for hit in group:
            if owner.get(hit.path, hit.slide) == hit.slide:
                found[name].setdefault(hit.slide, []).append(hit)
    return found


def _incomplete(
    dataset: Dataset, found: Found, wanted: Sequence[str], missing: Sequence[str], broken: Sequence[str]
) -> DataError:
    problems = []
    if missing:
        problems.append(f"{len(missing)} of {len(wanted)} slides of {dataset.name} are missing: {listed(missing)}")
    if broken:
        shown = listed([f"{slide} ({found.defects[slide]})" for slide in broken], most=3)
        problems.append(f"{len(broken)} of {len(wanted)} slides of {dataset.name} cannot be used: {shown}")
    files = {hit.slide: hit.path for hit in found.extra} | dict(found.paths)
    fix = near_files(missing, files) + get_text(dataset)
    if not found.paths and (hint := _root_below(dataset, found.root)):
        fix = f"did you mean --data-root {hint}? Otherwise: {fix}"
    return DataError("; ".join(problems), place=_looked_for(dataset, found), fix=fix)


def _looked_for(dataset: Dataset, found: Found) -> str:
    layouts = dataset.card.source.slide_patterns()
    # One layout is enough to read once slides were found in it.
    patterns = [one for name, group in layouts.items() if found.layout in ("", name) for one in group]
    return f"data root {found.root}, looked for {listed(patterns, most=6)}"


def _root_below(dataset: Dataset, root: Path) -> Path | None:
    """The folder below ``root`` that would have been the right data root: that which most slides lie below."""
    listing, ids = list_files(root), _known(dataset)
    layouts = dataset.card.source.slide_patterns()
    votes: Counter[Path] = Counter()
    for pattern in (pattern for group in layouts.values() for pattern in group if "**/" not in pattern):
        above = pattern.count("/") - pattern.endswith("/*.dcm")
        votes.update(hit.path.parents[above] for hit in match(listing, pattern, ids, below=True) if hit.slide in ids)
    return votes.most_common(1)[0][0] if votes else None
