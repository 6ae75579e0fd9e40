"""What a method says about itself before any of its code runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from harness.api.published import PublishedInput

InputKind = Literal["features", "tiles"]
Need = Literal["reports", "masks"]
ANY_TASK = "any"
"""In the place of the tasks that a method can learn: all, as its loss is the one that the task gives."""


@dataclass(frozen=True)
class Preset:
    """A named set of hyper-parameters and input settings.

    Attributes:
        help: what it is for, and where its values come from.
        params: hyper-parameter values.
        input: input settings (``kind``, ``encoder``, ``mpp``, ``tile_px``, ``align``, ``resampler``).
        repository: of a published configuration, where it is published: ``owner/name`` on GitHub.
        commit: hash of the commit that the values were read at, 40 hexadecimal digits.
        file: the configuration's file within it, or the file whose defaults it is.
    """

    help: str
    params: Mapping[str, Any] = field(default_factory=dict)
    input: Mapping[str, Any] = field(default_factory=dict)
    repository: str = ""
    commit: str = ""
    file: str = ""

    @property
    def source(self) -> str:
        """Repository, commit and file in one line; empty where the values are of our own choice."""
        return f"{self.repository} at {self.commit}, {self.file}" if self.repository else ""


@dataclass(frozen=True, kw_only=True)
class MethodCard:
    """The card of a method.

    Attributes:
        name: the word typed behind ``--method``.
        version: raised when the numbers that the method computes change, so that its units are run again. None, for a
            method whose author still changes it, takes the hash of its source in its place.
        title: its full name.
        paper: author, year and identifier of the paper.
        inputs: what it can read, the preferred one first: frozen ``features``, or ``tiles`` (the tile encoder
            is trained too).
        tasks: names of the tasks that it can learn, such as ``classification``; ``any`` where its loss is the shared
            one of bag methods, which comes from the task.
        scales: how many magnifications it reads of tiles (see :meth:`harness.Method.scales_read`).
        published: inputs of whole slides that it was published with, each with its source; the first one that the
            study's kind of input has applies where the dataset names no other. Empty where there is none.
        needs: labels beyond the slide's: ``reports`` or ``masks`` (pixel annotations).
        coordinates: whether it needs the position of every tile; batches then carry them (``PackedBags.coords``), and
            datasets that do not know them are refused.
        classes: the number of classes that it is defined for; None for any.
        attention: whether predictions carry a weight per tile.
        permutation_invariant: whether the order of a bag's tiles leaves the prediction unchanged.
        open_points: what the paper leaves open, each with the choice made here.
        presets: named settings.
        parity: what the code was compared with and how closely; empty where nobody compared it with anything.
        described_by: dotted paths (``package.module:Class``) of the classes whose docstrings give formulas and shapes,
            for the method's page; empty takes the class that ``aggregator()`` builds.
        smoke: small settings with which the contract suite (``bench test``) trains in seconds; what it leaves open
            the suite chooses.
    """

    name: str
    title: str
    paper: str
    version: int | None = None
    inputs: tuple[InputKind, ...] = ("features",)
    tasks: tuple[str, ...] = ("classification",)
    scales: int = 1
    published: tuple[PublishedInput, ...] = ()
    needs: tuple[Need, ...] = ()
    coordinates: bool = False
    classes: int | None = None
    attention: bool = False
    permutation_invariant: bool = True
    open_points: tuple[str, ...] = ()
    presets: Mapping[str, Preset] = field(default_factory=dict)
    parity: str = ""
    described_by: tuple[str, ...] = ()
    smoke: Preset | None = None

    def learns(self, task: str) -> bool:
        """Whether it can learn the task of that name."""
        return task in self.tasks or ANY_TASK in self.tasks
