"""Features: the packed memory-mapped store and its extraction."""

from __future__ import annotations

from harness.features.manifest import FeatureKey
from harness.features.store import FeatureStore

__all__ = ["FeatureKey", "FeatureStore"]
