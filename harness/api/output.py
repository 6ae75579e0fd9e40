"""What an aggregator returns for packed bags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True)
class BagOutput:
    """Outputs of an aggregator for a batch of B packed bags with T tiles in all.

    Attributes:
        logits: (B, C).
        attention: weights that sum to one over each bag: (T,) or (T, heads); None where there are none.
        extra: whatever the aggregator's own loss needs.
        tiles: further numbers per tile by name, (T,) each, such as a second attention map. They are predicted, stored
            with the result of a job and drawn like attention, whatever they are called.
    """

    logits: Tensor
    attention: Tensor | None = None
    extra: Mapping[str, Tensor] = field(default_factory=dict)
    tiles: Mapping[str, Tensor] = field(default_factory=dict)
