"""The leak audit of a whole study: every fold, near-duplicates, sites, and a report of what was compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from harness.datasets.dataset import Dataset
from harness.datasets.splits import Fold
from harness.datasets.table import listed
from harness.protocols.audit import audit, leaking_patients
from harness.protocols.audit_repeats import audit_repeats, in_no_fold
from harness.protocols.near_duplicates import Comparison, NearDuplicate
from harness.protocols.sites import Sites, site_column, sites_of


class TrainedElsewhere(Protocol):
    """Something that was trained before the study: says which slides it may be used on, and refuses others."""

    def audit(self, fold: Fold, *, stage: str) -> None:
        """Raise LeakError where it must not be used in ``fold``."""


@dataclass(frozen=True)
class AuditReport:
    """What the audit has found in a study that does not leak.

    Attributes:
        folds: how many folds were looked at.
        slides, patients: how many stand in them.
        compared: pairs of slides whose content was compared, by measure: ``content`` (identical), ``thumbnails``,
            ``rows``.
        warnings: what is odd but leaks nothing.
        sites: which sites stand where; None where the label table does not tell.
        unchecked: what could not be checked, one sentence each.
        excepted: near-duplicates that the card declares to be different slides.
        unused: slides of the label table that no fold uses.
        suspected: pairs of slides in two parts of a fold that may be the same slide or sections of one block.
        leaking: how many patients have slides in two parts of a fold; None where the protocol allows no leaks.
    """

    folds: int
    slides: int
    patients: int
    compared: Mapping[str, int]
    warnings: tuple[str, ...] = ()
    sites: Sites | None = None
    unchecked: tuple[str, ...] = ()
    excepted: tuple[NearDuplicate, ...] = ()
    unused: tuple[str, ...] = ()
    suspected: tuple[NearDuplicate, ...] = ()
    leaking: int | None = None

    @property
    def lines(self) -> tuple[str, ...]:
        """In a few lines, for the terminal; warnings apart."""
        pairs = ", ".join(f"{count:,} pairs by {measure}" for measure, count in self.compared.items())
        verdict = "no leak" if self.leaking is None else f"leaks are allowed, and {self.leaking} patients leak"
        first = (
            f"{verdict}: {self.folds} folds, {self.slides} slides of {self.patients} patients; {pairs or 'no content'}"
        )
        excepted = [f"declared different: {one.one} and {one.other} ({one.words})" for one in self.excepted]
        sites = [] if self.sites is None else [self.sites.words]
        unused = [f"{len(self.unused)} slides of the label table are in no fold: {listed(self.unused)}"]
        return (
            first,
            *sites,
            *(unused if self.unused else []),
            *excepted,
            *(f"not checked: {text}" for text in self.unchecked),
        )

    def as_dict(self) -> dict[str, Any]:
        """For the evidence; JSON-able."""
        return {
            "folds": self.folds,
            "slides": self.slides,
            "patients": self.patients,
            "compared_pairs": dict(self.compared),
            "warnings": list(self.warnings),
            "sites": None if self.sites is None else self.sites.as_dict(),
            "not_checked": list(self.unchecked),
            "in_no_fold": list(self.unused),
            "declared_different": [_as_dict(one) for one in self.excepted],
            "suspected": [_as_dict(one) for one in self.suspected],
            **({"leaking_patients": self.leaking} if self.leaking is not None else {}),
        }


def _as_dict(pair: NearDuplicate) -> dict[str, Any]:
    picture = {} if pair.picture is None else {"picture": str(pair.picture)}
    return {"slides": [pair.one, pair.other], "measure": pair.measure, "value": pair.value, **picture}


def apart(fold: Fold, pair: NearDuplicate) -> bool:
    """Whether the two slides stand in different parts of ``fold``."""
    return len([part for part, slides in fold.parts() if not pair.pair.isdisjoint(slides)]) > 1


def audit_study(
    dataset: Dataset,
    folds: Sequence[Fold],
    content: Mapping[str, str] | None,
    *,
    asked: Sequence[Fold] | None = None,
    comparison: Comparison | None = None,
    trained_elsewhere: Mapping[str, TrainedElsewhere] | None = None,
    unchecked: Sequence[str] = (),
    allow_leaks: bool = False,
) -> AuditReport:
    """Refuse a study that leaks; see :func:`harness.protocols.audit.audit`.

    Args:
        dataset: gives patients, sites, and the pairs that its card declares different.
        folds: all folds of the protocol.
        content: slide id → SHA-256 of its content; None where the data is not there yet.
        asked: the folds that are run: only they use what ``trained_elsewhere`` names; None for all.
        comparison: which slides are nearly the same; None where nothing could be compared.
        trained_elsewhere: what was trained elsewhere and is used here (a tuned encoder), by the name it has in errors.
        unchecked: what the caller knows that cannot be checked, one sentence each.
        allow_leaks: whether the protocol allows patients and content on two sides.

    Raises:
        LeakError: two parts share a slide, a patient, or content that is the same or nearly so; two folds of one repeat
            test the same slide or patient; or something in ``trained_elsewhere`` saw slides that it must not have seen.
        DataError: unknown slides or unknown content.
    """
    declared = dataset.card.not_duplicates
    known = comparison.without(declared) if comparison is not None else None
    near = known.pairs if known is not None else ()
    found = [one for fold in folds for one in audit(fold, dataset.patients, content, near=near, allowed=allow_leaks)]
    warnings: dict[str, None] = dict.fromkeys(found)
    warnings |= dict.fromkeys(audit_repeats(folds, dataset.patients, allowed=allow_leaks))
    for fold in folds if asked is None else asked:
        for stage, thing in (trained_elsewhere or {}).items():
            thing.audit(fold, stage=stage)
    used = {slide for fold in folds for _, part in fold.parts() for slide in part}
    compared = {} if content is None else {"content": len(used) * (len(used) - 1) // 2}
    if known is not None:
        compared[known.measure] = known.compared
    suspected = [pair for pair in known.suspected if any(apart(fold, pair) for fold in folds)] if known else []
    warnings |= dict.fromkeys(map(_suspicion, suspected))
    sites = sites_of(dataset, folds)
    if sites is not None and sites.warning is not None:
        warnings[sites.warning] = None
    return AuditReport(
        folds=len(folds),
        slides=len(used),
        patients=len({dataset.patients[slide] for slide in used}),
        compared=compared,
        warnings=tuple(warnings),
        sites=sites,
        unchecked=(*_unchecked(dataset, content, known), *unchecked),
        excepted=() if known is None else known.excepted,
        unused=in_no_fold(folds, dataset.slides),
        suspected=tuple(suspected),
        leaking=_leaking(folds, dataset) if allow_leaks else None,
    )


def _leaking(folds: Sequence[Fold], dataset: Dataset) -> int:
    return len({name for fold in folds for name in leaking_patients(fold, dataset.patients)})


def _suspicion(pair: NearDuplicate) -> str:
    return (
        f"suspected to be the same slide, or sections of one block, in two parts of a fold: {pair.one} and "
        f"{pair.other} ({pair.words}). If so, give them one patient; if not, list the pair under not_duplicates in "
        "the card"
    )


def _unchecked(dataset: Dataset, content: Mapping[str, str] | None, comparison: Comparison | None) -> list[str]:
    """What the audit says nothing about."""
    found = []
    if content is None:
        found.append("identical content: the data was not opened")
    if comparison is None:
        found.append("near-duplicates: there is nothing to compare")
    elif comparison.unknown:
        found.append(
            f"near-duplicates of {len(comparison.unknown)} slides without thumbnail: {listed(comparison.unknown)}"
        )
    if all(entry.patient == entry.slide for entry in dataset.entries):
        found.append("patients: every slide is its own in the label table")
    if site_column(dataset) is None:
        found.append("whether label and site go together: the label table has no column of sites")
    return found
