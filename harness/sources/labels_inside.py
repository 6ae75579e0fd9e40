"""A label table of the labels that stand inside files of features, for those who have no other."""

from __future__ import annotations

from pathlib import Path

from harness.core.errors import DataError
from harness.datasets.table import listed, write_table
from harness.features.formats.base import Options
from harness.features.formats.detect import detect
from harness.sources.open_feature_folder import by_slide

TABLE = "labels-in-the-features.csv"


def write_labels(folder: Path, options: Options, to: Path) -> Path:
    """Write the table of slides and labels of a folder of features; every slide is a patient of its own.

    Args:
        folder: the features.
        options: how to read them.
        to: folder to write to.

    Raises:
        DataError: the format has no labels, or some slides have none.
    """
    found = detect(folder, options)
    labels = {slide: found.label(file) for slide, file in by_slide(found).items()}
    if missing := [slide for slide, label in labels.items() if label is None]:
        raise DataError(
            f"{len(missing)} of {len(labels)} slides have no label in the files of features: {listed(missing)}",
            place=str(found.root),
            fix="give a table of labels with --labels",
        )
    path = to / TABLE
    write_table(path, ("slide", "patient", "label"), [(slide, slide, label) for slide, label in labels.items()])
    return path
