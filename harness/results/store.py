"""The evidence store: one folder per unit, written so that it is whole or absent. It is the truth."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.atomic import replacing, write_json
from harness.core.errors import DataError
from harness.core.filelock import locked
from harness.core.hashing import sha256_file
from harness.core.plain_json import plain
from harness.core.reading import read_json, read_text
from harness.results.access_log import FILE as ACCESS_LOG
from harness.results.access_log import FORMER_FILE as FORMER_ACCESS_LOG
from harness.results.damage import damage_of
from harness.results.evidence_files import STUDY, altered_files, folders_in, read_plan, read_record, reason
from harness.results.index.database import Database
from harness.results.index.score_cache import ScoreCache
from harness.results.index.units import UnitIndex
from harness.results.names import safe_name
from harness.results.predictions import PREDICTIONS, UnitPredictions, read_predictions
from harness.results.record import Record
from harness.results.rows import read_rows, write_rows
from harness.results.schema import RecordSchema, StudySchema, check
from harness.results.staging import ARTEFACTS, CURVE, FAILED, RECORD, swap, write_artefacts
from harness.results.studies import Broken, Evidence, Failure, Study, group_studies
from harness.results.trial_table import read_trials, whole_folds
from harness.tasks.registry import task_of

if TYPE_CHECKING:
    import pandas as pd

    from harness.tasks.task import Task

LOG = "log.txt"
TRIALS = "trials.csv"
SELECTION_BIAS, FORMER_SELECTION_BIAS = "selection-bias", "inflate"
"""Folders of ``bench selection-bias``, the second up to 0.1. No evidence of a unit, and never ranked."""
EXECUTORS = "executors"
"""Folder for files of an executor's own, while it runs."""


class RunStore:
    """The runs folder: ``units/<unit_id>/`` and ``studies/<study_id>/``.

    A unit is done when its record.json is there: it is written last. Several processes may write at once, even the
    same unit; of two complete results the later one stays.

    Args:
        root: the runs folder; made when first written to.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        database = Database(self.root)
        self.units, self.scores = UnitIndex(database), ScoreCache(database)

    def unit_folder(self, unit_id: str) -> Path:
        """Folder of a unit; it may not exist yet. Scratch files and the log may be put there while it runs."""
        return self.root / "units" / safe_name(unit_id)

    def study_folder(self, study_id: str) -> Path:
        """Folder of a study; it may not exist yet."""
        return self.root / "studies" / safe_name(study_id)

    @property
    def hidden(self) -> tuple[Path, ...]:
        """What jobs must not see: all the evidence, which has labels of slides that some unit has tested."""
        folders = ("units", "studies", SELECTION_BIAS, FORMER_SELECTION_BIAS, EXECUTORS, "mlartifacts")
        files = (ACCESS_LOG, FORMER_ACCESS_LOG, "mlflow.db", "mlflow.db-wal", "mlflow.db-shm")
        return tuple(self.root / name for name in (*folders, *files))

    def is_done(self, unit_id: str) -> bool:
        """Whether the unit has a readable record, and predictions that are what it says."""
        return (self.unit_folder(unit_id) / RECORD).exists() and not damage_of(lambda: self.altered(unit_id))

    def record(self, unit_id: str) -> Record:
        """The record of a finished unit.

        Raises:
            DataError: absent or unreadable.
        """
        return read_record(self.unit_folder(unit_id))

    def write_unit(
        self,
        record: Record,
        predictions: UnitPredictions,
        *,
        curve: Iterable[Mapping[str, Any]] = (),
        log: str | None = None,
        artefacts: Mapping[str, bytes | Path] | None = None,
    ) -> Record:
        """Store a finished unit and return its record with the hashes of its files.

        Args:
            record: what to put into record.json.
            predictions: test predictions.
            curve: rows of the training curve: names and numbers.
            log: text for log.txt; None leaves a log that is there.
            artefacts: file name → content, or a file to copy, for the folder ``artefacts``.

        Raises:
            DataError: the record could not be read again: a field is not what the schema says. Nothing is written.
        """
        folder = self.unit_folder(record.unit_id)
        staging = folder / f".staging-{os.getpid()}-{secrets.token_hex(4)}"
        staging.mkdir(parents=True)
        try:
            predictions.write(staging / PREDICTIONS)
            write_rows(staging / CURVE, [plain(row) for row in curve])
            if log is not None:
                (staging / LOG).write_text(log, encoding="utf-8", errors="replace")
            write_artefacts(staging / ARTEFACTS, artefacts or {})
            files = {
                path.relative_to(staging).as_posix(): sha256_file(path)
                for path in sorted(staging.rglob("*"))
                if path.is_file()
            }
            complete = replace(record, files=files)
            value = check(RecordSchema, plain(complete.as_dict()), what="record", place=str(folder / RECORD))
            write_json(staging / RECORD, value)
            with locked(folder / ".lock"):
                swap(staging, folder)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        return complete

    def write_failure(
        self, unit_id: str, reason: str, *, study_id: str, spec: Mapping[str, Any], traceback: str = ""
    ) -> Failure:
        """Note that a unit failed; it is tried again by the next run and the note goes once it succeeds.

        Args:
            unit_id, study_id, spec: as in the record.
            reason: one sentence.
            traceback: the details.
        """
        path = self.unit_folder(unit_id) / FAILED
        value: dict[str, Any] = {  # no check before it is written: that a unit failed must not be lost to an odd value
            "unit_id": unit_id,
            "study_id": study_id,
            "reason": reason,
            "attempts": self.attempts(unit_id) + 1,
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "spec": spec,
            "traceback": traceback,
        }
        write_json(path, plain(value))
        return Failure(**{field.name: value[field.name] for field in fields(Failure)})

    def attempts(self, unit_id: str) -> int:
        """How often a unit has failed since it was last done; 0 for a note that is damaged."""
        try:
            return int(read_json(self.unit_folder(unit_id) / FAILED)["attempts"])
        except (OSError, ValueError, KeyError, TypeError, OverflowError):
            return 0

    def write_study(self, study: Mapping[str, Any]) -> None:
        """Write study.json.

        Args:
            study: ``study_id, method, dataset, protocol``, ``ranked`` (may its results be ranked), ``units`` (ids of
                all units of the protocol, run or not), ``n_units`` and ``config``.
        """
        path = self.study_folder(str(study["study_id"])) / STUDY
        write_json(path, check(StudySchema, plain(study), what="study", place=str(path)))

    def planning(self, study_id: str) -> AbstractContextManager[None]:
        """Held while a table of the study is read and written again, by one process at a time."""
        return locked(self.study_folder(study_id) / ".lock")

    def write_trials(self, study_id: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write trials.csv of a study; trials of folds that are not among ``rows`` stay."""
        new = [plain(row) for row in rows]
        told = {str(row["fold"]) for row in new}
        if not new:
            return
        with self.planning(study_id), replacing(self._trial_table(study_id)) as temporary:
            # Folds with a damaged row are left out: they are made again by a run of them, from the stored trials.
            kept: list[dict[str, Any]] = [
                row for row in whole_folds(self._trial_table(study_id)) if row["fold"] not in told
            ]
            write_rows(temporary, sorted([*kept, *new], key=lambda row: (str(row["fold"]), int(row["trial"]))))

    def trials(self, study_id: str) -> list[dict[str, str]]:
        """Rows of a study's trials.csv as text; empty where it was not tuned.

        Raises:
            DataError: the table is damaged.
        """
        return read_trials(self._trial_table(study_id))

    def _trial_table(self, study_id: str) -> Path:
        return self.study_folder(study_id) / TRIALS

    def scan(self) -> Evidence:
        """Read the whole folder; what cannot be read is listed by name and stops nothing."""
        return self._read(folders_in(self.root / "units"))

    def _read(self, folders: Iterable[Path]) -> Evidence:
        records, failures, broken = [], [], []
        for unit in self.units.read(folders):
            if unit.record is not None:
                records.append(unit.record)
                continue
            if unit.problem:
                broken.append(Broken(unit.folder.name, unit.problem))
            if FAILED in unit.files:
                try:
                    failures.append(Failure.from_json(read_text(unit.folder / FAILED)))
                except (OSError, ValueError, DataError) as error:
                    broken.append(Broken(unit.folder.name, f"{FAILED} cannot be read: {reason(error)}"))
        records.sort(key=lambda r: (r.study_id, r.spec["repeat"], r.spec["fold"], r.spec["seed"], r.unit_id))
        return Evidence(tuple(records), tuple(failures), tuple(broken))

    def records(self) -> tuple[Record, ...]:
        """Records of all finished units."""
        return self.scan().records

    def studies(self) -> tuple[Study, ...]:
        """All studies with their units, by name. Units whose study.json is lost still make a study."""
        return self.studies_and_broken()[0]

    def studies_and_broken(self) -> tuple[tuple[Study, ...], tuple[Broken, ...]]:
        """All studies, and the evidence that cannot be read."""
        found = self.scan()
        plans, broken = [], list(found.broken)
        for folder in folders_in(self.root / "studies"):
            try:
                plans.append(read_plan(folder))
            except FileNotFoundError:
                continue
            except (OSError, ValueError, DataError) as error:
                broken.append(Broken(folder.name, f"{STUDY} cannot be read: {reason(error)}"))
        damaged = {one.name for one in found.broken}
        return group_studies(plans, found.records, found.failures, damaged), tuple(broken)

    def plan(self, study_id: str) -> dict[str, Any]:
        """study.json as it is; empty where it is missing or damaged."""
        try:
            return read_plan(self.study_folder(study_id))
        except (OSError, ValueError, DataError):
            return {}

    def study(self, study_id: str) -> Study:
        """One study.

        Raises:
            DataError: there is none of this name.
        """
        plan = self.plan(study_id)
        if planned := plan.get("units"):
            found = self._read(self.unit_folder(unit) for unit in planned)
            damaged = {one.name for one in found.broken}
            studies = group_studies([plan], found.records, found.failures, damaged)
            return next(study for study in studies if study.study_id == study_id)
        for study in self.studies():  # its plan is lost: only the records tell which units are its
            if study.study_id == study_id:
                return study
        raise DataError(
            f"there is no study {study_id!r}", place=str(self.root), fix="bench leaderboard show lists them"
        )

    def predictions(self, unit_ids: Sequence[str], task: type[Task] | None = None) -> pd.DataFrame:
        """Test predictions of some units, one row per slide and unit, with a column ``unit_id``.

        Args:
            unit_ids: the units, all of one task.
            task: what they predict; None looks it up in the first one's record.

        Raises:
            DataError: missing or unreadable predictions.
        """
        import pandas as pd

        if task is None and unit_ids:
            task = task_of(self.record(unit_ids[0]).config)
        frames = [read_predictions(self.unit_folder(unit_id) / PREDICTIONS, task) for unit_id in unit_ids if task]
        for unit_id, frame in zip(unit_ids, frames, strict=True):
            frame["unit_id"] = unit_id
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()

    def curve(self, unit_id: str) -> list[dict[str, str]]:
        """Rows of a unit's training curve as text; empty where it has none."""
        return read_rows(self.unit_folder(unit_id) / CURVE)

    def altered(self, unit_id: str) -> list[str]:
        """Files of a finished unit that are missing or not what its record says."""
        return altered_files(self.unit_folder(unit_id), self.record(unit_id).files)
