"""Executors by name: the built-in ones, those of installed packages, and those of plugins."""

from __future__ import annotations

import functools
import inspect

from harness.core.errors import MethodError
from harness.jobs.executors.executor import Executor
from harness.plugins.registry import Kind, Registry


@functools.cache
def executors() -> Registry[Executor]:
    """The registry of this process."""
    return Registry(_KIND)


def _check(found: object, name: str, origin: str) -> type[Executor]:
    if not (isinstance(found, type) and issubclass(found, Executor)):
        problem, fix = f"{found!r} is not an executor", "point it at a class that derives from harness.Executor"
    elif inspect.isabstract(found):
        missing = ", ".join(sorted(found.__abstractmethods__))
        problem, fix = f"the executor lacks {missing}", f"define {missing}"
    elif (own := getattr(found, "name", None)) != name:
        problem, fix = f"the executor {own!r} is registered as {name!r}", f'declare `name = "{name}"`'
    else:
        return found
    raise MethodError(problem, place=origin, fix=fix)


_KIND: Kind[Executor] = Kind(
    word="launcher",
    group="harness.executors",
    base=Executor,
    mark="name",
    name_of=lambda cls: str(getattr(cls, "name", cls.__name__.lower())),
    check=_check,
    place="--launcher",
    listing="bench plugins list executors",
    rename="rename one of them (its name, and its entry point)",
    built_in={
        "local": "harness.jobs.executors.local:Local",
        "ray": "harness.jobs.executors.ray:Ray",
        "slurm": "harness.jobs.executors.slurm:Slurm",
    },
)
