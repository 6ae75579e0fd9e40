"""The leak audit between the folds of one repeat: together they test each slide and each patient once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from harness.core.errors import LeakError
from harness.datasets.splits import Fold
from harness.datasets.table import listed


def audit_repeats(folds: Iterable[Fold], patients: Mapping[str, str], *, allowed: bool = False) -> tuple[str, ...]:
    """Refuse a repeat that tests something twice.

    Args:
        folds: all folds of a protocol.
        patients: slide id → patient id.
        allowed: a patient whose slides several folds test is a warning, not an error: for a protocol that allows leaks.

    Returns:
        Warnings: slides that a cross-validation (a repeat of several folds) uses and never tests.

    Raises:
        LeakError: two folds of one repeat test the same slide, or slides of the same patient. Its predictions would
            count twice in scores that pool the folds, as if they were independent; every offender is named.
    """
    warnings = []
    for repeat, group in _repeats(folds).items():
        slides, people = _twice(group, patients)
        if allowed and people:
            warnings.append(f"{len(people)} patients are tested by several folds of repeat {repeat}")
        if wrong := [*slides, *(() if allowed else people)]:
            raise LeakError(
                f"one repeat tests the same twice: {listed(wrong)}",
                place=f"repeat {repeat}",
                fix="put each patient into the test part of one fold; number independent random splits as repeats of "
                "their own",
            )
        used = dict.fromkeys(slide for fold in group for _, part in fold.parts() for slide in part)
        tested = {slide for fold in group for slide in fold.test}
        if len(group) > 1 and (never := [slide for slide in used if slide not in tested]):
            warnings.append(
                f"the {len(group)} folds of repeat {repeat} never test {len(never)} of the {len(used)} slides "
                f"that they use: {listed(never)}"
            )
    return tuple(warnings)


def in_no_fold(folds: Iterable[Fold], slides: Iterable[str]) -> tuple[str, ...]:
    """The ``slides`` that no fold of a protocol uses."""
    used = {slide for fold in folds for _, part in fold.parts() for slide in part}
    return tuple(slide for slide in slides if slide not in used)


def _repeats(folds: Iterable[Fold]) -> dict[int, list[Fold]]:
    repeats: dict[int, list[Fold]] = {}
    for fold in folds:
        repeats.setdefault(fold.repeat, []).append(fold)
    return repeats


def _twice(folds: Sequence[Fold], patients: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """A sentence for each slide that several folds test, and for each patient with different slides in several."""
    tests: dict[str, list[int]] = {}
    of_patient: dict[str, dict[str, list[int]]] = {}
    for fold in folds:
        for slide in fold.test:
            tests.setdefault(slide, []).append(fold.fold)
            of_patient.setdefault(patients[slide], {}).setdefault(slide, []).append(fold.fold)
    slides = [
        f"slide {slide} in folds {', '.join(map(str, where))}" for slide, where in tests.items() if len(where) > 1
    ]
    people = [
        f"patient {patient} ({', '.join(f'{slide} in fold {fold}' for slide, where in own.items() for fold in where)})"
        for patient, own in of_patient.items()
        if len(own) > 1 and len({fold for where in own.values() for fold in where}) > 1
    ]
    return slides, people
