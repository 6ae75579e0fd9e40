"""A trained model: what a method's prediction rests on, and all that a unit keeps of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class TrainedModel:
    """What :meth:`harness.Method.predict` answers with.

    Attributes:
        networks: by a name of the method's own; their state dicts are stored, and nothing else of them.
        facts: what :meth:`harness.Method.rebuild` has to know beside hyper-parameters, task and input: text, numbers,
            and lists and dictionaries of them.
    """

    networks: Mapping[str, nn.Module]
    facts: Mapping[str, Any] = field(default_factory=dict)
