"""A reference study: a small study with fixed settings whose scores are known from many seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.api.code_version import source_sha256
from harness.core.errors import UsageError

if TYPE_CHECKING:
    from harness.studies.config import StudyConfig
    from harness.studies.resolve import ResolvedStudy


@dataclass
class Reference:
    """A reference study.

    Attributes:
        resolved: the study; its seeds are of no account.
        config: the options that it came from.
        opened: the study with the identity of its data, once that was opened; None before.
    """

    resolved: ResolvedStudy
    config: StudyConfig
    opened: ResolvedStudy | None = None

    @property
    def name(self) -> str:
        """``METHOD-DATASET``: the name of its band."""
        return f"{self.resolved.method_card.name}-{self.resolved.dataset.name}"

    @property
    def source(self) -> str:
        """SHA-256 over the source code that its numbers depend on."""
        return source_sha256(self.resolved.method)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The scores that are judged: the one its task is ranked by, and the log loss where there is one.

        A ranking of slides hardly moves when a method learns too slowly; its probabilities do.
        """
        every = self.resolved.dataset.task.metrics
        return tuple(dict.fromkeys((every[0], *(name for name in every if name == "log_loss"))))

    def identity(self) -> dict[str, Any]:
        """What a band depends on, JSON-able: data, split, folds and settings, but no version of code.

        The data has to be open.
        """
        study = self.opened or self.resolved
        unit = study.unit(study.folds[0], 0).as_dict()
        left_out = ("method_version", "training_version", "repeat", "fold", "seed")
        folds = [f"r{fold.repeat}f{fold.fold}" for fold in study.folds]
        return {name: value for name, value in unit.items() if name not in left_out} | {"folds": folds}

    def versions(self) -> dict[str, Any]:
        """The declared versions of the code."""
        unit = self.resolved.unit(self.resolved.folds[0], 0)
        return {"method": unit.method_version, "training": unit.training_version}


def references_of(studies: Sequence[tuple[ResolvedStudy, StudyConfig]]) -> list[Reference]:
    """The references of a suite.

    Raises:
        UsageError: two have the same name.
    """
    found: dict[str, Reference] = {}
    for resolved, config in studies:
        one = Reference(resolved, config)
        if one.name in found:
            raise UsageError(
                f"two studies of the suite are called {one.name}",
                place="the suite",
                fix="a method stands once per dataset in a suite of references; put the other into a file of its own, "
                "with a folder of its own for --bands",
            )
        found[one.name] = one
    return list(found.values())
