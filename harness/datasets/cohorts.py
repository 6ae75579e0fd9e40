"""Which public cohorts the slides of a dataset are from."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.datasets.dataset import Dataset

_TCGA = re.compile(r"TCGA-[A-Z0-9]{2}-[A-Z0-9]{4}(?![A-Z0-9])")
"""How a barcode of TCGA begins: project, tissue source site, participant."""


def cohorts_of(dataset: Dataset) -> tuple[str, ...]:
    """Names in lower case: those of the card, and ``tcga`` where a slide or patient has a barcode of TCGA."""
    found = {name.casefold() for name in dataset.card.cohorts}
    if any(_TCGA.match(name) for names in (dataset.slides, dataset.patients.values()) for name in names):
        found.add("tcga")
    return tuple(sorted(found))
