"""Filling the MLflow view from the evidence: files, scores and figures of every unit and study."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core import console
from harness.core.hashing import sha256_json
from harness.evaluation.study_scores import Score
from harness.results.evidence_files import STUDY, hash_of
from harness.results.mlflow.content import VERSION, origin_tags
from harness.results.mlflow.states import RunStates
from harness.results.mlflow.view import MlflowView
from harness.results.names import without_password
from harness.results.predictions import PREDICTIONS
from harness.results.staging import ARTEFACTS, CURVE, RECORD
from harness.results.store import LOG, TRIALS, RunStore
from harness.results.study_table import input_text, labels_text, markdown, overlap_text
from harness.results.summary import study_predictions, summarise
from harness.results.verified import Verifier
from harness.tasks.plots import curve_figure
from harness.tasks.registry import task_of

if TYPE_CHECKING:
    from harness.results.record import Record
    from harness.results.studies import Failure, Study
    from harness.verification.finding import Verification

FIGURES = "figures"


class Publisher:
    """Shows evidence in MLflow as it comes in.

    The view can always be made again, so nothing here stops a run, whether it is MLflow that fails or the reading of
    evidence that another process changes meanwhile: the first failure is told once and ends the publishing of this
    process.

    Args:
        store: the evidence.
        uri: tracking URI; None for ``$MLFLOW_TRACKING_URI``, or else SQLite in the runs folder.

    Attributes:
        broken: why publishing has ended; empty while it works.
        moved: how many experiments and runs named artefacts outside of the runs folder, and were corrected.
    """

    def __init__(self, store: RunStore, uri: str | None = None) -> None:
        self.store = store
        self.broken = ""
        self.moved = 0
        self._uri = uri
        self._view: MlflowView | None = None

    def unit(self, record: Record) -> bool:
        """Show a finished unit; whether anything had to be written."""
        return self._guarded(lambda view: self._unit(view, record, self._hash(record)))

    def failure(self, failure: Failure) -> bool:
        """Show a unit that failed; whether anything had to be written."""
        return self._guarded(lambda view: view.write_failure(failure, failure_hash(failure)))

    def study(self, study_id: str) -> bool:
        """Bring a study and its units up to date; whether anything had to be written.

        Units are shown as they finish; those that a kill or an earlier failure of MLflow kept from it are added.
        """
        return self._guarded(lambda view: self._sync_study(view, self.store.study(study_id), Verifier(self.store)) > 0)

    def sync(self) -> int:
        """Write everything that the view does not show yet; how many runs had to be written. Twice adds nothing."""
        every = self.store.studies()
        studies = [study for study in every if study.records or study.failures]
        units = sum(len(study.records) + len(study.failures) for study in studies)
        verifier = Verifier(self.store, studies=every)
        states: dict[str, RunStates] = {}
        written = 0

        def write(study: Study, view: MlflowView) -> bool:
            nonlocal written
            if study.dataset not in states:
                states[study.dataset] = view.states(study.dataset)
            written += self._sync_study(view, study, verifier, states[study.dataset], bar.advance)
            return True

        with console.progress("MLflow", units) as bar:
            for study in studies:
                self._guarded(partial(write, study))
        return written

    def _sync_study(
        self,
        view: MlflowView,
        study: Study,
        verifier: Verifier,
        states: RunStates | None = None,
        advance: Callable[[], object] = lambda: None,
    ) -> int:
        shown = view.shown(study, states)
        hashes = {record.unit_id: self._hash(record) for record in study.records}
        written = 0
        for record in study.records:
            shows = hashes[record.unit_id]
            written += shown.units.get(record.unit_id) != shows and self._unit(view, record, shows)
            advance()
        for failure in study.failures:
            known = failure_hash(failure)
            written += shown.units.get(failure.unit_id) != known and view.write_failure(failure, known)
            advance()
        plans = [self.store.study_folder(study.study_id) / name for name in (STUDY, TRIALS)]
        metrics = task_of(study.records[0].config).metrics if study.records else ()
        verification = verifier.study(study)
        told = [verification.status, verification.reason]
        evidence = [*map(_file_hash, plans), hashes, sorted(map(failure_hash, study.failures)), list(metrics), told]
        shows = _hash_of(evidence)
        if shown.study == shows:
            return written
        return written + self._write_study(view, study, shows, verification)

    def _unit(self, view: MlflowView, record: Record, shows: str) -> bool:
        def files() -> dict[str, Path]:
            return unit_files(self.store, record)

        return view.write_unit(record, shows, files, lambda: self.store.curve(record.unit_id))

    def _hash(self, record: Record) -> str:
        """Hash of a unit's evidence: its record holds those of its other files."""
        return _hash_of([_file_hash(self.store.unit_folder(record.unit_id) / RECORD)])

    def _write_study(self, view: MlflowView, study: Study, shows: str, verification: Verification) -> bool:
        summary = summarise(self.store, study)
        tags = {
            "gpu": summary.cost.gpu,
            "ranked": str(study.ranked and not verification.findings),
            "verification": verification.status,
            "verification.reason": verification.reason,
            "labels": labels_text(study),
            **origin_tags(study.records),
            **({"input": text} if (text := input_text(study)) else {}),
            **({"pretraining_overlap": text} if (text := overlap_text(study)) else {}),
            "mlflow.note.content": markdown(summary),
        }
        score = next(iter(summary.scores.scores.values()), None) if summary.scores else None
        view.write_study(study, shows, summary.metrics(), tags, study_files(self.store, study, score))
        return True

    def _guarded(self, write: Callable[[MlflowView], bool]) -> bool:
        """Do ``write`` unless publishing has failed before."""
        if self.broken:
            return False
        try:
            if self._view is None:
                self._view = MlflowView(self.store.root, self._uri)
                self.moved = self._view.moved
            return write(self._view)
        except Exception as error:  # a server that is down, a full disk, a locked database: the evidence is safe
            self.broken = without_password((str(error).strip().splitlines() or [type(error).__name__])[0])
            console.warn(
                f"MLflow is not kept up to date: {self.broken} (the evidence in {self.store.root} is complete; "
                "bench sync fills in what is missing)"
            )
            return False


def failure_hash(failure: Failure) -> str:
    """Hash of what is known of a failure."""
    return _hash_of([failure.unit_id, failure.reason, failure.attempts, failure.time])


def _hash_of(evidence: list[Any]) -> str:
    """Hash of evidence as this version of the view shows it."""
    return sha256_json([VERSION, *evidence])


def _file_hash(path: Path) -> str:
    return hash_of(path) or ""


def unit_files(store: RunStore, record: Record) -> dict[str, Path]:
    """Artefacts of a unit's run: the evidence itself. Its figures are those of the study: drawing takes longest."""
    folder = store.unit_folder(record.unit_id)
    files = {name: folder / name for name in (RECORD, PREDICTIONS, CURVE, LOG)}
    files |= {f"{ARTEFACTS}/{path.name}": path for path in sorted((folder / ARTEFACTS).glob("*"))}
    return _real(files)


def study_files(store: RunStore, study: Study, score: Score | None) -> dict[str, Path]:
    """Artefacts of a study's run; the figures stay in the study's folder."""
    folder = store.study_folder(study.study_id)
    files = {STUDY: folder / STUDY, TRIALS: folder / TRIALS}
    data = study_predictions(store, study)
    if data is not None:
        part = "" if study.complete else f" ({len(study.records)}/{len(study.planned or ()) or '?'} units)"
        title = f"{study.method} on {study.dataset}, {study.protocol}{part}"
        first = study.records[0]
        figures = task_of(first.config).study_figures(data, first.classes, title, score)
        curves = [store.curve(record.unit_id) for record in study.records]
        figures["curve.png"] = curve_figure(curves, title=title)
        files |= _written(folder, figures)
    return _real(files)


def _real(files: Mapping[str, Path]) -> dict[str, Path]:
    """Those that are there. Links are left out: in a runs folder from elsewhere they could lead to any file here."""
    return {name: path for name, path in files.items() if path.is_file() and not path.is_symlink()}


def _written(folder: Path, figures: Mapping[str, bytes | None]) -> dict[str, Path]:
    """Write the figures to ``folder``; path among the artefacts → file."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for name, png in figures.items():
        if png is not None:
            (folder / name).write_bytes(png)
            files[f"{FIGURES}/{name}"] = folder / name
    return files
