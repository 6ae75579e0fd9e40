"""The work of a unit: train as ordered, and predict. It runs in a process that knows no test label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch

from harness.accounting.available import limit_from_environment
from harness.accounting.meter import Meter
from harness.core.seeds import Seeds
from harness.training.memory.state import Memory
from harness.training.ranks import ALONE, Ranks
from harness.training.run import Run
from harness.unit.answer import UnitAnswer
from harness.unit.out_of_memory import within_memory
from harness.unit.watcher import Watcher

if TYPE_CHECKING:
    from typing import Literal

    from harness.api.method import Method
    from harness.api.params import Params
    from harness.api.prediction import Prediction
    from harness.bags.feature_source import Normaliser
    from harness.bags.source import BagSource
    from harness.unit.order import Order, Part


def work(order: Order, kind: type[Method], ranks: Ranks = ALONE) -> UnitAnswer:
    """Train and predict, continuing where an earlier attempt was interrupted.

    Args:
        order: what is to be done.
        kind: the class of the ordered method.
        ranks: those that do this work together; the answer of rank 0 counts.

    Raises:
        MethodError: the method breaks its contract, or does not fit into memory.
    """
    run = _run(order, ranks)
    memory = run.memory
    params = kind.Params.build(order.params, place=f"hyper-parameters of {order.method}")
    normaliser = order.access.normaliser(order.normalise_by) if order.normalise_by is not None else None
    train = _open(order, order.train, normaliser)
    val = _open(order, order.val, normaliser) if order.val is not None else None
    test = order.access.bags(order.test, normaliser=normaliser) if order.test else None
    memory.largest = lambda: max(
        ((name, train.count(bag)) for bag, name in enumerate(train.ids)), key=lambda one: one[1]
    )
    memory.advice = _advice(params)

    def attempt() -> tuple[Prediction | None, Prediction | None, Watcher | None]:
        method = kind(params, order.task)
        watcher = run.watch = Watcher(method, val, test, run, predict=_predict) if order.watch else None
        with memory.in_effect():
            method.fit(train, val, run)
        with run.meter.stage("predict"), memory.enforced(run.device):
            answered = None if val is None else _predict(method, val, run)
            prediction = None if test is None else _predict(method, test, run)
        return answered, prediction, watcher

    answered, prediction, watcher = within_memory(attempt, run, order.unit_id)
    if ranks.several:
        run.meter.take_in(ranks.gathered(run.meter.state_dict()))
    return UnitAnswer(
        test=prediction,
        val=answered,
        curve=run.curve,
        facts=run.facts,
        accounting=_account(run),
        root_seed=order.root_seed,
        epochs=None if watcher is None or not ranks.first else watcher.collected(answered, prediction),
    )


def _account(run: Run) -> dict[str, Any]:
    """Time, memory and device hours, and how the unit was kept within its memory."""
    found = run.meter.summary()
    return {**found, "memory": run.memory.account()}


def _run(order: Order, ranks: Ranks) -> Run:
    order.workdir.mkdir(parents=True, exist_ok=True)
    device = torch.device(order.device)
    run = Run(
        seeds=Seeds(order.root_seed),
        device=device,
        precision=order.precision,
        workdir=order.workdir,
        meter=Meter(str(device), devices=ranks.world),
        select=cast("Literal['best', 'last']", order.select),
        metric=order.task.metrics[0],
        lower_is_better=order.task.lower_is_better,
        label=order.fold.name,
        ranks=ranks,
        memory=Memory(limit=limit_from_environment()),
    )
    run.load_meter()
    run.memory.begin(device)
    run.memory.load(order.workdir)
    run.use_fallback(run.memory.fallback)
    run.fold = order.fold
    return run


def _advice(params: Params) -> str:
    """Which settings make a training step smaller."""
    names = [name for name in params.as_dict() if "tiles" in name or "batch" in name]
    settings = f"lower one of these settings (--set NAME=VALUE): {', '.join(names)}; " if names else ""
    return f"{settings}take another --encoder if there is one"


def _open(order: Order, part: Part, normaliser: Normaliser | None) -> BagSource:
    bags = order.access.bags(part.slides, part.labels, normaliser=normaliser, mask_of=part.lesions)
    bags.reports, bags.patients = part.reports, part.patients
    bags.truth, bags.task = part.truth, order.task
    return bags


def _predict(method: Method, bags: BagSource, run: Run) -> Prediction:
    prediction = method.predict(bags, run)
    prediction.check(bags.ids, method.task.n_columns, method=method.card.name)
    return prediction
