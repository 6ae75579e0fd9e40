"""Runs in an MLflow tracking store: found, made, and filled in few calls."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.hashing import sha256_text
from harness.results.mlflow import content
from harness.results.mlflow.place import artefact_folder, copy_files, place_run, run_folder
from harness.results.mlflow.states import KEY, PARENT, RunState, RunStates, read_states

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

Files = Callable[[], Mapping[str, Path]]
"""Path among a run's artefacts → file."""

_PAGE, _BATCH, _BATCH_PARAMS = 1000, 1000, 100
"""MLflow's limits of a page of runs, of what is logged at once, and of the parameters in that."""


class MlflowRuns:
    """The runs of a tracking store. The caller has its turn (:class:`harness.results.mlflow.view.MlflowView`).

    Args:
        client: of the tracking store.
        root: the runs folder.
        database: the file of an SQLite store, whose artefacts are kept in the runs folder; None for others.
    """

    def __init__(self, client: MlflowClient, root: Path, database: Path | None) -> None:
        self.client = client
        self.database = database
        self._root = root
        self._experiments: dict[str, str] = {}

    def find(self, dataset: str, name: str) -> list[RunState]:
        """Runs that show the unit or study ``name``. Looked up by a hash, so that no name upsets the query."""
        return self._states(dataset, KEY, sha256_text(name))

    def children(self, dataset: str, parent: str) -> RunStates:
        """The runs that belong to the run ``parent``."""
        return RunStates(self._states(dataset, PARENT, parent))

    def states(self, dataset: str) -> RunStates:
        """All runs of a dataset."""
        return RunStates(self._states(dataset))

    def _states(self, dataset: str, tag: str = "", value: str = "") -> list[RunState]:
        if self.database is not None:
            return read_states(self.database, self._experiment(dataset), tag, value)
        return [RunState.of(run) for run in self._search(dataset, f"tags.`{tag}` = '{value}'" if tag else "")]

    def _search(self, dataset: str, query: str) -> list[Run]:
        found: list[Run] = []
        token = None
        while token is None or token:
            page = self.client.search_runs([self._experiment(dataset)], query, max_results=_PAGE, page_token=token)
            found += page
            token = page.token or ""
        return found

    def _experiment(self, dataset: str) -> str:
        """Experiment of a dataset, made or brought back if need be."""
        if dataset not in self._experiments:
            found = self.client.get_experiment_by_name(dataset)
            if found is None:
                local = self.database is not None
                place = artefact_folder(self._root.resolve(), dataset).as_uri() if local else None
                self._experiments[dataset] = self.client.create_experiment(
                    dataset, artifact_location=place, tags=content.experiment_tags()
                )
            else:
                if found.lifecycle_stage == "deleted":
                    self.client.restore_experiment(found.experiment_id)
                self._experiments[dataset] = found.experiment_id
        return self._experiments[dataset]

    def create(self, dataset: str, run_name: str, name: str, tags: Mapping[str, str], *, start: int | None) -> Run:
        """Begin a run for the unit or study ``name``, at ``start`` in milliseconds."""
        every = content.clean_tags({**tags, KEY: sha256_text(name), "mlflow.source.name": "bench run"})
        return self.client.create_run(self._experiment(dataset), start_time=start, tags=every, run_name=run_name)

    def log(
        self,
        run_id: str,
        points: Sequence[tuple[str, float, int]],
        params: Mapping[str, str],
        tags: Mapping[str, str],
        *,
        at: int,
    ) -> None:
        """Log (name, value, step), parameters and tags, in as few calls as MLflow's limits allow; tags come last."""
        from mlflow.entities import Metric, Param, RunTag

        rows = [Metric(content.clean_key(name), value, at, step) for name, value, step in points]
        pairs = [Param(name, value) for name, value in content.clean_params(params).items()]
        marks = [RunTag(name, value) for name, value in content.clean_tags(tags).items()]
        while len(rows) + len(pairs) + len(marks) > _BATCH or len(pairs) > _BATCH_PARAMS:
            few, pairs = pairs[:_BATCH_PARAMS], pairs[_BATCH_PARAMS:]
            room = _BATCH - len(few)
            self.client.log_batch(run_id, metrics=rows[:room], params=few)
            rows = rows[room:]
        if rows or pairs or marks:
            self.client.log_batch(run_id, metrics=rows, params=pairs, tags=marks)

    def log_dataset(self, run_id: str, spec: Mapping[str, Any]) -> None:
        """The dataset as an input of the run: the UI lists runs by it."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        tag = InputTag("mlflow.data.context", str(spec.get("protocol", "")))
        found = DatasetInput(Dataset(**content.dataset_fields(spec)), tags=[tag])
        self.client.log_inputs(run_id, datasets=[found])

    def log_files(self, run: Run, dataset: str, files: Files) -> None:
        """Put files among a run's artefacts: into the runs folder, or to the server in one piece."""
        if self.database is not None:
            folder = run_folder(self._root.resolve(), dataset, run.info.run_id)
            if run.info.artifact_uri != folder.as_uri():
                place_run(self.database, run.info.run_id, folder)
            copy_files(files(), folder)
            return
        with tempfile.TemporaryDirectory() as scratch:
            copy_files(files(), Path(scratch))
            self.client.log_artifacts(run.info.run_id, scratch)
