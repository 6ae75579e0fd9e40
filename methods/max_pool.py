"""Max pooling of tile embeddings."""

from __future__ import annotations

from dataclasses import replace

from methods.mean_pool import MeanPool


class MaxPool(MeanPool):
    """The maximum of the embedded tiles per channel, then one linear layer."""

    card = replace(MeanPool.card, name="max_pool", title="Max pooling")
    pool = "max"
