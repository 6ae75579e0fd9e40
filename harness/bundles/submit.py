"""From a study in a runs folder to the members of its bundle."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.bundles import members as names
from harness.bundles.members import MANIFEST, manifest_of
from harness.bundles.private import is_private, names_in, os_family, private_fields, private_names, without_private
from harness.bundles.record_lines import record_lines
from harness.bundles.tables import UNIT, place_of, predictions_text, rows_text
from harness.core.errors import DataError
from harness.core.plain_json import plain
from harness.core.reading import read_bytes
from harness.results.access_log import FILE as ACCESS_LOG
from harness.results.access_log import FORMER_FILE as FORMER_ACCESS_LOG
from harness.tasks.registry import task_of

if TYPE_CHECKING:
    from harness.results.record import Record
    from harness.results.store import RunStore
    from harness.results.studies import Study

IDENTITY = ("spec", "unit_id", "study_id", "classes", "dataset", "protocol", "method", "units")
"""Fields of records and plans that names and hashes rest on: nothing can be left out of them."""


def bundle_of(store: RunStore, study: Study) -> dict[str, bytes]:
    """The members of a study's bundle: equal evidence gives equal bytes.

    Args:
        store: the evidence.
        study: a study of it, all of whose units are done.

    Raises:
        DataError: the study is not complete, or something that its identity rests on is private.
    """
    if not study.complete:
        done, planned = len(study.records), len(study.planned or ())
        raise DataError(
            f"{done} of {planned or '?'} units of the study are done: missing folds are refused",
            place=study.study_id,
            fix="run the rest (the same bench run command does), then submit it",
        )
    private, left_out = private_names(), set[str]()
    records = sorted(study.records, key=lambda record: place_of(record.spec))
    _refuse_private_identity(study, records, private)
    task = task_of(records[0].config)
    frame = store.predictions([record.unit_id for record in records], task)
    _refuse_private_slides(frame["slide"].tolist() + frame["patient"].tolist(), private, study.study_id)

    def clean(value: Mapping[str, Any], where: str) -> Any:
        return without_private(plain(value), private, lambda field: left_out.add(f"{where}: {field}"))

    values = [clean(_with_family(record.as_dict()), "records") for record in records]
    plan = clean(store.plan(study.study_id), "study")
    members = {
        names.PLAN: (json.dumps(plan, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode(),
        names.RECORDS: record_lines(values).encode(),
        names.PREDICTIONS: predictions_text(frame, records[0].classes, task).encode(),
        names.CURVES: _curves(store, records, private).encode(),
        names.TRIALS: _trials(store, study, private).encode(),
        names.ACCESSES: _accesses(store.root, {record.unit_id for record in records}),
    }
    members = {name: content for name, content in members.items() if content}
    attestation = store.study_folder(study.study_id) / names.ATTESTATION
    if attestation.is_file():
        members[names.ATTESTATION] = read_bytes(attestation, limit=names.LIMITS[names.ATTESTATION])
    _refuse_private_members(members, private, study.study_id)
    about = {name: str(getattr(study, name)) for name in ("study_id", "method", "dataset", "protocol")}
    return {MANIFEST: manifest_of(members, about=about, left_out=left_out), **members}


def _refuse_private_identity(study: Study, records: list[Record], private: frozenset[str]) -> None:
    for record in records:
        for name in IDENTITY:
            for field in private_fields(plain(getattr(record, name, "")), private, name):
                raise DataError(
                    f"{field} holds a path, or the name of a user or machine, and cannot be left out: unit ids are "
                    "hashes of it",
                    place=f"{record.unit_id}, record.json",
                    fix="run the study with names in place of paths (a dataset or encoder by its name)",
                )
    for field in private_fields([*(study.planned or ()), study.study_id], private, "units"):
        raise DataError(
            f"{field} holds the name of a user or machine",
            place=study.study_id,
            fix="run it on a dataset of another name",
        )


def _with_family(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """A record whose operating system is a family and release, not a build."""
    environment = record.get("environment", {})
    software = environment.get("software")
    if not isinstance(software, Mapping) or not software.get("os"):
        return record
    software = {**software, "os": os_family(str(software["os"]))}
    return {**record, "environment": {**environment, "software": software}}


def _refuse_private_members(members: Mapping[str, bytes], private: frozenset[str], place: str) -> None:
    """The last look, at the bytes: also at lines of the access log and a signature, which stand as they are."""
    for name, content in members.items():
        text = content.decode()
        if name == names.ATTESTATION:
            text += b64decode(json.loads(text)["payload"]).decode()
        if names_in(text, private):
            raise DataError(
                f"{name} holds the name of the user or machine in a place where it cannot be left out",
                place=place,
                fix="see which with: grep -ri NAME in the folders of the study and its units; run the study elsewhere",
            )


def _refuse_private_slides(ids: list[str], private: frozenset[str], place: str) -> None:
    for field in private_fields({"ids": sorted(set(ids))}, private):
        raise DataError(
            f"{field}: an id of a slide or patient is a path, or has the name of a user or machine in it",
            place=place,
            fix="give the slides ids of their own in the label table, and run the study again",
        )


def _curves(store: RunStore, records: list[Record], private: frozenset[str]) -> str:
    """Training curves of all units in one table; empty without any."""
    curves = [(place_of(record.spec), store.curve(record.unit_id)) for record in records]
    columns = list(dict.fromkeys(name for _, rows in curves for row in rows for name in row))
    if not columns:
        return ""
    columns = [name for name in columns if not is_private(name, private)]
    cells = ([*at, *_cells(row, columns, private)] for at, rows in curves for row in rows)
    return rows_text([*UNIT, *(f"curve.{name}" for name in columns)], cells)


def _trials(store: RunStore, study: Study, private: frozenset[str]) -> str:
    rows = store.trials(study.study_id)
    columns = list(dict.fromkeys(name for row in rows for name in row if not is_private(name, private)))
    return rows_text(columns, [_cells(row, columns, private) for row in rows]) if rows else ""


def _cells(row: Mapping[str, str], columns: Sequence[str], private: frozenset[str]) -> list[str]:
    return [without_private(row.get(name, ""), private, lambda field: None) for name in columns]


def _accesses(root: Path, units: set[str]) -> bytes:
    """The lines of the access log that are of these units, as they are."""
    found = []
    for name in (FORMER_ACCESS_LOG, ACCESS_LOG):
        content = read_bytes(root / name) if (root / name).is_file() else b""
        for line in content.splitlines():
            try:
                entry = json.loads(line)
            except ValueError:  # cut short by a kill
                continue
            if isinstance(entry, dict) and entry.get("accessor", entry.get("asker")) in units:
                found.append(line)
    return b"".join(line + b"\n" for line in found)
