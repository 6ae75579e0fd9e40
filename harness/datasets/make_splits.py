"""Making split files: grouped by patient, stratified, and the same for ever.

Every order is the order of SHA-256 values of (seed, purpose, stratum, patient) and no random generator takes part, so
that a split can be derived again byte for byte with any version of any library, whatever order the rows come in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from harness.core.errors import UsageError
from harness.core.seeds import derive_seed
from harness.datasets.splits import PARTS, Fold

Parts = dict[str, list[int]]
"""Part (``train``, ``val``, ``test``) → indices of slides, rising."""


def holdout(
    patients: Sequence[str], strata: Sequence[str], fraction: float, seed: int, *, purpose: str = "holdout"
) -> tuple[list[int], list[int]]:
    """Set about ``fraction`` of the slides aside, whole patients at a time.

    Args:
        patients: patient of each slide, (n,).
        strata: stratum of each slide (label, or label and centre), (n,); each is represented in proportion.
        fraction: share of the slides to set aside, in (0, 1).
        seed: another seed gives another choice.
        purpose: tells apart choices that use the same seed.

    Returns:
        Indices of the slides that stay, and of those set aside, both rising.

    Raises:
        UsageError: unequal lengths, or a fraction outside (0, 1).
    """
    _check(patients, strata)
    if not 0 < fraction < 1:
        raise UsageError(
            f"{fraction} is not a share", place="holdout(): fraction", fix="give a number above 0 and below 1"
        )
    sizes = Counter(patients)
    held: set[str] = set()
    wanted, taken = 0.0, 0
    for members in _by_stratum(patients, strata, seed, purpose).values():
        # What rounding left over in one stratum is made up for in the next, so that the total is right too.
        wanted += fraction * sum(sizes[patient] for patient in members)
        for patient in members:
            if taken + sizes[patient] / 2 > wanted:
                break
            held.add(patient)
            taken += sizes[patient]
    aside = [i for i, patient in enumerate(patients) if patient in held]
    return [i for i, patient in enumerate(patients) if patient not in held], aside


def stratified_folds(
    patients: Sequence[str], strata: Sequence[str], n_folds: int, val_fraction: float, seed: int
) -> list[Parts]:
    """Cross-validation folds: every slide is tested once, and each fold's rest is split into train and val.

    Args:
        patients: patient of each slide, (n,); a patient stands in one part of a fold only.
        strata: stratum of each slide, (n,).
        n_folds: number of folds, at least 2 and at most the number of patients.
        val_fraction: share of the slides that are not tested which goes to ``val``.
        seed: another seed gives other folds.

    Returns:
        One mapping per fold: part → indices of slides.

    Raises:
        UsageError: unequal lengths, or more folds than patients.
    """
    _check(patients, strata)
    sizes = Counter(patients)
    if not 2 <= n_folds <= len(sizes):
        raise UsageError(
            f"{n_folds} folds of {len(sizes)} patients cannot be made",
            place="stratified_folds(): n_folds",
            fix="give a number from 2 to the number of patients",
        )
    fold_of: dict[str, int] = {}
    total = [0] * n_folds
    for members in _by_stratum(patients, strata, seed, "fold").values():
        here = [0] * n_folds
        # Those with many slides first: what comes later can still even them out (the sort keeps the hashed order).
        for patient in sorted(members, key=lambda name: -sizes[name]):
            chosen = min(range(n_folds), key=lambda k: (here[k], total[k], k))
            fold_of[patient] = chosen
            here[chosen] += sizes[patient]
            total[chosen] += sizes[patient]
    return [_fold(patients, strata, fold_of, fold, val_fraction, seed) for fold in range(n_folds)]


def _fold(
    patients: Sequence[str],
    strata: Sequence[str],
    fold_of: Mapping[str, int],
    fold: int,
    val_fraction: float,
    seed: int,
) -> Parts:
    rest = [i for i, patient in enumerate(patients) if fold_of[patient] != fold]
    train, val = holdout(
        [patients[i] for i in rest], [strata[i] for i in rest], val_fraction, seed, purpose=f"val of fold {fold}"
    )
    return {
        "train": [rest[i] for i in train],
        "val": [rest[i] for i in val],
        "test": [i for i, patient in enumerate(patients) if fold_of[patient] == fold],
    }


def as_folds(slides: Sequence[str], made: Sequence[Parts], *, without: Collection[str] = ()) -> tuple[Fold, ...]:
    """Folds of slide ids from folds of indices.

    Args:
        slides: slide ids, (n,).
        made: one mapping per fold, part → indices into ``slides``.
        without: slides that are left out of every fold; the others keep their part.
    """
    return tuple(
        Fold(0, number, *(tuple(slides[i] for i in parts[part] if slides[i] not in without) for part in PARTS))
        for number, parts in enumerate(made)
    )


def given_test(
    patients: Sequence[str], strata: Sequence[str], tested: Sequence[bool], val_fraction: float, seed: int
) -> Parts:
    """The one fold of a dataset that comes with its own test set: of the others, some are set aside for validation.

    Args:
        patients, strata: of each slide, (n,).
        tested: whether a slide is of the given test set, (n,).
        val_fraction: share of the other slides that goes to ``val``.
        seed: another seed gives another ``val``.
    """
    rest = [i for i, test in enumerate(tested) if not test]
    train, val = holdout([patients[i] for i in rest], [strata[i] for i in rest], val_fraction, seed)
    return {
        "train": [rest[i] for i in train],
        "val": [rest[i] for i in val],
        "test": [i for i, test in enumerate(tested) if test],
    }


def _by_stratum(patients: Sequence[str], strata: Sequence[str], seed: int, purpose: str) -> dict[str, list[str]]:
    """Stratum → its patients in hashed order. A patient with slides of several strata counts for the rarest."""
    frequency = Counter(strata)
    stratum_of: dict[str, str] = {}
    for patient, stratum in zip(patients, strata, strict=True):
        other = stratum_of.get(patient, stratum)
        stratum_of[patient] = min(other, stratum, key=lambda name: (frequency[name], name))
    groups: dict[str, list[str]] = {stratum: [] for stratum in sorted(set(stratum_of.values()))}
    for patient in sorted(stratum_of, key=lambda name: derive_seed(seed, purpose, stratum_of[name], name)):
        groups[stratum_of[patient]].append(patient)
    return groups


def _check(patients: Sequence[str], strata: Sequence[str]) -> None:
    if len(patients) != len(strata) or not patients:
        raise UsageError(
            f"{len(patients)} patients and {len(strata)} strata", place="make_splits", fix="give one of each per slide"
        )
