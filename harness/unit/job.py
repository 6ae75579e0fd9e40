"""A unit that is to be run, as the process that scores knows it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.api.method import Method
    from harness.api.params import Params
    from harness.datasets.card import ProtocolCard
    from harness.datasets.splits import Fold
    from harness.training.run import Precision
    from harness.unit.spec import UnitSpec


@dataclass(frozen=True, kw_only=True)
class UnitJob:
    """A unit that is to be run, as the process that scores knows it.

    Attributes:
        spec: its identity.
        method, params: what is trained.
        fold: which slides.
        protocol: how is selected, normalised and thresholded.
        device, precision: where (``cpu``, ``cuda``, ``cuda:N``) and in which arithmetic.
        workdir: scratch space that survives an interruption.
        sealed: slides beside the fold's test slides whose labels stay closed: in a trial, those of the outer fold.
        watch: whether the weights of every epoch predict, although the protocol does not need it.
    """

    spec: UnitSpec
    method: type[Method]
    params: Params
    fold: Fold
    protocol: ProtocolCard
    device: str
    precision: Precision
    workdir: Path
    sealed: tuple[str, ...] = ()
    watch: bool = False

    @property
    def slides(self) -> tuple[str, ...]:
        """Every slide that the unit reads."""
        return tuple(slide for _, part in self.fold.parts() for slide in part)

    @property
    def fit_all(self) -> bool:
        """Whether the fit takes the validation slides too; nothing may be selected on them then."""
        return self.protocol.fit_on == "train+val"
