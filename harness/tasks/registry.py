"""The registry of tasks."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.core.errors import BenchError, DataError, MethodError
from harness.plugins import registry as plugins
from harness.tasks.metric_registry import find_metric, metrics_of
from harness.tasks.task import Task

DEFAULT = "classification"
"""The task of a card, and of a record, that names none."""


def _check(value: object, name: str, origin: str) -> type[Task]:
    """Refuse what is no task, lacks a member, or has another name than its entry point."""
    if not (isinstance(value, type) and issubclass(value, Task)):
        problem, fix = "it is not a task", "derive it from harness.Task"
    elif inspect.isabstract(value):
        problem, fix = f"it lacks {', '.join(sorted(value.__abstractmethods__))}", "define what is missing"
    elif lacking := [one for one in ("truth", "decision", "metrics", "monitored") if not hasattr(value, one)]:
        problem, fix = f"it lacks {', '.join(lacking)}", "declare what is missing as class attributes"
    elif value.name != name or not value.metrics or value.metrics[0] not in value.monitored:
        problem = f"it is called {value.name!r}" if value.name != name else "its first metric is not monitored"
        fix = "give entry point and task one name" if value.name != name else "add metrics[0] to monitored"
    else:
        return value
    raise MethodError(f"task {name}: {problem}", place=origin, fix=fix)


_KIND: plugins.Kind[Task] = plugins.Kind(
    word="task",
    group="harness.tasks",
    base=Task,
    mark="name",
    name_of=lambda cls: str(cls.name),
    check=_check,
    place="field task",
    listing="docs/tasks.md",
    rename="rename one of them (its name, and its entry point)",
    built_in={
        "classification": "harness.tasks.classification:Classification",
        "survival": "harness.tasks.survival:Survival",
        "regression": "harness.tasks.regression:Regression",
    },
)


@functools.cache
def task_registry() -> plugins.Registry[Task]:
    """The registry of this process."""
    return plugins.Registry(_KIND)


def find_task(name: str) -> type[Task]:
    """The task ``name``; see :meth:`harness.plugins.registry.Registry.find`."""
    return task_registry().find(name)


@dataclass(frozen=True)
class Waiting:
    """A task of a plugin that this process has not loaded yet."""

    name: str
    values: Mapping[str, Any]


def restored(name: str, values: Mapping[str, Any]) -> Task | Waiting:
    """A task that was pickled in another process; nothing of a plugin is imported for it."""
    return find_task(name)(**values) if name in task_registry().names else Waiting(name, values)


def ready(task: Task | Waiting) -> Task:
    """The task, once its plugin is loaded.

    Raises:
        UsageError, MethodError: see :func:`find_task`.
    """
    return find_task(task.name)(**task.values) if isinstance(task, Waiting) else task


def task_of(config: Mapping[str, Any]) -> type[Task]:
    """The task of a study or a unit, by its resolved configuration.

    Raises:
        DataError: it is not registered, or broken.
    """
    name = str(config.get("task", DEFAULT))
    try:
        return find_task(name)
    except BenchError as error:
        fix = "name the plugin that defines it with --plugin, or install the package that does"
        raise DataError(f"results of the task {name[:40]!r}: {error.problem}", place=error.place, fix=fix) from error


def tasks() -> list[type[Task]]:
    """All tasks that can be loaded, by name; a broken one harms no other."""
    return _loaded(task_registry().names)


def own_metrics() -> tuple[str, ...]:
    """Names of the scores that tasks bring themselves, those of classification first."""
    names = sorted(task_registry().names, key=lambda name: (name != DEFAULT, name))
    return tuple(dict.fromkeys(metric for task in _loaded(names) for metric in task.metrics))


def metrics_of_tasks() -> tuple[str, ...]:
    """Names of all scores: those of the tasks that can be loaded, then those that were added."""
    return (*own_metrics(), *added_metrics())


def added_metrics() -> tuple[str, ...]:
    """Names of the scores that plugins add to tasks."""
    return tuple(dict.fromkeys(name for task in _loaded(task_registry().names) for name in _added(task)))


def selecting_metrics() -> tuple[str, ...]:
    """Names of the scores that can choose an epoch in some task."""
    tasks = _loaded(task_registry().names)
    return tuple(dict.fromkeys(name for task in tasks for name in (*task.monitored, *_added(task))))


def lower_is_better(metric: str) -> bool:
    """Whether a smaller value of a score is better, in any task that has it."""
    added = find_metric(metric)
    return (added is not None and added.lower_is_better) or any(
        metric in task.lower_is_better for task in _loaded(task_registry().names)
    )


def _added(task: type[Task]) -> tuple[str, ...]:
    return tuple(metric.name for metric in metrics_of(task))


def _loaded(names: Sequence[str]) -> list[type[Task]]:
    found = []
    for name in names:
        try:
            found.append(find_task(name))
        except BenchError:  # a broken plugin harms no other
            continue
    return found
