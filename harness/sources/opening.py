"""Where and how a dataset is opened."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from harness.features.extraction import Extraction

if TYPE_CHECKING:
    import torch

    from harness.datasets.card import InputSettings


@dataclass(frozen=True, kw_only=True)
class Opening:
    """Where and how to open a dataset.

    Attributes:
        settings: what is read of it.
        slides: the slides that the protocol uses.
        data_root: where its files are; None for the card's own place.
        cache: where prepared data goes.
        workers: processes and threads.
        device: where frozen encoders run.
        features: a feature set that is read instead of being made; None where there is none.
        extraction: how features are made, where they have to be.
    """

    settings: InputSettings
    slides: tuple[str, ...]
    data_root: Path | None
    cache: Path
    workers: int
    device: torch.device
    features: Path | None = None
    extraction: Extraction = field(default_factory=Extraction)
