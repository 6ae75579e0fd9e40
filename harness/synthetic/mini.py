"""CAMELYON16 in small: which slides ``camelyon16-mini`` has, and drawing them in CAMELYON16's own layout."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.core.seeds import derive_seed
from harness.synthetic.asap import TEST_GROUPS, TRAINING_GROUPS
from harness.synthetic.drawing import VERSION, Job, draw_jobs

CENTERS = ("RUMC", "UMCU")

_MICRO_EVERY = 4
"""One in so many tumour slides has only a micrometastasis."""


@dataclass(frozen=True, kw_only=True)
class MiniSettings:
    """What ``source.draw`` of the card sets.

    Attributes:
        seed: another seed draws other slides.
        train_per_class, test_per_class: slides of each class; multiples of 4 keep centres and metastases even.
        side_px: width and height of a slide in pixels.
        mpp: microns per pixel.
        levels: number of levels of the pyramid.
    """

    seed: int
    train_per_class: int = 40
    test_per_class: int = 20
    side_px: int = 2048
    mpp: float = 0.5
    levels: int = 4


@dataclass(frozen=True)
class MiniSlide:
    """One slide: its name, ``train`` or ``test``, centre, and ``macro``, ``micro`` or None."""

    name: str
    split: str
    center: str
    metastasis: str | None

    @property
    def label(self) -> str:
        """``normal`` or ``tumor``."""
        return "normal" if self.metastasis is None else "tumor"


def plan(settings: MiniSettings) -> tuple[MiniSlide, ...]:
    """All slides, in the order of their names. Label, centre and size of metastasis are independent of each other."""
    train = [
        MiniSlide(f"{label}_{number + 1:03d}", "train", center, metastasis)
        for label in ("normal", "tumor")
        for number, (center, metastasis) in enumerate(_facts(label, settings.train_per_class))
    ]
    drawn = [facts for label in ("normal", "tumor") for facts in _facts(label, settings.test_per_class)]
    order = sorted(range(len(drawn)), key=lambda i: derive_seed(settings.seed, "order of the test slides", i))
    test = [MiniSlide(f"test_{number + 1:03d}", "test", *drawn[i]) for number, i in enumerate(order)]
    return (*train, *test)


def labels_csv(settings: MiniSettings) -> str:
    """The label table that goes with the drawing, as text. One slide per patient, as in CAMELYON16."""
    lines = ["slide,patient,label,split,center,histology,metastasis,flags"]
    lines += [
        f"{slide.name},{slide.name},{slide.label},{slide.split},{slide.center},drawn,{slide.metastasis or 'none'},"
        for slide in plan(settings)
    ]
    return "\n".join(lines) + "\n"


def draw_camelyon16_mini(root: Path, *, settings: MiniSettings, workers: int) -> None:
    """Draw the slides, lesion annotations and reference table of ``camelyon16-mini`` into ``root``.

    What is there already is kept; each file is whole or absent. ``manifest.json`` gives the SHA-256 of every file.

    Raises:
        DataError: the folder holds something else, or cannot be written.
    """
    slides = plan(settings)
    jobs = [_job(slide, settings) for slide in slides]
    tables = {"testing/reference.csv": reference_csv(slide for slide in slides if slide.split == "test")}
    draw_jobs(root, jobs, name="camelyon16-mini", settings=asdict(settings), tables=tables, workers=workers)


def reference_csv(slides: Iterable[MiniSlide]) -> str:
    """CAMELYON16's ``reference.csv``: no header; slide, class, histology, size of the metastasis."""
    return "".join(
        f"{slide.name},{slide.label.capitalize()},drawn,{(slide.metastasis or 'none').capitalize()}\n"
        for slide in slides
    )


def _facts(label: str, count: int) -> list[tuple[str, str | None]]:
    """Centre and metastasis of each slide of a class: the first half is one centre's, the rest the other's."""
    facts: list[tuple[str, str | None]] = []
    for number in range(count):
        center = CENTERS[2 * number // count]
        metastasis = "micro" if number % _MICRO_EVERY == _MICRO_EVERY - 1 else "macro"
        facts.append((center, metastasis if label == "tumor" else None))
    return facts


def _job(slide: MiniSlide, settings: MiniSettings) -> Job:
    folder = f"training/{slide.label}" if slide.split == "train" else "testing/images"
    notes = "training" if slide.split == "train" else "testing"
    return Job(
        slide=f"{folder}/{slide.name}.tif",
        annotation=None if slide.metastasis is None else f"{notes}/lesion_annotations/{slide.name}.xml",
        seed=derive_seed("camelyon16-mini", VERSION, settings.seed, slide.name),
        side_px=settings.side_px,
        mpp=settings.mpp,
        levels=settings.levels,
        center=slide.center,
        metastasis=slide.metastasis,
        groups=TRAINING_GROUPS if slide.split == "train" else TEST_GROUPS,
    )
