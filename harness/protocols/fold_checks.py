"""Whether the parts of a fold hold what training, selection and scores need: known before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from harness.core.errors import DataError
from harness.datasets.card import ProtocolCard
from harness.datasets.dataset import Dataset
from harness.datasets.splits import Fold

HYPER_PARAMETERS = "the hyper-parameters (--trials)"
"""What a search chooses by validation slides, in words."""


def check_folds(dataset: Dataset, name: str, protocol: ProtocolCard, folds: Sequence[Fold], *, tuned: str = "") -> None:
    """Refuse folds in which training or validation cannot mean anything.

    Args:
        dataset: gives labels or follow-up.
        name, protocol: the protocol; says what validation slides are used for.
        folds: the folds that are to be run.
        tuned: the score by which hyper-parameters are chosen on the protocol's own validation slides; empty where they
            are not. That there are some is the tuner's to check.

    Raises:
        DataError: training slides of a single class, or of too few events; no validation slides, or slides of a
            single class (without a comparable pair of patients), where the protocol or tuning chooses by them.
    """
    for fold in folds:
        place = f"{dataset.name}, protocol {name}, {fold.name}"
        fitted = fold.train if protocol.fit_on == "train" or tuned else fold.train + fold.val
        dataset.task.check_training(dataset.truth(fitted), place=place)
        uses = _uses_of_validation(dataset, protocol)
        if uses and not fold.val:
            raise DataError(
                f"validation slides choose {' and '.join(uses)}, and the fold has none",
                place=place,
                fix="list validation slides in the split file, or set select: last and threshold: argmax in the card",
            )
        if tuned:
            uses.append(HYPER_PARAMETERS)
        if uses and fold.val:
            check_validation(dataset, fold, " and ".join(uses), place=place, metric=tuned)


def fold_warnings(dataset: Dataset, protocol: ProtocolCard, folds: Sequence[Fold]) -> Iterator[str]:
    """What leaves a score undefined, or a class unlearned, without keeping a study from running; one sentence each.

    Args:
        dataset: gives labels or follow-up.
        protocol: says which validation slides are used, and whether folds are pooled for their scores.
        folds: all folds of the protocol.
    """
    for fold in folds:
        for part, slides in (("training", fold.train), ("validation", fold.val)):
            chooses = part == "validation" and protocol.select == "best" and protocol.fit_on == "train"
            yield from dataset.task.fold_warnings(part, fold.name, dataset.truth(slides), chooses=chooses)
    for where, slides in _tested(protocol, folds):
        yield from dataset.task.fold_warnings("test", where, dataset.truth(slides))


def _uses_of_validation(dataset: Dataset, protocol: ProtocolCard) -> list[str]:
    """What the protocol chooses by validation slides, in words."""
    uses = []
    if protocol.select == "best" and protocol.fit_on == "train":
        uses.append("the epoch (select: best)")
    if protocol.threshold == "validation" and dataset.task.thresholded:
        uses.append("the threshold (threshold: validation)")
    return uses


def check_validation(dataset: Dataset, fold: Fold, uses: str, *, place: str, metric: str = "") -> None:
    """Refuse validation slides by which nothing can be chosen.

    Args:
        dataset: gives labels or follow-up.
        fold: its validation slides are checked.
        uses: what they choose, in words.
        place: where, for the error.
        metric: the score that chooses hyper-parameters; empty where there is none.

    Raises:
        DataError: they are of a single class, lack a class without which ``metric`` is undefined or, in survival, make
            no comparable pair of patients.
    """
    dataset.task.check_choice(dataset.truth(fold.val), uses, place=place, metric=metric)


def _tested(protocol: ProtocolCard, folds: Sequence[Fold]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What a score is computed of: the test slides of a fold or, where folds are pooled, of a repeat."""
    if protocol.auc == "mean":
        yield from ((fold.name, fold.test) for fold in folds)
        return
    for repeat, members in groupby(sorted(folds, key=lambda fold: fold.repeat), lambda fold: fold.repeat):
        yield f"repeat {repeat}", tuple(slide for fold in members for slide in fold.test)
