"""Repeated, shuffled cross-validation over slides: the classic protocol of multiple instance learning."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from harness.core.errors import UsageError
from harness.core.hashing import sha256_text
from harness.datasets.splits import Fold


def shuffled_folds(slides: Sequence[str], *, n_folds: int, n_repeats: int, seed: int) -> tuple[Fold, ...]:
    """Folds of ``n_repeats`` cross-validations, not stratified, each over a new order of the slides.

    The order is that of the SHA-256 of seed, repeat and slide id: a shuffle that no library version and no order of
    ``slides`` can change. It is cut into ``n_folds`` blocks whose sizes differ by one at most. Fold k tests block k,
    validates on block k + 1 (the last fold on the first block) and trains on the rest.

    Args:
        slides: slide ids; each stands for itself, so this is for datasets with one slide per patient.
        n_folds: at least 3, so that something is left to train on, and at most the number of slides.
        n_repeats: at least 1.
        seed: another seed gives other folds.

    Raises:
        UsageError: too few or too many folds.
    """
    if not 3 <= n_folds <= len(slides) or n_repeats < 1:
        raise UsageError(
            f"{n_repeats} times {n_folds} folds of {len(slides)} slides cannot be made",
            place="shuffled_folds()",
            fix="give from 3 folds to one per slide, and at least one repeat",
        )
    return tuple(fold for repeat in range(n_repeats) for fold in _repeat(slides, n_folds, repeat, seed))


def _repeat(slides: Sequence[str], n_folds: int, repeat: int, seed: int) -> list[Fold]:
    order = sorted(slides, key=lambda slide: sha256_text(f"{seed}/{repeat}/{slide}"))
    edges = [len(order) * k // n_folds for k in range(n_folds + 1)]
    blocks = [order[start:stop] for start, stop in pairwise(edges)]
    folds = []
    for k in range(n_folds):
        val = (k + 1) % n_folds
        rest = [slide for j, block in enumerate(blocks) if j not in {k, val} for slide in block]
        folds.append(Fold(repeat, k, tuple(sorted(rest)), tuple(sorted(blocks[val])), tuple(sorted(blocks[k]))))
    return folds
