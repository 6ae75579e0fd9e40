"""A unit that is to be run, as the process that scores knows it, and the job that follows from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from harness.api.code_version import source_sha256
from harness.api.registry import used_plugins
from harness.core.errors import DataError
from harness.core.seeds import Seeds
from harness.datasets.reports import reports_fingerprint, reports_for
from harness.jobs.job import Job, LabelledSlides
from harness.protocols.held_out import truth_for
from harness.tasks.task import Task, in_use

if TYPE_CHECKING:
    from harness.api.method import Method
    from harness.api.params import Params
    from harness.datasets.card import ProtocolCard
    from harness.datasets.dataset import Dataset
    from harness.datasets.splits import Fold
    from harness.sources.inputs import Inputs
    from harness.studies.unit_spec import UnitSpec
    from harness.training.run import Precision


@dataclass(frozen=True, kw_only=True)
class PlannedUnit:
    """A unit, a trial or a training that is to be run.

    Attributes:
        spec: its identity.
        method, params: what is trained.
        fold: which slides.
        protocol: how is selected, normalised and thresholded.
        device, precision: where (``cpu``, ``cuda``, ``cuda:N``) and in which arithmetic.
        workdir: scratch space that survives an interruption.
        held_out: slides beside the fold's test slides whose labels stay hidden: in a trial, those of the outer fold.
        every_epoch: whether the weights of every epoch predict, although the protocol does not need it.
        keep_model: whether the trained model is kept.
    """

    spec: UnitSpec
    method: type[Method]
    params: Params
    fold: Fold
    protocol: ProtocolCard
    device: str
    precision: Precision
    workdir: Path
    held_out: tuple[str, ...] = ()
    every_epoch: bool = False
    keep_model: bool = False

    @property
    def slides(self) -> tuple[str, ...]:
        """Every slide that the unit reads."""
        return tuple(slide for _, part in self.fold.parts() for slide in part)

    @property
    def fit_all(self) -> bool:
        """Whether the fit takes the validation slides too; nothing may be selected on them then."""
        return self.protocol.fit_on == "train+val"


@dataclass(frozen=True, kw_only=True)
class PreparedUnit:
    """A unit and its job.

    Attributes:
        unit: what the process that scores knows.
        job: what the process that trains is told.
        names: the real id of each test slide by the id that it has in the job.
        started: when it was prepared.
    """

    unit: PlannedUnit
    job: Job
    names: Mapping[str, str]
    started: datetime


def prepare(unit: PlannedUnit, inputs: Inputs, hidden: Sequence[Path] = ()) -> PreparedUnit:
    """The job of a unit.

    Args:
        unit: the unit.
        inputs: the opened dataset.
        hidden: files and folders that the job must not see, beside those with the dataset's labels.

    Raises:
        LeakError: the fold trains or validates on a slide that it tests.
        DataError: reports changed since the study was resolved.
    """
    _check_reports(unit, inputs.dataset)
    names = aliases(unit, inputs)
    fitted = unit.fold.train + unit.fold.val if unit.fit_all else unit.fold.train
    validated = () if unit.fit_all else unit.fold.val
    fold = replace(unit.fold, train=fitted, val=validated, test=tuple(sorted(names[one] for one in unit.fold.test)))
    task = _task(unit, inputs.dataset, fitted)
    on_test = unit.protocol.select == "test"
    shown = {slide: names.get(slide, slide) for slide in unit.slides}
    access = inputs.access.renamed(shown)
    train = _labelled(unit, inputs, fitted, task)
    val = _labelled(unit, inputs, validated, task) if validated else None
    plugins = used_plugins()
    masks = [path for part in (train, val) if part is not None and part.masks for path in part.masks.files.values()]
    job = Job(
        name=unit.spec.unit_id,
        method=unit.spec.method,
        params=unit.params.as_dict(),
        task=task,
        train=train,
        val=val,
        test=fold.test,
        fold=fold,
        normalise_by={"none": None, "train": fitted, "transductive": tuple(shown.values())}[unit.protocol.normalise],
        access=access,
        # Where the epoch is chosen on the test slides, the job trains to the end and predicts after every epoch.
        select="last" if on_test else unit.protocol.select,
        device=unit.device,
        precision=unit.precision,
        workdir=unit.workdir,
        root_seed=Seeds(unit.spec.seed).seed("unit", unit.spec.dataset, unit.spec.repeat, unit.spec.fold),
        source_sha256=source_sha256(unit.method),
        every_epoch=unit.every_epoch or on_test,
        # Where the epoch is chosen on the test slides, the last weights are not those that predict.
        keep_model=unit.keep_model and not on_test,
        devices=unit.spec.devices,
        plugins=plugins,
        hidden=(*inputs.hidden, *hidden),
        visible=(unit.workdir, *access.files, *masks, *(Path(name) for name in plugins if name.endswith(".py"))),
    )
    real = {alias: slide for slide, alias in names.items()}
    return PreparedUnit(unit=unit, job=job, names=real, started=datetime.now(UTC))


def aliases(unit: PlannedUnit, inputs: Inputs) -> dict[str, str]:
    """An id for each test slide that says nothing: some datasets name their slides by their class.

    The numbers are drawn in an order of their own, since split files often list one class behind the other. The same
    unit always draws the same, so that it can be continued.
    """
    seeds = Seeds(unit.spec.seed)
    rank = seeds.numpy("alias", unit.spec.dataset, unit.spec.repeat, unit.spec.fold).permutation(len(unit.fold.test))
    prefix = "test"
    while any(slide.startswith(f"{prefix}-") for slide in inputs.dataset.slides):
        prefix = f"{prefix}-x"
    width = max(3, len(str(len(rank))))
    return {slide: f"{prefix}-{number:0{width}d}" for slide, number in zip(unit.fold.test, rank, strict=True)}


def _check_reports(unit: PlannedUnit, dataset: Dataset) -> None:
    """Refuse reports that are no longer those in the unit's identity: they are read for each unit."""
    if (known := unit.spec.input.get("reports")) is not None and reports_fingerprint(dataset) != known:
        raise DataError(
            "the reports changed while the study ran",
            place=f"dataset {dataset.name}",
            fix="let them be, and give the same command again: it takes them as they are then",
        )


def _task(unit: PlannedUnit, dataset: Dataset, fitted: Sequence[str]) -> Task:
    """The task, fitted to the slides that are trained on and to them alone."""
    truth = truth_for(dataset, fitted, held_out=unit.fold.test + unit.held_out)
    place = f"{unit.spec.dataset}, {unit.spec.protocol}, {unit.fold.name}"
    return in_use(dataset.task.fitted(truth, place=place), str(unit.spec.input["encoder"]))


def _labelled(unit: PlannedUnit, inputs: Inputs, slides: Sequence[str], task: Task) -> LabelledSlides:
    dataset, needs, held_out = inputs.dataset, unit.method.card.needs, unit.fold.test + unit.held_out
    reads = "reports" in needs
    # Annotations go to methods that say on their card that they use them, and never those of test slides.
    masks = inputs.masks.only(slides, held_out=held_out) if "masks" in needs and inputs.masks is not None else None
    truth = truth_for(dataset, slides, held_out=held_out)
    return LabelledSlides(
        slides=tuple(slides),
        labels=task.encode(truth),
        truth=truth,
        reports=reports_for(dataset, slides, held_out=held_out) if reads else None,
        patients=tuple(dataset.patients[slide] for slide in slides) if reads else None,
        masks=masks,
    )
