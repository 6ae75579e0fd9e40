"""MLflow as a view of the evidence: one experiment per dataset, a parent run per study, a child run per unit.

Everything here may be lost: :mod:`harness.results.publish` writes it again from the runs folder. A run carries the
hash of the record that it shows, so that what is there already is not written twice.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.filelock import locked
from harness.core.hashing import sha256_json, sha256_text
from harness.core.plain_json import plain
from harness.results import mlflow_content as content
from harness.results.mlflow_place import (
    DATABASE,
    artefact_folder,
    check_database,
    database_path,
    database_uri,
    is_lost,
    place_run,
    relocate,
    run_folder,
    without_strays,
    write_ahead,
)
from harness.results.mlflow_quiet import quiet
from harness.results.mlflow_template import copy_template, keep_template

if TYPE_CHECKING:
    from mlflow.entities import Run

    from harness.results.record import Record
    from harness.results.studies import Failure, Study

Files = Callable[[], Mapping[str, Path]]
"""Path among a run's artefacts → file."""

KEY, SHOWS = "bench.key", "bench.shows"
_FINISHED, _FAILED, _RUNNING = "FINISHED", "FAILED", "RUNNING"


def default_uri(root: Path) -> str:
    """The tracking URI of a runs folder: ``$MLFLOW_TRACKING_URI``, else SQLite inside it."""
    return os.environ.get("MLFLOW_TRACKING_URI", "").strip() or database_uri(root.resolve() / DATABASE)


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
        self.root = Path(root)
        self.uri = uri or default_uri(self.root)
        self.moved = 0
        self._experiments: dict[str, str] = {}
        self._database = database_path(self.uri)
        self.root.mkdir(parents=True, exist_ok=True)
        with self._turn(), without_strays(self.uri):
            from mlflow import MlflowClient

            new = self._database if self._database is not None and not self._database.exists() else None
            copied = new is not None and copy_template(new)
            if self._database is not None:
                write_ahead(self._database)
            check_database(self.uri)
            self._client = MlflowClient(tracking_uri=self.uri)
            self._client.search_experiments(max_results=1)  # makes the tables of a new database
            if new is not None and not copied:
                keep_template(new)
            if self._database is not None and self._database.resolve().parent == self.root.resolve():
                self.moved = relocate(self._database, self.root.resolve(), content.STUDIES_TAG)

    def write_unit(self, record: Record, files: Files, curve: list[dict[str, str]]) -> bool:
        """Show a finished unit; whether anything had to be written.

        Args:
            record: the unit's record.
            files: gives the run's artefacts; called only if something is written.
            curve: rows of the training curve.
        """
        shows = sha256_json(plain(record.as_dict()))
        with self._turn():
            if not self._outdated(record.spec["dataset"], record.unit_id, shows):
                return False
            start = _milliseconds(record.started)
            run_id = self._create(
                record.spec["dataset"],
                content.unit_name(record.spec),
                record.unit_id,
                {**content.unit_tags(record), "mlflow.parentRunId": self._parent(record.study_id, record.spec, start)},
                start=start,
            )
            end = _milliseconds(record.finished)
            self._log(run_id, content.unit_metrics(record), content.unit_params(record.spec), at=end)
            self._log_curve(run_id, content.curve_points(curve), at=end)
            self._log_dataset(run_id, record.spec)
            self._log_files(run_id, record.spec["dataset"], files)
            self._finish(run_id, shows, _FINISHED, end)
        return True

    def write_failure(self, failure: Failure) -> bool:
        """Show a unit that failed, with its reason; whether anything had to be written."""
        spec = failure.spec
        shows = sha256_text(f"{failure.reason}\n{failure.attempts}\n{failure.time}")
        with self._turn():
            if not self._outdated(spec["dataset"], failure.unit_id, shows, files=False):
                return False
            time = _milliseconds(failure.time)
            tags = {
                **content.identity_tags(failure.unit_id, failure.study_id, spec),
                "reason": failure.reason,
                "attempts": str(failure.attempts),
                "mlflow.parentRunId": self._parent(failure.study_id, spec, time),
            }
            name = f"{content.unit_name(spec)} (failed)"
            run_id = self._create(spec["dataset"], name, failure.unit_id, tags, start=time)
            self._log(run_id, {}, content.unit_params(spec), at=time)
            self._finish(run_id, shows, _FAILED, time)
        return True

    def write_study(self, study: Study, metrics: Mapping[str, float], tags: Mapping[str, str], files: Files) -> bool:
        """Bring a study's parent run up to date; whether anything had to be written.

        Args:
            study: the study; nothing is written without a record.
            metrics: numbers to compare studies by; what is unknown is absent.
            tags: further tags; ``mlflow.note.content`` is shown as the description.
            files: gives the run's artefacts; called only if something is written.
        """
        shows = sha256_json([dict(metrics), dict(tags), [r.unit_id for r in study.records], bool(study.failures)])
        with self._turn():
            start = min((_milliseconds(record.started) for record in study.records), default=None)
            run_id = self._parent(study.study_id, _spec_of(study), start)
            run = self._client.get_run(run_id)
            if run.data.tags.get(SHOWS) == shows and not is_lost(run.info.artifact_uri):
                return False
            changed = {name: value for name, value in metrics.items() if run.data.metrics.get(name) != value}
            last = max((_milliseconds(record.finished) for record in study.records), default=run.info.start_time)
            self._log(run_id, changed, {}, at=last, step=len(study.records))
            self._log_tags(run_id, tags)
            self._log_files(run_id, study.dataset, files)
            status = _FINISHED if study.complete else _FAILED if study.failures else _RUNNING
            self._finish(run_id, shows, status, last)
        return True

    def add_folder(self, study: Study, folder: Path, name: str) -> str:
        """Put a folder among the artefacts of a study's run, under ``name``; where it is now, as a URI."""
        with self._turn():
            run_id = self._parent(study.study_id, _spec_of(study), None)
            self._client.log_artifacts(run_id, str(folder), artifact_path=name)
        return f"runs:/{run_id}/{name}"

    def experiments(self) -> dict[str, str]:
        """Experiments made by this project: dataset → where its table of studies is, relative to the UI's address."""
        with self._turn():
            found = self._client.search_experiments()
        path = f"/#/experiments/{{}}/runs?viewStateShareKey={content.STUDIES_VIEW}"
        return {one.name: path.format(one.experiment_id) for one in found if content.STUDIES_TAG in one.tags}

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """The turn to write: one process at a time where the store is a file here, and MLflow keeps quiet."""
        lock = locked(self.root / ".mlflow.lock") if self.uri.startswith("sqlite:") else nullcontext()
        with lock, quiet():
            yield

    def _experiment(self, dataset: str) -> str:
        """Experiment of a dataset, made or brought back if need be."""
        if dataset not in self._experiments:
            found = self._client.get_experiment_by_name(dataset)
            if found is None:
                local = self._database is not None
                place = artefact_folder(self.root.resolve(), dataset).as_uri() if local else None
                self._experiments[dataset] = self._client.create_experiment(
                    dataset, artifact_location=place, tags=content.experiment_tags()
                )
            else:
                if found.lifecycle_stage == "deleted":
                    self._client.restore_experiment(found.experiment_id)
                self._experiments[dataset] = found.experiment_id
        return self._experiments[dataset]

    def _find(self, dataset: str, name: str) -> list[Run]:
        """Runs that show the unit or study ``name``. Looked up by a hash, so that no name upsets the query."""
        query = f"tags.`{KEY}` = '{sha256_text(name)}'"
        return list(self._client.search_runs([self._experiment(dataset)], query))

    def _outdated(self, dataset: str, name: str, shows: str, *, files: bool = True) -> bool:
        """Whether the unit has to be written; runs that show something else, or were cut short, are removed.

        With ``files``, so are those whose artefacts have been lost.
        """
        found = self._find(dataset, name)
        current = [run for run in found if run.data.tags.get(SHOWS) == shows]
        if files:
            current = [run for run in current if not is_lost(run.info.artifact_uri)]
        for run in found:
            if run not in current[:1]:
                self._client.delete_run(run.info.run_id)
        return not current

    def _parent(self, study_id: str, spec: Mapping[str, Any], start: int | None) -> str:
        """Run of a study, made if need be."""
        if found := self._find(spec["dataset"], study_id):
            return str(found[0].info.run_id)
        tags = content.identity_tags(None, study_id, spec)
        run_id = self._create(spec["dataset"], content.study_name(spec, study_id), study_id, tags, start=start)
        self._log(run_id, {}, content.study_params(spec), at=0)
        self._log_dataset(run_id, spec)
        return run_id

    def _create(self, dataset: str, run_name: str, name: str, tags: Mapping[str, str], *, start: int | None) -> str:
        every = content.clean_tags({**tags, KEY: sha256_text(name), "mlflow.source.name": "bench run"})
        run = self._client.create_run(self._experiment(dataset), start_time=start, tags=every, run_name=run_name)
        return str(run.info.run_id)

    def _log(
        self, run_id: str, metrics: Mapping[str, float], params: Mapping[str, str], *, at: int, step: int = 0
    ) -> None:
        from mlflow.entities import Metric, Param

        rows = [Metric(content.clean_key(name), value, at, step) for name, value in metrics.items()]
        pairs = [Param(name, value) for name, value in content.clean_params(params).items()]
        if rows:
            self._client.log_batch(run_id, metrics=rows)
        for start in range(0, len(pairs), 100):
            self._client.log_batch(run_id, params=pairs[start : start + 100])

    def _log_curve(self, run_id: str, points: list[tuple[str, int, float]], *, at: int) -> None:
        from mlflow.entities import Metric

        rows = [Metric(content.clean_key(name), value, at, step) for name, step, value in points]
        for start in range(0, len(rows), 1000):
            self._client.log_batch(run_id, metrics=rows[start : start + 1000])

    def _log_dataset(self, run_id: str, spec: Mapping[str, Any]) -> None:
        """The dataset as an input of the run: the UI lists runs by it."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        tag = InputTag("mlflow.data.context", str(spec.get("protocol", "")))
        found = DatasetInput(Dataset(**content.dataset_fields(spec)), tags=[tag])
        self._client.log_inputs(run_id, datasets=[found])

    def _log_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        from mlflow.entities import RunTag

        self._client.log_batch(run_id, tags=[RunTag(name, value) for name, value in content.clean_tags(tags).items()])

    def _log_files(self, run_id: str, dataset: str, files: Files) -> None:
        if self._database is not None:
            place_run(self._database, run_id, run_folder(self.root.resolve(), dataset, run_id))
        for name, path in files().items():
            folder = name.rpartition("/")[0]
            self._client.log_artifact(run_id, str(path), artifact_path=folder or None)

    def _finish(self, run_id: str, shows: str, status: str, end: int) -> None:
        """Close a run. The hash comes last: a run without it was cut short and is written again."""
        self._client.set_terminated(run_id, status=status, end_time=None if status == _RUNNING else end)
        self._client.set_tag(run_id, SHOWS, shows)


def _spec_of(study: Study) -> dict[str, Any]:
    """What the parent run tells of a study: what its units have in common."""
    if study.records:
        return dict(study.records[0].spec)
    return {"method": study.method, "dataset": study.dataset, "protocol": study.protocol, **study.config}


def _milliseconds(time: str) -> int:
    return int(datetime.fromisoformat(time).timestamp() * 1000)
