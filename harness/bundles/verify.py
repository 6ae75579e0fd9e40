"""Verification of a bundle: all that predictions determine is computed again, and what differs is named."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.bundles.archive import read_members
from harness.bundles.attestation import check_attestation
from harness.bundles.members import ATTESTATION, MANIFEST, PREDICTIONS, Members, read_manifest, refused
from harness.bundles.restore import restore
from harness.results.store import RunStore
from harness.results.summary import study_predictions
from harness.results.verified import Verifier
from harness.verification.finding import Finding, Verification

if TYPE_CHECKING:
    from harness.datasets.dataset import Dataset
    from harness.evaluation.study_scores import StudyScores
    from harness.results.studies import Study


@dataclass(frozen=True)
class BundleReport:
    """What the verification of a bundle came to.

    Attributes:
        study_id, method, dataset, protocol: what it is of.
        units: how many units it has.
        scores: score → value of the predictions, computed here.
        verification: what differs, and what could not be compared.
        signed_by: identity of the key that signed it; empty without a signature.
    """

    study_id: str
    method: str
    dataset: str
    protocol: str
    units: int
    scores: dict[str, float]
    verification: Verification
    signed_by: str = ""

    @property
    def accepted(self) -> bool:
        """Whether everything was compared and nothing differs."""
        return self.verification.status == "verified"


def verify_bundle(path: Path, *, dataset: Dataset | None = None) -> BundleReport:
    """Verify a bundle, or the folder of an entry.

    Args:
        path: the file or folder.
        dataset: what it is compared with; None looks it up by its name.

    Raises:
        DataError: it is no bundle, its bytes were changed, or a member is not what it has to be.
    """
    return verify_members(read_members(path), str(path), dataset=dataset)


def verify_members(members: Members, place: str, *, dataset: Dataset | None = None) -> BundleReport:
    """As :func:`verify_bundle`, from the members; ``place`` says where they are from."""
    manifest = read_manifest(members, place)
    with tempfile.TemporaryDirectory(prefix="wsibench-") as scratch:
        study = restore(members, manifest, Path(scratch), place)
        store = RunStore(Path(scratch))
        scores = _scores(store, study, place)
        found = Verifier(store, dataset=dataset, deep=True).study(study, scores)
        further = (*_missing(found), *_intervals(study, scores))
        signed_by = ""
        if ATTESTATION in members:
            signed_by = check_attestation(members[ATTESTATION], store, study, f"{place}, {ATTESTATION}")
        return BundleReport(
            **{name: manifest[name] for name in ("study_id", "method", "dataset", "protocol")},
            units=len(study.records),
            scores={name: score.value for name, score in scores.scores.items()},
            verification=Verification(found.study_id, (*found.findings, *further), found.unchecked, found.missing),
            signed_by=signed_by,
        )


def _scores(store: RunStore, study: Study, place: str) -> StudyScores:
    """The scores of the predictions, with intervals."""
    from harness.evaluation.study_scores import study_scores

    try:
        data = study_predictions(store, study)
        if data is None or not len(data):
            raise ValueError("there are none")
        return study_scores(data)
    except (ValueError, IndexError) as error:
        raise refused(f"the predictions cannot be scored: {error}", f"{place}, {PREDICTIONS}") from None


def _missing(found: Verification) -> Iterator[Finding]:
    if found.missing:
        problem = f"{found.missing} units of the plan are missing"
        yield Finding.of("plan", f"{found.study_id}, {MANIFEST}", problem, "incomplete", "every fold and seed")


def _intervals(study: Study, scores: StudyScores) -> Iterator[Finding]:
    """Limits in study.json that no bootstrap of the predictions gives, beyond the chance of its draws."""
    for name, stated in study.stored_scores.items():
        true = scores.scores.get(name)
        if true is None:
            continue
        room = _ROOM * abs(true.high - true.low) + _LEAST
        for field in ("low", "high"):
            a, b = stated.get(field), getattr(true, field)
            if a is not None and abs(a - b) > room:
                problem = f"{name} ({field}) is not that of the predictions"
                yield Finding.of("score", f"{study.study_id}, study.json, scores", problem, a, float(b))


_ROOM, _LEAST = 0.15, 1e-6
"""How far a limit may lie from ours: 15 % of the interval's width is six times the error of 2000 resamples."""
