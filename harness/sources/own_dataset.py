"""A dataset of its own, made of a public set of features that names its slides in its own way and brings labels."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from harness.core.errors import DataError
from harness.datasets.dataset import Dataset
from harness.datasets.new_labels import NewDataset
from harness.datasets.table import write_table
from harness.features.declared import Declared
from harness.features.formats.base import Facts, Options
from harness.features.formats.detect import detect
from harness.sources.feature_folder import UNKNOWN, FeatureFolder
from harness.sources.labels_inside import write_labels
from harness.sources.new_from_features import NewFromFeatures, new_from_features
from harness.sources.open_feature_folder import by_slide

_PARTS = ("train", "val", "test")


def own_dataset(of: Dataset, name: str, source: FeatureFolder, into: Path, cache: Path) -> Dataset:
    """Make the dataset ``into/OF-NAME``: labels from the files, split as the names of the files say.

    Args:
        of: the dataset whose card names the set.
        name: of the set.
        source: its features.
        into: folder in which the dataset's folder is made.
        cache: where the packed features go.

    Raises:
        DataError: the files bring no labels, or their names do not say which part they are of.
        UsageError: the dataset's name is taken.
    """
    folder, encoder = Path(source.folder), None if source.encoder == UNKNOWN else source.encoder
    with tempfile.TemporaryDirectory() as scratch:
        options = Options(encoder, source.pickled_arrays)
        labels = write_labels(folder, options, Path(scratch))
        splits = Path(scratch) / "splits.csv"
        write_table(splits, ("slide", "split"), _parts(folder, options).items())
        base = NewDataset(name=f"{of.name}-{name}", slides=folder, labels=labels, splits=splits, into=into)
        facts = Facts(encoder, source.tile_px, source.mpp, source.magnification)
        made = new_from_features(
            NewFromFeatures(base=base, declared=Declared(facts, source.dim, "the card"), cache=cache)
        )
    return made.dataset


def _parts(folder: Path, options: Options) -> Mapping[str, str]:
    """Slide → part, by the name of the file that it lies in."""
    found = {}
    for slide, file in by_slide(detect(folder, options)).items():
        parts = [part for part in _PARTS if part in file.path.stem.lower()]
        if len(parts) != 1:
            raise DataError(
                "the name of the file does not say whether its slides are for training or testing",
                place=str(file.path),
                fix="make a dataset with bench datasets new NAME --features FILE --splits TABLE",
            )
        found[slide] = parts[0]
    return found
