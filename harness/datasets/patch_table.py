"""The tables that group image patches into bags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import DataError
from harness.datasets.dataset import Dataset
from harness.datasets.identity import did_you_mean, spelling
from harness.datasets.locate import check_root, get_text
from harness.datasets.missing import missing_in, refuse_missing
from harness.datasets.source_fields import PatchesSource
from harness.datasets.table import Row, listed, read_table


@dataclass(frozen=True)
class PatchRow:
    """One patch: its image file, its bag, and its own label."""

    image: str
    slide: str
    patient: str
    instance_label: int


def read_patch_tables(dataset: Dataset, root: Path) -> list[PatchRow]:
    """All patches, bag by bag in the order of the label table; within a bag in the order of the tables.

    Raises:
        DataError: a table is missing or wrong, an image is listed twice, or bags, patients or counts disagree with
            the label table.
    """
    source = dataset.card.source
    assert isinstance(source, PatchesSource)
    rows = []
    for path in table_paths(dataset, root):
        needed = tuple(dict.fromkeys(source.columns.values()))
        table = read_table(path, needed)
        wanted = [(what, column) for what, column in source.columns.items() if what != "instance_label"]
        refuse_missing(missing_in(table, wanted), len(table), path, fix="get the table again, or fill the cells in")
        rows += [_patch(row, source, path) for row in table]
    _check_images(rows, root)
    bags: dict[str, list[PatchRow]] = {}
    for row in rows:
        bags.setdefault(row.slide, []).append(row)
    _check_bags(dataset, bags, root)
    return [row for slide in dataset.slides for row in bags[slide]]


def table_paths(dataset: Dataset, root: Path) -> list[Path]:
    """The tables below the data root.

    Raises:
        DataError: the data root is no folder, or a table is not there.
    """
    source = dataset.card.source
    assert isinstance(source, PatchesSource)
    check_root(dataset, root)
    paths = [root / table for table in source.tables]
    missing = [table for table, path in zip(source.tables, paths, strict=True) if not path.is_file()]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(paths)} tables of {dataset.name} are missing: {listed(missing)}",
            place=f"data root {root}",
            fix=get_text(dataset),
        )
    return paths


def _patch(row: Row, source: PatchesSource, path: Path) -> PatchRow:
    columns = source.columns
    text = row[columns["instance_label"]]
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise DataError(
            f"instance label {text[:40]!r} is not a number",
            place=f"{path}, line {row.line}, column {columns['instance_label']}",
            fix="get the table again",
        )
    slide = source.slide_id.format(slide=row[columns["slide"]])
    return PatchRow(row[columns["image"]], slide, row[columns["patient"]], int(text))


def _check_images(rows: Sequence[PatchRow], root: Path) -> None:
    seen: set[str] = set()
    for row in rows:
        if spelling(row.image) in seen:
            raise DataError(f"image {row.image} is listed twice", place=f"tables in {root}", fix="get the tables again")
        seen.add(spelling(row.image))


def _check_bags(dataset: Dataset, bags: dict[str, list[PatchRow]], root: Path) -> None:
    """Bags, patients and (where the label table has a column ``tiles``) counts must be those of the label table."""
    missing = [slide for slide in dataset.slides if slide not in bags]
    extra = [slide for slide in bags if slide not in dataset.by_slide]
    if missing or extra:
        both = [f"lack {listed(missing)}"] * bool(missing) + [f"hold also {listed(extra)}"] * bool(extra)
        raise DataError(
            f"the tables do not have the bags of the label table: they {' and '.join(both)}",
            place=f"tables in {root}",
            fix=f"get the release that the card describes. {get_text(dataset)}",
        )
    for entry in dataset.entries:
        rows = bags[entry.slide]
        if strange := {row.patient for row in rows} - {entry.patient}:
            raise DataError(
                f"{entry.slide} is of patient {entry.patient} in the label table, of {listed(sorted(strange))} here",
                place=f"tables in {root}",
                fix=f"{did_you_mean(min(strange), [entry.patient])}Get the release that the card describes",
            )
        if "tiles" in entry.extra and entry.extra["tiles"] != str(len(rows)):
            raise DataError(
                f"{entry.slide} has {len(rows)} patches, {entry.extra['tiles']} in the release that the card describes",
                place=f"tables in {root}",
                fix=get_text(dataset),
            )
