"""What is known of runs in a tracking store, without their numbers: what they show, and whether they are whole.

MLflow's own search brings every metric, parameter and tag of a run along, a row each, and takes milliseconds for each
run. Of an SQLite store the few tags that matter are read from its tables; a server is asked by the search.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.hashing import sha256_text

if TYPE_CHECKING:
    from mlflow.entities import Run

KEY = "bench.key"
"""Tag with a hash of the name of the unit or study that a run shows."""

SHOWS = "bench.shows"
"""Tag with the hash of the evidence that a run shows."""

PARENT = "mlflow.parentRunId"
_TAGS = (KEY, SHOWS, PARENT)


@dataclass(frozen=True)
class RunState:
    """A run, as far as it has to be known to see whether it is up to date.

    Attributes:
        run_id: its id.
        status: as MLflow has it: ``FINISHED``, ``FAILED`` ...
        artifact_uri: where its artefacts are.
        tags: those of :data:`KEY`, :data:`SHOWS` and :data:`PARENT` that it has.
    """

    run_id: str
    status: str
    artifact_uri: str
    tags: Mapping[str, str]

    @classmethod
    def of(cls, run: Run) -> RunState:
        """Of a run that MLflow has found."""
        tags = {name: run.data.tags[name] for name in _TAGS if name in run.data.tags}
        return cls(str(run.info.run_id), str(run.info.status), str(run.info.artifact_uri), tags)


class RunStates:
    """The runs of an experiment by what they show, as they were at one moment.

    Args:
        runs: in the order in which MLflow lists them.
    """

    def __init__(self, runs: Iterable[RunState]) -> None:
        self._by_key: dict[str, list[RunState]] = {}
        for run in runs:
            self._by_key.setdefault(run.tags.get(KEY, ""), []).append(run)

    def of(self, name: str) -> Sequence[RunState]:
        """Runs that show the unit or study ``name``."""
        return self._by_key.get(sha256_text(name), ())


def read_states(database: Path, experiment_id: str, tag: str = "", value: str = "") -> list[RunState]:
    """Runs of an experiment that have not been deleted, from the tables of an SQLite store, the latest first.

    Args:
        database: the file.
        experiment_id: the experiment.
        tag, value: only runs that have this tag; all where ``tag`` is empty.

    Raises:
        sqlite3.Error: it cannot be read.
    """
    chosen, values = "", [experiment_id]
    if tag:
        chosen = "AND run_uuid IN (SELECT run_uuid FROM tags WHERE key = ? AND value = ?) "
        values += [tag, value]
    marks = ", ".join("?" * len(_TAGS))
    with closing(sqlite3.connect(database, timeout=60.0)) as connection:
        rows = connection.execute(
            "SELECT r.run_uuid, r.status, r.artifact_uri, t.key, t.value FROM "
            "(SELECT run_uuid, status, artifact_uri, start_time FROM runs "
            f"WHERE experiment_id = ? AND lifecycle_stage = 'active' {chosen}) AS r "
            f"LEFT JOIN tags AS t ON t.run_uuid = r.run_uuid AND t.key IN ({marks}) "
            "ORDER BY r.start_time DESC, r.run_uuid",
            [*values, *_TAGS],
        ).fetchall()
    found: dict[str, RunState] = {}
    tags: dict[str, dict[str, str]] = {}
    for run_id, status, artifact_uri, key, text in rows:
        if run_id not in found:
            tags[run_id] = {}
            found[run_id] = RunState(run_id, status, artifact_uri, tags[run_id])
        if key is not None:
            tags[run_id][key] = text
    return list(found.values())
