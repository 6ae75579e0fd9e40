"""The order of a unit: all that the process which trains is told. No label of a test slide is in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.api.code_version import source_sha256
from harness.core.errors import DataError
from harness.core.seeds import Seeds
from harness.datasets.reports import reports_fingerprint, reports_for
from harness.protocols.held_out import truth_for
from harness.tasks.task import Task, in_use

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.bags.access import BagAccess
    from harness.datasets.dataset import Dataset
    from harness.datasets.splits import Fold
    from harness.sources.inputs import Inputs
    from harness.sources.masks import Masks
    from harness.tasks.truth import Truth
    from harness.training.run import Precision
    from harness.unit.job import UnitJob


@dataclass(frozen=True, kw_only=True)
class Part:
    """Slides whose labels are open: those that are trained on, or validated with.

    Attributes:
        slides: slide ids.
        labels: as the loss takes them, (n,).
        truth: as the label table has them.
        reports, patients: per slide, for methods that learn from reports; None for the others.
        lesions: lesion masks of these slides, for methods that learn from them; None for the others.
    """

    slides: tuple[str, ...]
    labels: NDArray[Any]
    truth: Truth
    reports: tuple[str, ...] | None = None
    patients: tuple[str, ...] | None = None
    lesions: Masks | None = None


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be trained on what, and which slides are to be predicted. It can be pickled.

    Attributes:
        unit_id: the unit.
        method: its registered name.
        params, task: what the method is built with; the task is fitted to the training slides.
        train, val: open slides; ``val`` None where nothing is validated.
        test: sealed slides, under ids that tell nothing; in no order that does.
        fold: the fold under these ids, for the leak audit of later stages.
        normalise_by: slides whose features the scaling is fitted on; None for no scaling.
        access: reads the bags.
        select: ``best`` epoch on validation, or ``last``.
        device, precision: where and in which arithmetic.
        workdir: scratch space that survives an interruption.
        root_seed: what all draws are derived from.
        source_sha256: SHA-256 of the source of the study's method; the process that trains compares it with what it has
            imported. Empty where nothing is recorded.
        watch: whether the weights of every epoch predict the validation and test slides.
        devices: how many devices train together, from ``device`` on.
    """

    unit_id: str
    method: str
    params: Mapping[str, Any]
    task: Task
    train: Part
    val: Part | None
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
    watch: bool = False
    devices: int = 1


def make_order(job: UnitJob, inputs: Inputs) -> tuple[Order, dict[str, str]]:
    """The order of a unit, and the real id of each test slide by the id it has in the order.

    Raises:
        LeakError: the fold trains or validates on a slide that it tests.
    """
    _check_reports(job, inputs.dataset)
    names = aliases(job, inputs)
    fitted = job.fold.train + job.fold.val if job.fit_all else job.fold.train
    validated = () if job.fit_all else job.fold.val
    fold = replace(job.fold, train=fitted, val=validated, test=tuple(sorted(names[slide] for slide in job.fold.test)))
    task = _task(job, inputs.dataset, fitted)
    on_test = job.protocol.select == "test"
    shown = {slide: names.get(slide, slide) for _, part in job.fold.parts() for slide in part}
    order = Order(
        unit_id=job.spec.unit_id,
        method=job.spec.method,
        params=job.params.as_dict(),
        task=task,
        train=_part(job, inputs, fitted, task),
        val=_part(job, inputs, validated, task) if validated else None,
        test=fold.test,
        fold=fold,
        normalise_by=_normalise_by(job, fitted, tuple(shown.values())),
        access=inputs.access.renamed(shown),
        # Who trains has no say where the epoch is chosen on the test slides: it trains on and shows every epoch.
        select="last" if on_test else job.protocol.select,
        device=job.device,
        precision=job.precision,
        workdir=job.workdir,
        root_seed=Seeds(job.spec.seed).seed("unit", job.spec.dataset, job.spec.repeat, job.spec.fold),
        source_sha256=source_sha256(job.method),
        watch=job.watch or on_test,
        devices=job.spec.devices,
    )
    return order, {alias: slide for slide, alias in names.items()}


def _check_reports(job: UnitJob, dataset: Dataset) -> None:
    """Refuse reports that are no longer those in the unit's identity: they are read for each unit."""
    if (known := job.spec.input.get("reports")) is not None and reports_fingerprint(dataset) != known:
        raise DataError(
            "the reports changed while the study ran",
            place=f"dataset {dataset.name}",
            fix="let them be, and give the same command again: it takes them as they are then",
        )


def aliases(job: UnitJob, inputs: Inputs) -> dict[str, str]:
    """An id for each test slide that says nothing: some datasets name their slides by their class.

    The numbers are dealt out in an order of their own, since split files often list one class behind the other. The
    same unit always deals them alike, so that it can be continued.
    """
    seeds = Seeds(job.spec.seed)
    rank = seeds.numpy("alias", job.spec.dataset, job.spec.repeat, job.spec.fold).permutation(len(job.fold.test))
    prefix = "test"
    while any(slide.startswith(f"{prefix}-") for slide in inputs.dataset.slides):
        prefix = f"{prefix}-x"
    width = max(3, len(str(len(rank))))
    return {slide: f"{prefix}-{number:0{width}d}" for slide, number in zip(job.fold.test, rank, strict=True)}


def _task(job: UnitJob, dataset: Dataset, fitted: Sequence[str]) -> Task:
    """The task, fitted to the slides that are trained on and to them alone."""
    truth = truth_for(dataset, fitted, sealed=job.fold.test + job.sealed)
    place = f"{job.spec.dataset}, {job.spec.protocol}, {job.fold.name}"
    return in_use(dataset.task.fitted(truth, place=place), str(job.spec.input["encoder"]))


def _part(job: UnitJob, inputs: Inputs, slides: Sequence[str], task: Task) -> Part:
    dataset, needs, sealed = inputs.dataset, job.method.card.needs, job.fold.test + job.sealed
    reads = "reports" in needs
    # Annotations go to methods that say on their card that they use them, and never those of test slides.
    lesions = inputs.lesions.only(slides, sealed=sealed) if "masks" in needs and inputs.lesions is not None else None
    truth = truth_for(dataset, slides, sealed=sealed)
    return Part(
        slides=tuple(slides),
        labels=task.encode(truth),
        truth=truth,
        reports=reports_for(dataset, slides, sealed=sealed) if reads else None,
        patients=tuple(dataset.patients[slide] for slide in slides) if reads else None,
        lesions=lesions,
    )


def _normalise_by(job: UnitJob, fitted: tuple[str, ...], everything: tuple[str, ...]) -> tuple[str, ...] | None:
    return {"none": None, "train": fitted, "transductive": everything}[job.protocol.normalise]
