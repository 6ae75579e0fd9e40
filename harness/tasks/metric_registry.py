"""The registry of metrics beyond those of the tasks, and which of them a task's predictions have."""

from __future__ import annotations

import functools
import inspect
import warnings
from typing import TYPE_CHECKING

import numpy as np

from harness.core import console
from harness.core.errors import MethodError
from harness.evaluation.metric import Floats, Metric
from harness.plugins import registry as plugins

if TYPE_CHECKING:
    from harness.evaluation.rows import Rows
    from harness.tasks.task import Task


@functools.cache
def metrics() -> plugins.Registry[Metric]:
    """The registry of this process."""
    return plugins.Registry(_KIND)


_asked: list[str] = []
"""Names of further scores that this process computes."""


def further_metrics() -> dict[str, type[Metric]]:
    """Scores that are computed where they are asked for, by name; a metric that was added under a name has it."""
    from harness.evaluation.further import METRICS

    taken = {*metrics().names, *_reserved()}
    return {cls.name: cls for cls in METRICS if cls.name not in taken}


def ask_for(name: str) -> bool:
    """Compute the further score ``name`` from now on, beside those of its task; False where there is none."""
    if name not in further_metrics():
        return False
    if name not in _asked:
        _asked.append(name)
    return True


def metrics_of(task: type[Task]) -> tuple[Metric, ...]:
    """The metrics that are added to those of a task, by name, then those asked for; a broken one harms no other."""
    names = {getattr(base, "name", "") for base in task.__mro__}
    asked = [further_metrics()[name] for name in _asked if name in further_metrics()] if _asked else []
    found = [cls for cls in (*metrics().added(), *asked) if cls.task in names and cls.name not in task.metrics]
    return tuple(_guarded(cls) for cls in found)


def find_metric(name: str) -> type[Metric] | None:
    """The added metric of that name; None where there is none, or it is broken."""
    added = next((cls for cls in metrics().added() if cls.name == name), None)
    return further_metrics().get(name) if added is None and name in _asked else added


@functools.cache
def _guarded(cls: type[Metric]) -> Metric:
    """An instance of the class whose failures leave the score undefined, with one warning."""
    made: Metric = type(cls.__name__, (_Guarded, cls), {"__module__": cls.__module__})()
    return made


class _Guarded(Metric):
    _failed = False

    def values(self, rows: Rows, weights: Floats) -> Floats:
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")  # resamples without a class: undefined there
                found = np.asarray(super().values(rows, weights), np.float64)
            if found.shape != (len(weights),):
                raise TypeError(f"values of shape {found.shape} for {len(weights)} sets of weights")
            return found
        except Exception as error:  # a metric must not cost anybody a training
            if not self._failed:
                console.warn(f"metric {self.name} is left undefined: it fails with {type(error).__name__}: {error}")
            self._failed = True
            return np.full(len(weights), np.nan)


def _check(found: object, name: str, origin: str) -> type[Metric]:
    from harness.tasks.registry import task_registry

    if not (isinstance(found, type) and issubclass(found, Metric)):
        problem, fix = f"{found!r} is not a metric", "point it at a class that derives from harness.Metric"
    elif inspect.isabstract(found):
        missing = ", ".join(sorted(found.__abstractmethods__))
        problem, fix = f"the metric lacks {missing}", f"define {missing}"
    elif _name_of(found) != name or getattr(found, "name", None) != name:
        problem, fix = f"the metric {_name_of(found)!r} is registered as {name!r}", f'declare `name = "{name}"`'
    elif name in _reserved():
        problem, fix = f"{name!r} is the name of a score of a task", "choose another name"
    elif found.task not in task_registry().names:
        known = ", ".join(task_registry().names)
        problem, fix = f"the metric is for an unknown task {found.task!r}", f"declare `task` as one of: {known}"
    else:
        return found
    raise MethodError(problem, place=origin, fix=fix)


def _reserved() -> frozenset[str]:
    from harness.tasks.registry import own_metrics

    return frozenset(("loss", "protocol", "last", *own_metrics()))


def _name_of(cls: type[Metric]) -> str:
    return str(getattr(cls, "name", cls.__name__.lower()))


_KIND: plugins.Kind[Metric] = plugins.Kind(
    word="metric",
    group="harness.metrics",
    base=Metric,
    mark="name",
    name_of=_name_of,
    check=_check,
    place="--set select_metric",
    listing="bench plugins list",
    rename="rename one of them (its name, and its entry point)",
    optional=True,
)
