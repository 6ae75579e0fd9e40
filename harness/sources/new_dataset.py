"""Making a dataset of any folder of slides and a table of labels."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from harness.core.errors import DataError, UsageError
from harness.core.folders import expanded
from harness.datasets.card import Erratum
from harness.datasets.card_file import CARD_FILE
from harness.datasets.catalog import list_datasets
from harness.datasets.dataset import Dataset, load_dataset
from harness.datasets.given_splits import GivenSplits, read_given_splits
from harness.datasets.make_splits import stratified_folds
from harness.datasets.names import shown_bytes
from harness.datasets.new_card import card_of, readme_of, slides_about
from harness.datasets.new_labels import LabelledSlide, Labels, NewDataset, read_labels
from harness.datasets.new_task import Predicted, predicted
from harness.datasets.slide_files import SlideFile, assign, slide_files, without_slide
from harness.datasets.splits import Fold, write_splits
from harness.datasets.table import listed, write_table
from harness.protocols.given_leaks import check_given

__all__ = ["NewDataset", "new_dataset"]

_INPUTS: tuple[Mapping[str, object], ...] = (
    {"kind": "features", "encoder": "resnet50.tv_in1k@layer3", "mpp": [0.5], "tile_px": 256},
    {"kind": "tiles"},
)


@dataclass(frozen=True)
class Made:
    """A new dataset.

    Attributes:
        dataset: it.
        notes: what was assumed or changed on reading, one sentence each.
    """

    dataset: Dataset
    notes: tuple[str, ...] = ()


def new_dataset(options: NewDataset) -> Made:
    """Make the folder ``into/name`` with card, label table, split file and README. It is whole or absent.

    Raises:
        UsageError: a name that is taken or unusable, a wrong option, too few patients for the folds.
        DataError: a column that is missing, names that could do harm, slides without files or files without labels.
        LeakError: the given splits leak.
    """
    folder = target_folder(options)
    labels = read_labels(options)
    slides = [row.slide for row in labels.rows]
    there = _slide_files(options)
    files = assign(slides, there, partial=options.partial, unused=labels.dropped)
    if options.mpp is None and (flat := [slide for slide, file in files.items() if file.flat]):
        raise UsageError(
            f"{len(flat)} slides are flat images, which do not say their resolution: {listed(flat)}",
            place="--mpp",
            fix="give their microns per pixel with --mpp",
        )
    found = predicted([row for row in labels.rows if row.slide in files], labels, options)
    given, folds = folds_of(found, options)
    found = found.with_settings(folds, place=f"{options.labels}")
    root = options.slides.resolve()
    source: dict[str, object] = {"kind": "slides", "layouts": {"folder": _patterns(files)}, "root": str(root)}
    content = card_of(
        options,
        found,
        labels.columns,
        about=slides_about(options, root),
        counts=slide_counts(found.rows, found.classes),
        source=source | ({"mpp": options.mpp} if options.mpp is not None else {}),
        inputs=_INPUTS,
        given=given,
        errata=(*labels.errata, *_left_out(labels, there, files, options), *strange_ids(given)),
    )
    write_dataset(folder, content, found, labels, folds, readme_of(content, found, labels.columns, options))
    return Made(load_dataset(folder), (*labels.notes, *notes_of(given)))


def _slide_files(options: NewDataset) -> list[SlideFile]:
    files = slide_files(options.slides)
    if not options.partial and any(file.path == options.slides for file in files):
        raise DataError(
            "DICOM files lie loose among the slides, so that nothing says which of them are one slide",
            place=str(options.slides),
            fix="put the files of each slide into a folder of their own, or leave them out with --partial",
        )
    return [file for file in files if file.path != options.slides]


def _left_out(
    labels: Labels, there: Sequence[SlideFile], files: Mapping[str, SlideFile], options: NewDataset
) -> Iterator[Erratum]:
    """What ``--partial`` leaves out, for the card: slides of the table without a file, and files without a line."""
    missing = tuple(row.slide for row in labels.rows if row.slide not in files)
    spare = tuple(
        shown_bytes(file.name) for file in without_slide((*(row.slide for row in labels.rows), *labels.dropped), there)
    )
    for names, what in (
        (missing, f"{len(missing)} slides of the table without a file: {listed(missing)}."),
        (spare, f"{len(spare)} files in the folder that are not in the table: {listed(spare)}."),
    ):
        if names:
            yield Erratum(slides=names, what=what, action="Left out with --partial.", source=options.table_name)


def notes_of(given: GivenSplits | None) -> tuple[str, ...]:
    """What was changed in given splits, or is wrong with them."""
    return () if given is None else (*given.notes, *([given.leaks] if given.leaks else ()))


def strange_ids(given: GivenSplits | None) -> Iterator[Erratum]:
    """What ``--partial`` leaves out of given splits."""
    if given is not None and given.left_out:
        what = f"{len(given.left_out)} slides of the splits without label or data: {listed(given.left_out)}."
        yield Erratum(slides=given.left_out, what=what, action="Left out with --partial.", source="the splits")


def target_folder(options: NewDataset) -> Path:
    """Where the dataset goes, if its name is free."""
    name = options.name
    plain = name.replace("-", "").replace("_", "")
    if not (plain.isascii() and plain.isalnum() and name == name.lower() and name[0].isalnum() and len(name) <= 64):
        raise UsageError(
            f"{name!r} cannot be the name of a dataset",
            place="NAME",
            fix="use lower-case letters, digits, - and _, starting with a letter or digit",
        )
    taken = next((one for one in list_datasets() if one.name == name), None)
    if taken is not None:
        raise UsageError(f"there is a dataset {name!r} already", place=taken.origin, fix="choose another name")
    root = str(options.slides.resolve())
    if shown_bytes(root) != root:
        raise UsageError(
            "a card is UTF-8, and the name of this folder is not",
            place=f"--slides {options.slides}",
            fix="rename the folder",
        )
    folder = expanded(options.into) / name
    if folder.exists() or folder.is_symlink():
        raise UsageError("the folder exists already", place=str(folder), fix="choose another name, or remove it first")
    return folder


def folds_of(found: Predicted, options: NewDataset) -> tuple[GivenSplits | None, Sequence[Fold]]:
    """The splits that are given, audited; else new folds.

    Raises:
        LeakError: the given splits leak.
        UsageError: so many folds cannot be made.
    """
    if options.splits is None:
        return None, _cross_validation(found, options)
    given = read_given_splits(options.splits, found.rows, partial=options.partial, seed=options.seed)
    patients = {row.slide: row.patient for row in found.rows}
    leaks = check_given(given.folds, patients, place=f"--splits {options.splits}", allowed=options.allow_leaks)
    return replace(given, leaks=leaks), given.folds


def _cross_validation(found: Predicted, options: NewDataset) -> list[Fold]:
    """Stratified folds by patient; fold k validates on the test slides of fold k + 1, so that both hold all classes."""
    rows, classes = found.rows, found.needed_groups
    patients = {name: {row.patient for row in rows if row.label == name} for name in classes}
    rarest = min(classes, key=lambda name: len(patients[name]))
    most = len(patients[rarest])
    if not 3 <= options.folds <= most:
        raise UsageError(
            f"{options.folds} folds cannot be made: class {rarest!r} has slides of {most} patients",
            place="--folds",
            fix=f"choose from 3 to {most} folds" if most >= 3 else "add slides of at least 3 patients per class",
        )
    strata = found.strata(options.folds)
    made = stratified_folds([row.patient for row in rows], strata, options.folds, 0.2, options.seed)
    tests = [set(fold["test"]) for fold in made]
    folds = []
    for k, test in enumerate(tests):
        val = tests[(k + 1) % len(tests)]
        train = set(range(len(rows))) - test - val
        for part in (train, val, test):
            _check_part(part, rows, classes)
        folds.append(Fold(0, k, *(tuple(rows[i].slide for i in sorted(part)) for part in (train, val, test))))
    return folds


def _check_part(part: set[int], rows: Sequence[LabelledSlide], classes: Sequence[str]) -> None:
    if lacking := [name for name in classes if all(rows[i].label != name for i in part)]:
        raise UsageError(
            f"not every fold can have slides of class {lacking[0]!r}, because patients have slides of several classes",
            place="--folds",
            fix="choose fewer folds, or add slides",
        )


def slide_counts(rows: Sequence[LabelledSlide], classes: Sequence[str]) -> dict[str, int]:
    """What a card counts: slides, patients, and the slides of each class."""
    by_class = Counter(row.label for row in rows)
    reserved = {"slides", "patients", "tiles"}
    counts = {"slides": len(rows), "patients": len({row.patient for row in rows})}
    groups = classes if len(classes) > 1 else ()
    return counts | {name: by_class[name] for name in groups if name not in reserved}


def _patterns(files: Mapping[str, SlideFile]) -> list[str]:
    """Patterns that find the files, those of slides before those of flat images, the shorter ones first."""
    found = {(file.flat, ".*" in file.pattern, file.pattern) for file in files.values()}
    return [pattern for _, _, pattern in sorted(found)]


def write_dataset(
    folder: Path,
    content: Mapping[str, object],
    found: Predicted,
    labels: Labels,
    folds: Sequence[Fold],
    readme: str,
) -> None:
    """Write card, label table, split file and README. The folder is whole or absent."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    truth, extra = tuple(found.task.truth), labels.columns.extra
    rows = [
        (row.slide, row.patient, *(row.cells[name] for name in truth), *(row.extra[name] for name in extra))
        for row in found.rows
    ]
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as scratch:
        building = Path(scratch) / folder.name
        (building / "splits").mkdir(parents=True)
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)
        (building / CARD_FILE).write_text(text, encoding="utf-8")
        write_table(building / "labels.csv", ("slide", "patient", *truth, *extra), rows)
        write_splits(building / "splits" / f"{content['default_protocol']}.csv", folds)
        (building / "README.md").write_text(readme, encoding="utf-8")
        load_dataset(building).splits()
        building.rename(folder)
