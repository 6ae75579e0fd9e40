"""Running a job: train, and predict. It happens in a process that knows no test label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch

from harness.accounting.available import limit_from_environment
from harness.accounting.meter import Meter
from harness.core import console
from harness.core.errors import BenchError
from harness.core.seeds import Seeds
from harness.jobs.epochs import EpochRecorder
from harness.jobs.out_of_memory import within_memory
from harness.jobs.result import JobResult
from harness.models.files import FOLDER, write_model
from harness.training.memory.state import Memory
from harness.training.ranks import ALONE, Ranks
from harness.training.run import Run

if TYPE_CHECKING:
    from typing import Literal

    from harness.api.method import Method
    from harness.api.params import Params
    from harness.api.prediction import Prediction
    from harness.bags.feature_source import Normaliser
    from harness.bags.source import BagSource
    from harness.jobs.job import Job, LabelledSlides


def train_and_predict(job: Job, kind: type[Method], ranks: Ranks = ALONE) -> JobResult:
    """Train and predict, continuing where an earlier attempt was interrupted.

    Args:
        job: what is trained and predicted.
        kind: the class of its method.
        ranks: the processes that run this job together; the result of rank 0 counts.

    Raises:
        MethodError: the method breaks its contract, or does not fit into memory.
    """
    run = _run(job, ranks)
    memory = run.memory
    params = kind.Params.build(job.params, place=f"hyper-parameters of {job.method}")
    normaliser = job.access.normaliser(job.normalise_by) if job.normalise_by is not None else None
    train = _open(job, job.train, normaliser)
    val = _open(job, job.val, normaliser) if job.val is not None else None
    test = job.access.bags(job.test, normaliser=normaliser) if job.test else None
    memory.largest = lambda: max(
        ((name, train.count(bag)) for bag, name in enumerate(train.ids)), key=lambda one: one[1]
    )
    memory.advice = _advice(params)

    def attempt() -> tuple[Method, Prediction | None, Prediction | None, EpochRecorder | None]:
        method = kind(params, job.task)
        recorder = EpochRecorder(method, val, test, run, predict=_predict) if job.every_epoch else None
        run.watch = recorder
        with memory.in_effect():
            method.fit(train, val, run)
        with run.meter.stage("predict"), memory.enforced(run.device):
            on_val = None if val is None else _predict(method, val, run)
            on_test = None if test is None else _predict(method, test, run)
        return method, on_val, on_test, recorder

    method, on_val, on_test, recorder = within_memory(attempt, run, job.name)
    if job.keep_model and ranks.first:
        _keep(method, train, run, normaliser)
    if ranks.several:
        run.meter.take_in(ranks.gathered(run.meter.state_dict()))
    return JobResult(
        test=on_test,
        val=on_val,
        curve=run.curve,
        facts=run.facts,
        accounting=_account(run),
        root_seed=job.root_seed,
        epochs=None if recorder is None or not ranks.first else recorder.predictions(on_val, on_test),
    )


def _keep(method: Method, train: BagSource, run: Run, normaliser: Normaliser | None) -> None:
    """Keep the model; the unit does not fail for what a method only leaves behind."""
    folder = run.keep(FOLDER)
    try:
        write_model(folder, method, train, run, normaliser)
    except OSError:
        raise
    except Exception as error:  # a method is user code
        reason = error.problem if isinstance(error, BenchError) else f"{type(error).__name__}: {error}"
        console.warn(f"{run.label}: the model is not kept: {reason}")


def _account(run: Run) -> dict[str, Any]:
    """Time, memory and device hours, and how the unit was kept within its memory."""
    found = run.meter.summary()
    return {**found, "memory": run.memory.account()}


def _run(job: Job, ranks: Ranks) -> Run:
    job.workdir.mkdir(parents=True, exist_ok=True)
    device = torch.device(job.device)
    run = Run(
        seeds=Seeds(job.root_seed),
        device=device,
        precision=job.precision,
        workdir=job.workdir,
        meter=Meter(str(device), devices=ranks.world),
        select=cast("Literal['best', 'last']", job.select),
        metric=job.task.metrics[0],
        lower_is_better=job.task.lower_is_better,
        label=job.fold.name,
        ranks=ranks,
        memory=Memory(limit=limit_from_environment()),
    )
    run.load_meter()
    run.memory.begin(device)
    run.memory.load(job.workdir)
    run.use_fallback(run.memory.fallback)
    run.fold = job.fold
    return run


def _advice(params: Params) -> str:
    """Which settings make a training step smaller."""
    names = [name for name in params.as_dict() if "tiles" in name or "batch" in name]
    settings = f"lower one of these settings (--set NAME=VALUE): {', '.join(names)}; " if names else ""
    return f"{settings}take another --encoder if there is one"


def _open(job: Job, part: LabelledSlides, normaliser: Normaliser | None) -> BagSource:
    bags = job.access.bags(part.slides, part.labels, normaliser=normaliser, mask_of=part.masks)
    bags.reports, bags.patients = part.reports, part.patients
    bags.truth, bags.task = part.truth, job.task
    return bags


def _predict(method: Method, bags: BagSource, run: Run) -> Prediction:
    prediction = method.predict(bags, run)
    prediction.check(bags.ids, method.task.n_columns, method=method.card.name)
    return prediction
