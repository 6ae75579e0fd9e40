"""Seeds per axis, derived by hashing: changing one axis leaves the others as they were."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np


def derive_seed(*parts: str | int) -> int:
    """A 63-bit seed that is a function of ``parts`` alone, the same on every machine."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


@dataclass(frozen=True)
class Seeds:
    """The seeds of one unit. An axis is a word: ``init``, ``order``, ``dropout``, ``augment``, ``sample``.

    Every draw is a function of (root, axis, position): nothing depends on what was drawn before, so a run
    that is continued draws what an uninterrupted one would have.
    """

    root: int

    def seed(self, axis: str, *position: str | int) -> int:
        """The seed of ``axis`` at ``position`` (stage, epoch, step, slide ...)."""
        return derive_seed(self.root, axis, *position)

    def numpy(self, axis: str, *position: str | int) -> np.random.Generator:
        """A fresh NumPy generator for ``axis`` at ``position``."""
        return np.random.default_rng(self.seed(axis, *position))
