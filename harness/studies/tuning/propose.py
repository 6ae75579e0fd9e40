"""Which hyper-parameters trial k tries: a function of the study, k, and where the sampler learns, earlier batches.

So a search that is killed and continued, or done by several workers, tries what one that ran through does.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Any

from harness.core.seeds import Seeds, derive_seed
from harness.studies.tuning.settings import TuneSettings
from harness.studies.tuning.space import Space
from harness.studies.tuning.trials import Trial, gain


def propose(
    settings: TuneSettings, space: Space, key: str, number: int, earlier: Sequence[Trial], metric: str
) -> dict[str, Any]:
    """The hyper-parameters of trial ``number`` (from 1 on: trial 0 is the method's defaults).

    Args:
        settings: sampler and number of trials.
        space: what is searched.
        key: names the search: study and outer fold.
        number: of the trial.
        earlier: the trials of all earlier batches, finished; looked at by ``tpe`` only.
        metric: the score that decides.
    """
    seeds = Seeds(derive_seed(key))
    if settings.sampler == "random":
        return _at(space, seeds.numpy("trial", number).random(len(space)))
    if settings.sampler == "qmc":
        return _at(space, _sobol(len(space), number, seeds.seed("sobol")))
    if settings.sampler == "grid":
        return _grid(space, number, settings.trials, seeds)
    return _tpe(space, earlier, seeds.seed("trial", number), metric)


def _at(space: Space, shares: Iterable[float]) -> dict[str, Any]:
    return {dimension.name: dimension.at(float(share)) for dimension, share in zip(space, shares, strict=True)}


def _sobol(n_dimensions: int, number: int, seed: int) -> Iterable[float]:
    """Point ``number`` of a scrambled Sobol sequence (Owen scrambling)."""
    from scipy.stats import qmc

    sequence = qmc.Sobol(n_dimensions, scramble=True, rng=seed)
    point: Iterable[float] = sequence.fast_forward(number).random(1)[0]
    return point


def _grid(space: Space, number: int, trials: int, seeds: Seeds) -> dict[str, Any]:
    """Point ``number`` of the coarsest grid with enough points, in an order that is shuffled once."""
    count = 2
    while math.prod(len(dimension.levels(count)) for dimension in space) < trials - 1 and count < trials:
        count += 1
    points = list(itertools.product(*(dimension.levels(count) for dimension in space)))
    order = seeds.numpy("grid").permutation(len(points))
    chosen = points[order[(number - 1) % len(points)]]
    return {dimension.name: value for dimension, value in zip(space, chosen, strict=True)}


def _tpe(space: Space, earlier: Sequence[Trial], seed: int, metric: str) -> dict[str, Any]:
    """Optuna's proposal after ``earlier``, with a sampler that is seeded for this trial alone."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=seed % 2**32)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.add_trials([as_optuna(trial, space, metric) for trial in earlier])
    asked = study.ask({dimension.name: dimension.distribution() for dimension in space})
    return dict(asked.params)


def as_optuna(trial: Trial, space: Space, metric: str) -> Any:
    """A finished trial for Optuna: ``optuna.trial.FrozenTrial``, larger values being better."""
    import optuna

    states = optuna.trial.TrialState
    complete = trial.state == "complete"
    return optuna.trial.create_trial(
        state=states.COMPLETE if complete else states.PRUNED if trial.state == "pruned" else states.FAIL,
        params={name: value for name, value in trial.params.items() if name in {d.name for d in space}},
        distributions={d.name: d.distribution() for d in space},
        value=gain(trial.value(metric), metric) if complete else None,
        intermediate_values={
            step: gain(float(scores[metric]), metric) for step, scores in enumerate(trial.scores) if metric in scores
        },
    )
