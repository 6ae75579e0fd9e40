"""A folder of slides without labels, as a dataset that can be opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.errors import DataError, UsageError
from harness.datasets.card import DatasetCard, TissueSettings
from harness.datasets.dataset import Dataset, Entry
from harness.slides.discover import discover_slides
from harness.sources.slides import Slides

if TYPE_CHECKING:
    from harness.models.find import Found

NAME = "slides"
"""What such a dataset is called."""


def slide_folder(folder: Path, model: Found, *, mpp: float | None = None) -> Dataset:
    """The slides under a folder; tissue is found as for the model's own slides.

    Args:
        folder: the folder.
        model: that predicts them.
        mpp: microns per pixel of slides that do not say, such as flat images.

    Raises:
        UsageError: the model was not trained on slides.
        DataError: no slide there, or two of one name.
    """
    if model.origin.source != Slides.model_fields["kind"].default:
        raise UsageError(
            f"the study did not read slides, but {model.origin.source.replace('_', ' ')}s",
            place="--slides",
            fix="give a dataset that offers the same with --dataset NAME",
        )
    found = discover_slides(folder)
    if nested := [slide for slide in found if "/" in slide]:
        raise DataError(
            f"two slides have the name {Path(nested[0]).name}",
            place=str(folder),
            fix="rename one of them, or give their folders one after the other",
        )
    patterns = sorted(
        {f"**/{{slide}}{path.suffix}" if path.is_file() else "**/{slide}/*.dcm" for path in found.values()}
    )
    card = DatasetCard(
        name=NAME,
        title="",
        description="",
        licence="",
        get="",
        classes=("unlabelled",),
        counts={},
        source=Slides(layouts={"folder": tuple(patterns)}, root=str(folder.resolve()), mpp=mpp),
        protocols={},
        default_protocol="",
        inputs=(),
        tissue=TissueSettings.model_validate(model.origin.tissue),
        distinct_ids=True,
    )
    return Dataset(card, folder, tuple(Entry(slide, slide, 0, {}, {}) for slide in sorted(found)))
