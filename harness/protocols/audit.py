"""The leak audit: no slide, patient or content may stand on two sides of a split. It runs before any training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from itertools import combinations
from typing import Literal

from harness.core.errors import DataError, LeakError
from harness.datasets.splits import Fold
from harness.datasets.table import listed
from harness.protocols.near_duplicates import NearDuplicate


def audit(
    fold: Fold,
    patients: Mapping[str, str],
    fingerprints: Mapping[str, str] | None,
    *,
    near: Iterable[NearDuplicate] = (),
    allowed: bool = False,
) -> tuple[str, ...]:
    """Refuse a fold that leaks.

    Args:
        fold: train, validation and test slides.
        patients: slide id → patient id, for every slide of the label table.
        fingerprints: slide id → SHA-256 of its content; None where the data is not there yet (a dry run), and
            content is then not compared.
        near: pairs of slides whose content is nearly the same (see :mod:`harness.protocols.near_duplicates`).
        allowed: patients and content on two sides are a warning, not an error: for a protocol that is never ranked.
            A slide that is itself on two sides is refused all the same.

    Returns:
        Warnings: slides with identical or nearly identical content inside one part. They leak nothing, but count
        twice. With ``allowed``, also how much leaks.

    Raises:
        LeakError: train, validation and test share a slide, a patient, or content that is the same or nearly so, or a
            part holds a slide several times; every offender is named.
        DataError: the fold lists slides that the label table does not know, or whose content is unknown.
    """
    _check_known(fold, patients, fingerprints)
    slides = [*_repeated(fold)]
    leaks: list[str] = []
    for (one, here), (other, there) in combinations(fold.parts(), 2):
        slides += _shared_slides(one, here, other, there)
        leaks += _shared(
            one, here, other, there, patients, "patient {key} is in {one} ({here}) and in {other} ({there})"
        )
        if fingerprints is not None:
            leaks += _shared(
                one, here, other, there, fingerprints, "the same content is in {one} ({here}) and in {other} ({there})"
            )
    across, twins = _near(fold, near, fingerprints or {})
    leaks += across
    if slides or (leaks and not allowed):
        leaks = slides + leaks
        raise LeakError(
            f"the split leaks{_how_many(fold, patients)}: {leaks[0]}"
            + (f"; and {len(leaks) - 1} more: {'; '.join(leaks[1:])}" * (len(leaks) > 1)),
            place=f"repeat {fold.repeat}, fold {fold.fold}",
            fix="put all slides of a patient, and all copies of a slide, into one part of the split file"
            + ("; if these are different slides, list the pair under not_duplicates in the card" if across else ""),
        )
    known = f"repeat {fold.repeat}, fold {fold.fold} leaks{_how_many(fold, patients)}, which its protocol allows: "
    warned = [known + listed(leaks, most=3)] if leaks else []
    return (*warned, *(() if fingerprints is None else _twins(fold, fingerprints)), *twins)


def leaking_patients(fold: Fold, patients: Mapping[str, str]) -> tuple[str, ...]:
    """Patients with slides in two parts of a fold, in the order of its parts."""
    seen = Counter(patient for _, slides in fold.parts() for patient in {patients[slide] for slide in slides})
    return tuple(dict.fromkeys(p for _, slides in fold.parts() for s in slides if seen[p := patients[s]] > 1))


def _how_many(fold: Fold, patients: Mapping[str, str]) -> str:
    """How many patients stand on two sides; nothing where none does, or one alone, who is named anyway."""
    leaking = leaking_patients(fold, patients)
    every = len({patients[slide] for _, slides in fold.parts() for slide in slides})
    return f" ({len(leaking)} of {every} patients have slides in two parts)" if len(leaking) > 1 else ""


def audit_stage(
    fold: Fold,
    seen: Iterable[str],
    *,
    stage: str,
    allowed: Collection[str] = ("train",),
    how: Literal["trained", "chosen"] = "trained",
) -> None:
    """Refuse a model that was trained (or chosen) on slides it must not have seen in this fold.

    For what is carried from one stage or unit to another: an encoder that was tuned for fold k may be used in fold k
    only, because it saw other folds' test slides.

    Args:
        fold: the fold it is to be used in.
        seen: slides that it was trained on.
        stage: what it is called, for the error.
        allowed: the parts of ``fold`` it may have seen.
        how: what they were used for.

    Raises:
        LeakError: it saw slides of another part, or slides that the fold leaves out.
    """
    may = {slide for part, slides in fold.parts() if part in allowed for slide in slides}
    part_of = {slide: part for part, slides in fold.parts() for slide in slides}
    wrong = sorted(set(seen) - may)
    if wrong:
        shown = listed([f"{slide} ({part_of.get(slide, 'in no part')})" for slide in wrong])
        raise LeakError(
            f"{stage} was {how} on {len(wrong)} slides that it must not have seen: {shown}",
            place=f"repeat {fold.repeat}, fold {fold.fold}",
            fix=f"{'train' if how == 'trained' else 'choose'} it again on {' and '.join(allowed)} of this fold",
        )


def _check_known(fold: Fold, patients: Mapping[str, str], fingerprints: Mapping[str, str] | None) -> None:
    slides = [slide for _, part in fold.parts() for slide in part]
    strange = [slide for slide in slides if slide not in patients]
    if strange:
        raise DataError(
            f"the split lists {len(strange)} slides that the label table does not know: {listed(strange)}",
            place=f"repeat {fold.repeat}, fold {fold.fold}",
            fix="correct the ids in the split file, or add the slides to the label table",
        )
    blank = [slide for slide in slides if fingerprints is not None and not fingerprints.get(slide)]
    if blank:
        raise DataError(
            f"the content of {len(blank)} slides is unknown, so that copies cannot be ruled out: {listed(blank)}",
            place=f"repeat {fold.repeat}, fold {fold.fold}",
            fix="prepare the slides first, or leave them out of the split",
        )


def _repeated(fold: Fold) -> Iterable[str]:
    for part, slides in fold.parts():
        yield from (f"slide {slide} stands {n} times in {part}" for slide, n in Counter(slides).items() if n > 1)


def _shared_slides(one: str, here: Collection[str], other: str, there: Collection[str]) -> list[str]:
    both = set(there)
    return [f"slide {slide} is in {one} and in {other}" for slide in here if slide in both]


def _shared(
    one: str, here: Iterable[str], other: str, there: Iterable[str], key_of: Mapping[str, str], words: str
) -> list[str]:
    """A sentence for each key that different slides of two parts share."""
    left, right = _by_key(here, key_of), _by_key(there, key_of)
    return [
        words.format(key=key, one=one, here=", ".join(left[key]), other=other, there=", ".join(right[key]))
        for key in left
        # A slide that is itself in both parts is named once, by _shared_slides.
        if key in right and (set(left[key]) != set(right[key]) or len(left[key]) > 1)
    ]


def _by_key(slides: Iterable[str], key_of: Mapping[str, str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for slide in slides:
        groups.setdefault(key_of[slide], []).append(slide)
    return groups


def _twins(fold: Fold, fingerprints: Mapping[str, str]) -> Iterable[str]:
    for part, slides in fold.parts():
        for group in _by_key(slides, fingerprints).values():
            if len(group) > 1:
                yield f"identical content inside {part} of repeat {fold.repeat}, fold {fold.fold}: {', '.join(group)}"


def _near(fold: Fold, near: Iterable[NearDuplicate], fingerprints: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Near-duplicates in two parts, and inside one."""
    part_of = {slide: part for part, slides in fold.parts() for slide in slides}
    order = [part for part, _ in fold.parts()]
    across, inside = [], []
    for pair in near:
        if pair.one not in part_of or pair.other not in part_of:
            continue
        if fingerprints.get(pair.one, pair.one) == fingerprints.get(pair.other, pair.other):
            continue  # the very same content is named already
        one, other = sorted((pair.one, pair.other), key=lambda slide: order.index(part_of[slide]))
        here, there = part_of[one], part_of[other]
        if here == there:
            where = f"{here} of repeat {fold.repeat}, fold {fold.fold}"
            inside.append(f"nearly the same content inside {where}: {one}, {other} ({pair.words})")
        else:
            across.append(f"nearly the same content is in {here} ({one}) and in {there} ({other}): {pair.words}")
    return across, inside
