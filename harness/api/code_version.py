"""Versions: what is declared of a method and of the training that all methods share, and the hash of their source.

A declared version is part of a unit's identity and is raised when numbers change; the golden trainings
(``tests/golden``) fail where they change and it was not. The hash of the source is in the record of every unit, as
provenance: a changed comment changes it, and runs nothing again.
"""

from __future__ import annotations

import functools
import sys
from pathlib import Path

from harness.api.method import Method
from harness.core.errors import SystemProblemError
from harness.core.hashing import sha256_file, sha256_json
from harness.plugins.version import class_sources, declared_version

HARNESS_CODE = (
    "bags",
    "encoders",
    "training",
    "api/aggregator.py",
    "api/output.py",
    "api/stage.py",
    "core/seeds.py",
)
"""Files and folders of ``harness`` that take part in training and prediction, whatever the method is."""

_HARNESS = Path(__file__).resolve().parents[1]

TRAINING_VERSION = 2
"""Version of what all methods share: the loop, optimisers, sampling, augmentation, encoders, seeds."""


def method_version(cls: type[Method]) -> str:
    """The declared version of a method; ``source-`` and a hash of its own source where none is declared."""
    return declared_version(cls, cls.card.version)


@functools.cache
def source_sha256(cls: type[Method]) -> str:
    """SHA-256 over the source that a method's results depend on, 64 hexadecimal digits.

    It covers the module that defines the class, every module of the same top-level package that this one imports
    (and what those import from it, and so on; of a plugin file, the file alone), and the harness's own code for
    training (:data:`HARNESS_CODE`). File contents are hashed as they are: a changed comment is a changed version.
    Installed libraries are not part of it; their versions are in the record of every unit.

    Raises:
        MethodError: the class has no source file (typed at a prompt).
    """
    return sha256_json({"method": class_sources(cls), "harness": _harness_sources()})


def check_source(cls: type[Method], declared: str) -> None:
    """See that a method that was imported here has the source that was declared elsewhere.

    Raises:
        SystemProblemError: it has not.
    """
    if source_sha256(cls) == declared:
        return
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    raise SystemProblemError(
        f"the source of method {cls.card.name} changed after the study was resolved",
        place=str(file),
        fix="run the command again: it resolves the study with the source as it is now",
    )


def _harness_sources() -> dict[str, str]:
    hashes = {}
    for name in HARNESS_CODE:
        path = _HARNESS / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            hashes[file.relative_to(_HARNESS).as_posix()] = sha256_file(file)
    return hashes
