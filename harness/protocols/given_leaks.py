"""The leak audit of splits that somebody else has made, before a dataset is made with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.core.errors import LeakError
from harness.datasets.splits import Fold
from harness.datasets.table import listed
from harness.protocols.audit import audit, leaking_patients
from harness.protocols.audit_repeats import audit_repeats


def check_given(folds: Sequence[Fold], patients: Mapping[str, str], *, place: str, allowed: bool) -> str:
    """Refuse splits that leak, or say how much they do.

    Args:
        folds: all folds.
        patients: slide id → patient id.
        place: where the splits are, for the error.
        allowed: patients on two sides are taken as they are.

    Returns:
        How many patients leak, in a sentence; empty where none does.

    Raises:
        LeakError: a slide is in two parts of a fold, or a patient is and this is not ``allowed``; or several folds
            test the same patient though no fold leaks.
    """
    of_fold = {fold.name: leaking_patients(fold, patients) for fold in folds}
    leaking = list(dict.fromkeys(name for names in of_fold.values() for name in names))
    for fold in folds:
        audit(fold, patients, None, allowed=True)
    if not leaking:
        audit_repeats(folds, patients)
        return ""
    every = len({patients[slide] for fold in folds for _, slides in fold.parts() for slide in slides})
    counts = [f"{name} {len(names)}" for name, names in of_fold.items() if names]
    words = (
        f"{len(leaking)} of {every} patients have slides in two parts of a fold ({listed(leaking)}; "
        f"by fold: {listed(counts, most=10)})"
    )
    if not allowed:
        raise LeakError(
            f"the splits leak: {words}",
            place=place,
            fix="put all slides of a patient into one part, or take the splits as they are with --allow-leaks, for a "
            "protocol that is never ranked",
        )
    return f"The splits leak: {words}."
