"""Keeping a training within the memory that there is: the first rung of the ladder whose estimate fits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from harness import console
from harness.accounting.available import available_bytes
from harness.accounting.processes import resident_bytes
from harness.errors import MethodError
from harness.training.estimate import Estimate, Estimator, Step
from harness.training.memory import AS_ASKED, Rung, ladder
from harness.training.sync_norm import has_batch_norm

if TYPE_CHECKING:
    from harness.bags.source import BagSource
    from harness.training.mil_fit import BagNetwork
    from harness.training.mil_params import MILParams
    from harness.training.run import Run


def fit_in(network: BagNetwork, params: MILParams, train: BagSource, val: BagSource | None, run: Run) -> None:
    """Choose how ``network`` is trained so that it fits into memory, and set it so. Numbers and draws are not touched.

    What was chosen, estimated and available is left in ``run.memory``.

    Raises:
        MethodError: nothing fits; it names the largest slide and what to do.
    """
    memory = run.memory
    memory.load(run.workdir)
    estimator = Estimator(network, params, train, [bags for bags in (val, *memory.predicted) if bags is not None], run)
    rungs = _rungs(estimator, run)
    # The weights are among what is estimated, and not among what is free.
    there = memory.limit or available_bytes(str(run.device)) + (estimator.held if run.device.type == "cpu" else 0)
    room = there if memory.ceiling is None else min(there, memory.ceiling)
    memory.estimate = None
    estimates: list[Estimate] = []
    try:
        position = _first_that_fits(estimator, rungs, room, memory.position, estimates)
    except Exception as error:  # a network that cannot be tried out is not refused for it
        memory.facts = {"rung": AS_ASKED, "estimate_mb": None, "why": f"{type(error).__name__}: {error}"[:200]}
        position = -1
    # All ranks train alike: as the one does that has least memory, or as asked if one of them has no estimate.
    position, failed = run.ranks.largest(position, int(position < 0))
    if failed:
        return
    estimates += [estimator(rung) for rung in rungs[len(estimates) : position + 1]]
    if position == len(rungs):
        raise _too_large(estimator, rungs, estimates, room, run)
    rung = rungs[position]
    network.chunk, network.recompute, run.precision = rung.chunk, rung.recompute, rung.precision
    memory.position, memory.estimate = position, estimates[position].total
    memory.held = _in_use(run) - estimator.held
    if run.ranks.first:
        memory.save(run.workdir)
    _tell(rung, estimates, position, there, estimator.step, run)


def _rungs(estimator: Estimator, run: Run) -> list[Rung]:
    """The ladder of this training."""
    network = estimator.network
    asked = Rung(AS_ASKED, network.chunk, network.recompute, run.precision)
    bf16 = run.device.type == "cpu" or torch.cuda.is_bf16_supported()
    return ladder(asked, sum(estimator.step.sizes), network.encoder, bf16=bf16)


def _first_that_fits(
    estimator: Estimator, rungs: Sequence[Rung], room: int, start: int, estimates: list[Estimate]
) -> int:
    """Position of the first rung from ``start`` on whose estimate is within ``room``; the number of rungs for none.

    ``estimates`` takes the estimates of all rungs up to there.
    """
    for position, rung in enumerate(rungs):
        estimates.append(estimator(rung))
        if position >= min(start, len(rungs) - 1) and estimates[-1].total <= room:
            return position
    return len(rungs)


def _in_use(run: Run) -> int:
    return resident_bytes() if run.device.type == "cpu" else torch.cuda.memory_allocated(run.device)


def _tell(rung: Rung, estimates: Sequence[Estimate], position: int, there: int, step: Step, run: Run) -> None:
    """Leave the facts, and say so if it is not trained as asked."""
    estimate = estimates[position]
    facts = {
        "rung": rung.number,
        "how": rung.how,
        "changes": rung.changes,
        "precision": rung.precision,
        "estimate_mb": round(estimate.total / 1e6, 3),
        "as_asked_mb": round(estimates[0].total / 1e6, 3),
        "available_mb": round(there / 1e6, 3),
        "largest_slide": step.slide,
        "largest_tiles": step.tiles,
    }
    run.memory.facts = {**facts, **{k: v for k, v in run.memory.facts.items() if k == "ran_out"}}
    if rung.number == AS_ASKED:
        return
    changed = f"; this changes {rung.changes}" if rung.changes else ""
    console.note(
        f"{run.label}: {rung.how}: as asked it would take {_amount(estimates[0].total)} of memory, and "
        f"{_amount(there)} are there{changed}"
    )


def _too_large(
    estimator: Estimator, rungs: Sequence[Rung], estimates: Sequence[Estimate], room: int, run: Run
) -> MethodError:
    step, least = estimator.step, min(estimates, key=lambda one: one.total)
    tried = ", then ".join(dict.fromkeys(rung.how for rung in rungs))
    return MethodError(
        f"the memory does not hold this unit: it would take {_amount(least.total)}, and {_amount(room)} are there; "
        f"slide {step.slide} has {step.tiles} tiles, the largest step {sum(step.sizes)}",
        place=f"{run.label}, before training (tried {tried})",
        fix=_fix(estimator, least, room),
    )


def _fix(estimator: Estimator, least: Estimate, room: int) -> str:
    """What to do, with a number of tiles that should fit."""
    step, params, network = estimator.step, estimator.params, estimator.network
    advice = []
    if least.prediction > room:
        advice.append(f"leave slides of more than {_fitting(estimator.longest, least.prediction, 0, room)} tiles out")
    else:
        per_bag = _fitting(max(step.sizes), least.total, least.weights, room)
        if per_bag:
            advice.append(f"--set tiles_per_bag={per_bag}")
        if network.encoder is not None and has_batch_norm(network.encoder) and not params.encode_chunk:
            advice.append("--set encode_chunk=64 --set recompute=true (batch norm then goes by chunks)")
    if params.batch_size > 1:
        advice.append("a smaller batch_size")
    if network.encoder is not None:
        advice.append("another --encoder")
    return ", ".join([*advice, "or more memory (--memory-limit, if there is more than was found)"])


def _fitting(tiles: int, total: int, fixed: int, room: int) -> int:
    """So many tiles as ``room`` should hold, rounded down to a round number."""
    share = max(0.0, room - fixed) / max(1, total - fixed)
    count = int(0.9 * tiles * share)
    step = int("1".ljust(len(str(count)) - 1, "0"))
    return count // step * step


def _amount(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
