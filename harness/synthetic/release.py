"""CAMELYON16's own file names with tiny drawn slides behind them, to try its protocols without its 700 GB."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from harness.core.errors import UsageError
from harness.core.resources import package_data
from harness.core.seeds import derive_seed
from harness.core.suggest import unknown
from harness.datasets.dataset import load_dataset
from harness.synthetic.asap import TEST_GROUPS, TRAINING_GROUPS
from harness.synthetic.drawing import VERSION, Job, draw_jobs
from harness.synthetic.mini import MiniSlide, reference_csv

LAYOUTS = ("gigadb", "aws")

MPP = {"RUMC": 0.486, "UMCU": 0.452}
"""Twice the resolutions of the release (0.243 and 0.226): as there, the two centres differ."""


@dataclass(frozen=True, kw_only=True)
class ReleaseSettings:
    """What to draw.

    Attributes:
        seed: another seed draws other slides.
        layout: folder layout, ``gigadb`` or ``aws``.
        side_px: width and height of a slide in pixels, about half a micron each. With 1408, the default inputs of
            the card and of ABMILX's preset find tiles on every slide; 128 is enough to be found and opened.
        slides: slide ids of CAMELYON16; empty for all 399.
        capital: write ``Tumor_001.tif``, as old releases do.
    """

    seed: int = 0
    layout: str = "gigadb"
    side_px: int = 1408
    slides: tuple[str, ...] = ()
    capital: bool = False


def draw_release_like(root: Path, *, settings: ReleaseSettings, workers: int) -> None:
    """Draw slides, lesion annotations and reference table under the names of CAMELYON16's release.

    Label, hospital and size of metastasis are those of the label table; what is seen is drawn.

    Raises:
        UsageError: an unknown slide or layout, or slides too small to draw.
        DataError: the folder holds something else, or cannot be written.
    """
    if settings.layout not in LAYOUTS:
        raise unknown("layout", settings.layout, LAYOUTS, place="drawing", listing="the documentation")
    if settings.side_px < 128:
        raise UsageError(f"{settings.side_px} pixels are too few", place="drawing, side_px", fix="give at least 128")
    known = {slide.name: slide for slide in _release()}
    for name in settings.slides:
        if name not in known:
            raise unknown("slide", name, known, place="drawing, slides", listing="bench datasets show camelyon16")
    slides = [known[name] for name in settings.slides] or list(known.values())
    table = "testing/reference.csv" if settings.layout == "gigadb" else "evaluation/reference.csv"
    tests = [slide for slide in slides if slide.split == "test"]
    draw_jobs(
        root,
        [_job(slide, settings) for slide in slides],
        name="camelyon16-release",
        settings=asdict(settings),
        tables={table: reference_csv(tests)} if tests else {},
        workers=workers,
    )


def _release() -> list[MiniSlide]:
    """The slides of CAMELYON16 by its label table. Training lesions, whose size it does not give, are drawn large."""
    dataset = load_dataset(package_data("datasets") / "camelyon16")
    slides = []
    for entry in dataset.entries:
        positive = dataset.card.classes[entry.label] == "tumor"
        metastasis = (entry.extra["metastasis"] or "macro") if positive else None
        slides.append(MiniSlide(entry.slide, entry.extra["split"], entry.extra["center"], metastasis))
    return slides


def _job(slide: MiniSlide, settings: ReleaseSettings) -> Job:
    name = slide.name.capitalize() if settings.capital else slide.name
    test = slide.split == "test"
    if settings.layout == "gigadb":
        folder = "testing/images" if test else f"training/{slide.label}"
        notes = f"{'testing' if test else 'training'}/lesion_annotations"
    else:
        folder, notes = "images", "annotations"
    return Job(
        slide=f"{folder}/{name}.tif",
        annotation=None if slide.metastasis is None else f"{notes}/{name}.xml",
        seed=derive_seed("camelyon16-release", VERSION, settings.seed, slide.name),
        side_px=settings.side_px,
        mpp=MPP[slide.center],
        levels=3,
        center=slide.center,
        metastasis=slide.metastasis,
        groups=TEST_GROUPS if test else TRAINING_GROUPS,
    )
