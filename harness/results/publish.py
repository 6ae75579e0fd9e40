"""Filling the MLflow view from the evidence: figures, scores and files of every unit and study."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core import console
from harness.evaluation.study_scores import Score
from harness.results.evidence_files import STUDY
from harness.results.mlflow_view import MlflowView
from harness.results.names import without_password
from harness.results.predictions import PREDICTIONS
from harness.results.staging import ARTEFACTS, CURVE, RECORD
from harness.results.store import LOG, TRIALS, RunStore
from harness.results.study_table import input_text, labels_text, markdown, overlap_text
from harness.results.summary import as_predictions, study_predictions, summarise
from harness.tasks.plots import curve_figure
from harness.tasks.registry import task_of

if TYPE_CHECKING:
    from harness.results.record import Record
    from harness.results.studies import Failure, Study

FIGURES = "figures"


class Publisher:
    """Shows evidence in MLflow as it comes in.

    The view can always be made again, so nothing here stops a run: the first failure is told once and ends the
    publishing of this process.

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

        def write(view: MlflowView) -> bool:
            with tempfile.TemporaryDirectory() as scratch:
                return view.write_unit(
                    record, lambda: unit_files(self.store, record, Path(scratch)), self.store.curve(record.unit_id)
                )

        return self._guarded(write)

    def failure(self, failure: Failure) -> bool:
        """Show a unit that failed; whether anything had to be written."""
        return self._guarded(lambda view: view.write_failure(failure))

    def study(self, study_id: str) -> bool:
        """Bring a study and its units up to date; whether anything had to be written.

        Units are shown as they finish; those that a kill or an earlier failure of MLflow kept from it are added.
        """
        return self._sync_study(self.store.study(study_id)) > 0

    def sync(self) -> int:
        """Write everything that the view does not show yet; how many runs had to be written. Twice adds nothing."""
        studies = [study for study in self.store.studies() if study.records or study.failures]
        written = 0
        with console.progress("MLflow", len(studies)) as bar:
            for study in studies:
                written += self._sync_study(study)
                bar.advance()
        return written

    def _sync_study(self, study: Study) -> int:
        written = sum(self.unit(record) for record in study.records)
        written += sum(self.failure(failure) for failure in study.failures)
        return written + self._guarded(lambda view: self._write_study(view, study))

    def _write_study(self, view: MlflowView, study: Study) -> bool:
        summary = summarise(self.store, study)
        tags = {
            "gpu": summary.cost.gpu,
            "ranked": str(study.ranked),
            "labels": labels_text(study),
            **({"input": text} if (text := input_text(study)) else {}),
            **({"pretraining_overlap": text} if (text := overlap_text(study)) else {}),
            "mlflow.note.content": markdown(summary),
        }
        score = next(iter(summary.scores.scores.values()), None) if summary.scores else None
        return view.write_study(study, summary.metrics(), tags, lambda: study_files(self.store, study, score))

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


def unit_files(store: RunStore, record: Record, scratch: Path) -> dict[str, Path]:
    """Artefacts of a unit's run: the evidence itself, and figures of its scores drawn to ``scratch``."""
    folder = store.unit_folder(record.unit_id)
    files = {name: folder / name for name in (RECORD, PREDICTIONS, CURVE, LOG)}
    files |= {f"{ARTEFACTS}/{path.name}": path for path in sorted((folder / ARTEFACTS).glob("*"))}
    task = task_of(record.config)
    data = as_predictions(store.predictions([record.unit_id], task), record.classes, task)
    spec = record.spec
    title = f"{spec['method']} on {spec['dataset']}, r{spec['repeat']} f{spec['fold']} s{spec['seed']}"
    files |= _written(scratch, task.figures(data, record.classes, title, _recorded(record, task.metrics[0])))
    return _real(files)


def _recorded(record: Record, metric: str) -> Score | None:
    """A score of the record: its interval was computed when the unit was scored."""
    if (found := record.scores.get(metric)) is None:
        return None
    value, low, high = (
        math.nan if (number := found.get(name)) is None else number for name in ("value", "low", "high")
    )
    return Score(value, low, high, math.nan, 1, (), int(found.get("undefined_resamples") or 0))


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
