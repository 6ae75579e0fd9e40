"""A bundle as a runs folder: what reads evidence reads it as if the study had been run there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.bundles import members as names
from harness.bundles.members import Members, refused
from harness.bundles.record_lines import read_record_lines
from harness.bundles.tables import Place, place_of, predictions_text, read_table, read_units
from harness.core.errors import DataError, shown
from harness.core.reading import parse_json
from harness.results.access_log import FILE as ACCESS_LOG
from harness.results.record import Record
from harness.results.schema import StudySchema, check
from harness.results.store import TRIALS, RunStore
from harness.tasks.registry import task_of

if TYPE_CHECKING:
    from harness.results.studies import Study
    from harness.tasks.task import Task


def restore(members: Members, manifest: Mapping[str, Any], root: Path, place: str) -> Study:
    """Write the evidence of a bundle to the runs folder ``root``, which has none of this study.

    Args:
        members: of the bundle.
        manifest: of it, checked by :func:`harness.bundles.members.read_manifest`.
        root: the runs folder.
        place: where the bundle is, for errors.

    Returns:
        The study, as the runs folder has it.

    Raises:
        DataError: a member is not what it has to be.
    """
    records = _records(members, place)
    plan = _plan(members[names.PLAN], place)
    about = {name: plan[name] for name in ("study_id", "method", "dataset", "protocol")}
    for name, true in about.items():
        if manifest[name] != true:
            raise refused(
                f"{name} is {shown(manifest[name])}, in {names.PLAN} {shown(true)}", f"{place}, {names.MANIFEST}"
            )
    if other := [record for record in records if record.study_id != plan["study_id"]]:
        raise refused(f"a record is of the study {shown(other[0].study_id)}", f"{place}, {names.RECORDS}")
    task = task_of(records[0].config)
    at = f"{place}, {names.PREDICTIONS}"
    text = _text(members, names.PREDICTIONS, place)
    units = read_units(text, records, task, at)
    curves = _curves(members, place)
    store = RunStore(root)
    store.write_study(plan)
    for record in records:
        where = place_of(record.spec)
        store.write_unit(record, units[where], curve=curves.get(where, ()))
    _check_written(store, records, task, text, at)
    if names.ACCESSES in members:
        (root / ACCESS_LOG).write_bytes(members[names.ACCESSES])
    if names.TRIALS in members:
        (store.study_folder(plan["study_id"]) / TRIALS).write_bytes(members[names.TRIALS])
    if names.ATTESTATION in members:
        (store.study_folder(plan["study_id"]) / names.ATTESTATION).write_bytes(members[names.ATTESTATION])
    return store.study(plan["study_id"])


def _records(members: Members, place: str) -> list[Record]:
    """The records, in the one form and order that they are packed in."""
    at = f"{place}, {names.RECORDS}"
    values = read_record_lines(_text(members, names.RECORDS, place), at)
    records = [Record.from_dict(value, place=f"{at}, record {number}") for number, value in enumerate(values, start=1)]
    order = [place_of(record.spec) for record in records]
    if order != sorted(set(order)):
        raise refused("a unit stands twice, or the units are in another order", at)
    if other := [record for record in records if record.classes != records[0].classes]:
        raise refused(f"{other[0].unit_id} has other classes than the first unit", at)
    return records


def _plan(content: bytes, place: str) -> dict[str, Any]:
    at = f"{place}, {names.PLAN}"
    try:
        value = parse_json(content)
    except ValueError as error:
        raise refused(f"it is no JSON: {error}", at) from None
    return check(StudySchema, value, what="study", place=at)


def _curves(members: Members, place: str) -> dict[Place, list[dict[str, str]]]:
    found: dict[Place, list[dict[str, str]]] = {}
    if names.CURVES not in members:
        return found
    for row in read_table(_text(members, names.CURVES, place), f"{place}, {names.CURVES}"):
        try:
            at = (int(row["repeat"]), int(row["fold"]), int(row["seed"]))
        except (KeyError, ValueError):
            raise refused("a row does not say which unit it is of", f"{place}, {names.CURVES}") from None
        cells = {name.removeprefix("curve."): cell for name, cell in row.items() if name.startswith("curve.")}
        found.setdefault(at, []).append({name: cell for name, cell in cells.items() if cell})
    return found


def _check_written(store: RunStore, records: Sequence[Record], task: type[Task], text: str, at: str) -> None:
    """Every cell was understood as it stands there: what was written is the same text again."""
    frame = store.predictions([record.unit_id for record in records], task)
    if predictions_text(frame, records[0].classes, task) != text:
        raise refused("numbers, columns or rows are not written as bench leaderboard submit writes them", at)


def _text(members: Members, name: str, place: str) -> str:
    try:
        return members[name].decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"the bundle is refused: it is not UTF-8: {error.reason}", place=f"{place}, {name}", fix=names.FIX
        ) from None
