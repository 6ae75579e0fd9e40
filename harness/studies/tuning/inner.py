"""Inner folds: what the trials of one outer fold are trained and scored on. None of its test slides is among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.core.errors import UsageError
from harness.datasets.make_splits import stratified_folds
from harness.datasets.splits import Fold
from harness.protocols.fold_checks import HYPER_PARAMETERS, check_validation

if TYPE_CHECKING:
    from harness.datasets.dataset import Dataset

SEED = 0


def inner_folds(fold: Fold, count: int, dataset: Dataset, metric: str = "") -> tuple[Fold, ...]:
    """``count`` inner folds of an outer one.

    One is the protocol's own division into training and validation slides. More divide these slides again, by patient
    and stratified by label; each of them validates once. Inner folds have no test slides.

    Args:
        fold: the outer fold.
        count: how many inner folds.
        dataset: gives patients and labels.
        metric: the score that decides; empty where that is checked elsewhere.

    Raises:
        UsageError: the outer fold has no validation slides, or fewer patients than ``count``.
        DataError: an inner fold validates a single class, or lacks one without which ``metric`` is undefined.
    """
    if count == 1:
        if not fold.val:
            raise UsageError(
                f"{fold.name} has no validation slides to tune on",
                place="--trials",
                fix="add --tune-folds 5 to split its training slides, or choose another protocol",
            )
        return (Fold(fold.repeat, fold.fold, fold.train, fold.val, ()),)
    slides = fold.train + fold.val
    patients = [dataset.patients[slide] for slide in slides]
    strata = [str(dataset.by_slide[slide].label) for slide in slides]
    made = stratified_folds(patients, strata, count, 0.5, SEED)
    # The helper parts what is not tested into train and val; here the "test" part validates, and the rest trains.
    inner = tuple(
        Fold(
            fold.repeat,
            fold.fold,
            tuple(slides[i] for i in sorted(parts["train"] + parts["val"])),
            tuple(slides[i] for i in parts["test"]),
            (),
        )
        for parts in made
    )
    for number, one in enumerate(inner):
        place = f"{dataset.name}, {fold.name}, inner fold {number} of {count}"
        check_validation(dataset, one, HYPER_PARAMETERS, place=place, metric=metric)
    return inner
