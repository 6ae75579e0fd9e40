"""A job: all that the process which trains is told, and where its result goes. It holds no label of a test slide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.bags.access import BagAccess
    from harness.datasets.splits import Fold
    from harness.sources.masks import Masks
    from harness.tasks.task import Task
    from harness.tasks.truth import Truth
    from harness.training.run import Precision


@dataclass(frozen=True, kw_only=True)
class LabelledSlides:
    """Slides whose labels a job may see: those that are trained on, or validated with.

    Attributes:
        slides: slide ids.
        labels: as the loss takes them, (n,).
        truth: as the label table has them.
        reports, patients: per slide, for methods that learn from reports; None for the others.
        masks: lesion masks of these slides, for methods that learn from them; None for the others.
    """

    slides: tuple[str, ...]
    labels: NDArray[Any]
    truth: Truth
    reports: tuple[str, ...] | None = None
    patients: tuple[str, ...] | None = None
    masks: Masks | None = None


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is trained on what, which slides are predicted, and what its process may see. It can be pickled.

    Attributes:
        name: the id of its unit, trial or training.
        method: the method's registered name.
        params, task: what the method is built with; the task is fitted to the training slides.
        train, val: slides with labels; ``val`` None where nothing is validated.
        test: slides to predict, under ids that say nothing about them.
        fold: the fold under these ids, for the leak audit of later stages.
        normalise_by: slides whose features the scaling is fitted on; None for no scaling.
        access: reads the bags.
        select: ``best`` epoch on validation, or ``last``.
        device, precision: where and in which arithmetic.
        workdir: scratch space that survives an interruption.
        root_seed: what all draws are derived from.
        source_sha256: SHA-256 of the source of the study's method; the process that trains compares it with what it has
            imported. Empty where nothing is recorded.
        every_epoch: whether the weights of every epoch predict the validation and test slides.
        keep_model: whether the trained model is kept, in files.
        devices: how many devices train together, from ``device`` on.
        plugins: plugins that may define the method or the task.
        hidden: files and folders with labels, and results of other jobs.
        visible: what stays visible among them: scratch space, plugin files, data.
    """

    name: str
    method: str
    params: Mapping[str, Any]
    task: Task
    train: LabelledSlides
    val: LabelledSlides | None
    test: tuple[str, ...]
    fold: Fold
    normalise_by: tuple[str, ...] | None
    access: BagAccess
    select: str
    device: str
    precision: Precision
    workdir: Path
    root_seed: int
    source_sha256: str = ""
    every_epoch: bool = False
    keep_model: bool = False
    devices: int = 1
    plugins: tuple[str, ...] = ()
    hidden: tuple[Path, ...] = ()
    visible: tuple[Path, ...] = ()

    @property
    def result_folder(self) -> Path:
        """Where the process that trains writes its result."""
        return self.workdir / "result"
