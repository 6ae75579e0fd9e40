"""MLflow as a view of the evidence: one experiment per dataset, a parent run per study, a child run per unit.

Everything here may be lost: :mod:`harness.results.publish` writes it again from the runs folder. A run carries the
hash of the record that it shows, so that what is there already is not written twice.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.filelock import locked
from harness.results.mlflow import content
from harness.results.mlflow.place import (
    DATABASE,
    check_database,
    database_path,
    database_uri,
    is_lost,
    relocate,
    without_strays,
    write_ahead,
)
from harness.results.mlflow.quiet import quiet
from harness.results.mlflow.runs import Files, MlflowRuns
from harness.results.mlflow.states import PARENT, SHOWS, RunState, RunStates
from harness.results.mlflow.template import copy_template, keep_template

if TYPE_CHECKING:
    from harness.results.record import Record
    from harness.results.studies import Failure, Study

Curve = Callable[[], list[dict[str, str]]]
"""Rows of a training curve."""

_FINISHED, _FAILED, _RUNNING = "FINISHED", "FAILED", "RUNNING"


def default_uri(root: Path) -> str:
    """The tracking URI of a runs folder: ``$MLFLOW_TRACKING_URI``, else SQLite inside it."""
    return os.environ.get("MLFLOW_TRACKING_URI", "").strip() or database_uri(root.resolve() / DATABASE)


@dataclass(frozen=True)
class Shown:
    """Hashes of the evidence that runs show.

    Attributes:
        study: of the study's run; empty where there is none, or its artefacts are lost.
        units: of its units' runs, by unit; those that are missing, cut short or lost are absent.
    """

    study: str
    units: Mapping[str, str]


class MlflowView:
    """Writes runs to an MLflow tracking store. Several processes may write to one runs folder: they take turns.

    Args:
        root: the runs folder; artefacts go to ``mlartifacts`` in it, unless a server keeps them.
        uri: tracking URI; None for :func:`default_uri`.

    Attributes:
        moved: how many experiments and runs named artefacts outside of the runs folder, which was moved or copied.
    """

    def __init__(self, root: Path, uri: str | None = None) -> None:
        # Before MLflow is imported: no usage reports over the network from a benchmark, and a server that is down
        # is given up after seconds instead of minutes.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        # With a server, MLflow would print two lines for every run and a bar for every upload.
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        self.root = Path(root)
        self.uri = uri or default_uri(self.root)
        self.moved = 0
        self._parents: dict[str, str] = {}
        self._database = database_path(self.uri)
        self.root.mkdir(parents=True, exist_ok=True)
        with self._turn(), without_strays(self.uri):
            from mlflow import MlflowClient

            new = self._database if self._database is not None and not self._database.exists() else None
            copied = new is not None and copy_template(new)
            if self._database is not None:
                write_ahead(self._database)
            check_database(self.uri)
            client = MlflowClient(tracking_uri=self.uri)
            client.search_experiments(max_results=1)  # makes the tables of a new database
            if new is not None and not copied:
                keep_template(new)
            if self._database is not None and self._database.resolve().parent == self.root.resolve():
                self.moved = relocate(self._database, self.root.resolve(), content.STUDIES_TAG)
            self._runs = MlflowRuns(client, self.root.resolve(), self._database)

    def states(self, dataset: str) -> RunStates:
        """The runs of a dataset at this moment: asked once for many studies, in place of once for each."""
        with self._turn():
            return self._runs.states(dataset)

    def shown(self, study: Study, states: RunStates | None = None) -> Shown:
        """What the runs of a study and its units show: asked at once, so that most units need no question.

        Args:
            study: the study.
            states: what :meth:`states` gave; None asks for this study alone.
        """
        with nullcontext() if states is not None else self._turn():
            parents = self._runs.find(study.dataset, study.study_id) if states is None else states.of(study.study_id)
            if not parents:
                return Shown("", {})
            parent = parents[0]
            found = self._runs.children(study.dataset, parent.run_id) if states is None else states
        units = {}
        for name in (*(one.unit_id for one in study.records), *(one.unit_id for one in study.failures)):
            runs = found.of(name)
            if len(runs) == 1 and self._is_current(runs[0], parent.run_id):  # a run twice is for write_unit to remove
                units[name] = runs[0].tags[SHOWS]
        return Shown("" if is_lost(parent.artifact_uri) else parent.tags.get(SHOWS, ""), units)

    def write_unit(self, record: Record, shows: str, files: Files, curve: Curve) -> bool:
        """Show a finished unit; whether anything had to be written.

        Args:
            record: the unit's record.
            shows: hash of the evidence; a run that shows it is not written again.
            files: gives the run's artefacts; called only if something is written.
            curve: gives the rows of the training curve; called only if something is written.
        """
        spec = record.spec
        start, end = _milliseconds(record.started), _milliseconds(record.finished)
        with self._turn():
            parent = self._parent(record.study_id, spec, start)
            if not self._outdated(spec["dataset"], record.unit_id, shows, parent):
                return False
            tags = {**content.unit_tags(record), PARENT: parent}
            run = self._runs.create(spec["dataset"], content.unit_name(spec), record.unit_id, tags, start=start)
            self._runs.log_dataset(run.info.run_id, spec)
            self._runs.log_files(run, spec["dataset"], files)
            self._runs.client.set_terminated(run.info.run_id, status=_FINISHED, end_time=end)
            points = [(name, value, 0) for name, value in content.unit_metrics(record).items()]
            points += [
                (name, value, step) for name, step, value in content.curve_points(curve(), content.best_epochs(record))
            ]
            # The hash comes last, with the numbers: a run without it was cut short and is written again.
            self._runs.log(run.info.run_id, points, content.unit_params(spec), {SHOWS: shows}, at=end)
        return True

    def write_failure(self, failure: Failure, shows: str) -> bool:
        """Show a unit that failed, with its reason; whether anything had to be written."""
        spec, time = failure.spec, _milliseconds(failure.time)
        with self._turn():
            parent = self._parent(failure.study_id, spec, time)
            if not self._outdated(spec["dataset"], failure.unit_id, shows, parent):
                return False
            tags = {
                **content.identity_tags(failure.unit_id, failure.study_id, spec),
                "reason": failure.reason,
                "attempts": str(failure.attempts),
                PARENT: parent,
            }
            name = f"{content.unit_name(spec)} (failed)"
            run = self._runs.create(spec["dataset"], name, failure.unit_id, tags, start=time)
            self._runs.client.set_terminated(run.info.run_id, status=_FAILED, end_time=time)
            self._runs.log(run.info.run_id, [], content.unit_params(spec), {SHOWS: shows}, at=time)
        return True

    def write_study(
        self, study: Study, shows: str, metrics: Mapping[str, float], tags: Mapping[str, str], files: Mapping[str, Path]
    ) -> None:
        """Bring a study's run up to date.

        Args:
            study: the study.
            shows: hash of the evidence.
            metrics: numbers to compare studies by; what is unknown is absent.
            tags: further tags; ``mlflow.note.content`` is shown as the description.
            files: the run's artefacts.
        """
        with self._turn():
            start = min((_milliseconds(record.started) for record in study.records), default=None)
            self._parents.pop(study.study_id, None)  # somebody may have deleted it in the UI
            run = self._runs.client.get_run(self._parent(study.study_id, _spec_of(study), start))
            changed = {name: value for name, value in metrics.items() if run.data.metrics.get(name) != value}
            last = max((_milliseconds(record.finished) for record in study.records), default=run.info.start_time)
            self._runs.log_files(run, study.dataset, lambda: files)
            status = _FINISHED if study.complete else _FAILED if study.failures else _RUNNING
            end = None if status == _RUNNING else last
            self._runs.client.set_terminated(run.info.run_id, status=status, end_time=end)
            points = [(name, value, len(study.records)) for name, value in changed.items()]
            every = content.identity_tags(None, study.study_id, _spec_of(study)) | dict(tags) | {SHOWS: shows}
            self._runs.log(run.info.run_id, points, {}, every, at=last)

    def add_folder(self, study: Study, folder: Path, name: str) -> str:
        """Put a folder among the artefacts of a study's run, under ``name``; where it is now, as a URI."""
        with self._turn():
            self._parents.pop(study.study_id, None)
            run_id = self._parent(study.study_id, _spec_of(study), None)
            self._runs.client.log_artifacts(run_id, str(folder), artifact_path=name)
        return f"runs:/{run_id}/{name}"

    def experiments(self) -> dict[str, str]:
        """Experiments made by this project: dataset → where its table of studies is, relative to the UI's address."""
        with self._turn():
            found = self._runs.client.search_experiments()
        path = f"/#/experiments/{{}}/runs?viewStateShareKey={content.STUDIES_VIEW}"
        return {one.name: path.format(one.experiment_id) for one in found if content.STUDIES_TAG in one.tags}

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """The turn to write: one process at a time where the store is a file here, and MLflow keeps quiet."""
        lock = locked(self.root / ".mlflow.lock") if self.uri.startswith("sqlite:") else nullcontext()
        with lock, quiet():
            yield

    def _outdated(self, dataset: str, name: str, shows: str, parent: str) -> bool:
        """Whether a unit has to be written; its runs that show something else, or were cut short, are removed."""
        found = self._runs.find(dataset, name)
        current = [run for run in found if run.tags.get(SHOWS) == shows and self._is_current(run, parent)]
        for run in found:
            if run not in current[:1]:
                self._runs.client.delete_run(run.run_id)
        return not current

    def _is_current(self, run: RunState, parent: str) -> bool:
        """Whether a unit's run was finished, belongs to this run of its study, and has its artefacts."""
        lost = run.status == _FINISHED and is_lost(run.artifact_uri)
        return SHOWS in run.tags and run.tags.get(PARENT) == parent and not lost

    def _parent(self, study_id: str, spec: Mapping[str, Any], start: int | None) -> str:
        """Run of a study, made if need be."""
        if study_id not in self._parents:
            if found := self._runs.find(spec["dataset"], study_id):
                self._parents[study_id] = found[0].run_id
            else:
                tags = content.identity_tags(None, study_id, spec)
                run = self._runs.create(
                    spec["dataset"], content.study_name(spec, study_id), study_id, tags, start=start
                )
                self._runs.log(run.info.run_id, [], content.study_params(spec), {}, at=0)
                self._runs.log_dataset(run.info.run_id, spec)
                self._parents[study_id] = str(run.info.run_id)
        return self._parents[study_id]


def _spec_of(study: Study) -> dict[str, Any]:
    """What the parent run tells of a study: what its units have in common."""
    if study.records:
        return dict(study.records[0].spec)
    return {"method": study.method, "dataset": study.dataset, "protocol": study.protocol, **study.config}


def _milliseconds(time: str) -> int:
    return int(datetime.fromisoformat(time).timestamp() * 1000)
