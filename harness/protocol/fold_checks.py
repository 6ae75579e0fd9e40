"""Whether the parts of a fold hold what training, selection and scores need: known before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np

from harness.errors import DataError
from harness.protocol.card import ProtocolCard
from harness.protocol.dataset import Dataset
from harness.protocol.follow_up import FollowUp, cut_points
from harness.protocol.splits import Fold
from harness.protocol.table import listed

HYPER_PARAMETERS = "the hyper-parameters (--trials)"
"""What a search chooses by validation slides, in words."""

_DEFINED_WITHOUT_A_CLASS = frozenset({"", "accuracy", "log_loss"})


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
        if dataset.card.task == "survival":
            cut_points(dataset.follow_up(fitted), dataset.card.intervals, place=place)
        elif len(one := _classes(dataset, fitted)) == 1:
            raise _one_class("training", one, "nothing can be learned", place)
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
    if dataset.card.task == "survival":
        for where, slides in _tested(protocol, folds):
            if not _comparable(dataset.follow_up(slides)):
                yield f"the C-index of {where} is undefined: its test patients make no comparable pair"
        return
    for fold in folds:
        for part, slides in (("training", fold.train), ("validation", fold.val)):
            if slides and len(dataset.card.classes) > 2 and (lacking := _lacking(dataset, slides)):
                by_loss = part == "validation" and protocol.select == "best" and protocol.fit_on == "train"
                consequence = ": its AUC is undefined, and the loss chooses the epoch" * by_loss
                yield f"no {part} slide of {fold.name} is {lacking}{consequence}"
    for where, slides in _tested(protocol, folds):
        if lacking := _lacking(dataset, slides):
            yield f"the AUC of {where} is undefined, and with it that of the whole study: no test slide is {lacking}"


def _uses_of_validation(dataset: Dataset, protocol: ProtocolCard) -> list[str]:
    """What the protocol chooses by validation slides, in words."""
    uses = []
    if protocol.select == "best" and protocol.fit_on == "train":
        uses.append("the epoch (select: best)")
    if protocol.threshold == "validation" and dataset.card.task == "classification" and len(dataset.card.classes) == 2:
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
    if dataset.card.task == "survival":
        if not _comparable(dataset.follow_up(fold.val)):
            raise DataError(
                f"validation patients choose {uses}, and no two of them make a comparable pair",
                place=place,
                fix="put patients with an event, and others with a longer follow-up, into the validation part",
            )
    elif len(one := _classes(dataset, fold.val)) == 1:
        raise _one_class("validation", one, f"they cannot choose {uses}", place)
    elif metric not in _DEFINED_WITHOUT_A_CLASS and (lacking := _lacking(dataset, fold.val)):
        raise DataError(
            f"no validation slide is {lacking}: {metric}, which chooses {HYPER_PARAMETERS}, is undefined",
            place=place,
            fix="put slides of every class into the validation part of the split file, or add --tune-metric log_loss",
        )


def _one_class(part: str, classes: set[str], consequence: str, place: str) -> DataError:
    return DataError(
        f"all {part} slides are of one class ({listed(sorted(classes))}): {consequence}",
        place=place,
        fix=f"put slides of every class into the {part} part of the split file",
    )


def _tested(protocol: ProtocolCard, folds: Sequence[Fold]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What a score is computed of: the test slides of a fold or, where folds are pooled, of a repeat."""
    if protocol.auc == "mean":
        yield from ((fold.name, fold.test) for fold in folds)
        return
    for repeat, members in groupby(sorted(folds, key=lambda fold: fold.repeat), lambda fold: fold.repeat):
        yield f"repeat {repeat}", tuple(slide for fold in members for slide in fold.test)


def _classes(dataset: Dataset, slides: Sequence[str]) -> set[str]:
    return {dataset.card.classes[dataset.by_slide[slide].label] for slide in slides}


def _lacking(dataset: Dataset, slides: Sequence[str]) -> str:
    have = _classes(dataset, slides)
    return " or ".join(name for name in dataset.card.classes if name not in have)


def _comparable(seen: FollowUp) -> bool:
    """Whether of any two it is known who had the event first, see :func:`harness.evaluation.survival.c_index`."""
    times, events = np.asarray(seen.times), np.asarray(seen.events).astype(bool)
    if not events.any():
        return False
    first = times[events].min()
    return bool((times > first).any() or ((times == first) & ~events).any())
