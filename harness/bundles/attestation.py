"""A signed statement of what a study's units are: names, split, code, predictions, and the access log.

The statement follows in-toto (https://github.com/in-toto/attestation, Statement version 1): each unit is a subject,
named with the SHA-256 of its predictions as the text that bundles hold.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.bundles.keys import opened, read_key, sign
from harness.bundles.members import ATTESTATION
from harness.bundles.tables import place_of, predictions_text
from harness.core.atomic import write_json
from harness.core.errors import DataError, shown
from harness.core.hashing import canonical_json, sha256_json, sha256_text
from harness.core.plain_json import plain
from harness.core.reading import parse_json, read_json
from harness.results.access_log import FILE, AccessLog
from harness.tasks.registry import task_of

if TYPE_CHECKING:
    from harness.results.record import Record
    from harness.results.store import RunStore
    from harness.results.studies import Study

STATEMENT, PREDICATE = "https://in-toto.io/Statement/v1", "urn:wsibench:evidence:v1"
_SHARED = ("study_id", "method", "method_version", "dataset", "dataset_fingerprint", "protocol", "split_sha256", "code")
FIX = "if the evidence is right as it is, sign it again: bench attest STUDY"


def attest(store: RunStore, study: Study, key: Path) -> Path:
    """Sign a study; where the statement is, in the study's folder.

    Raises:
        DataError: the study is not complete, or its evidence cannot be read.
        UsageError: the key cannot be used.
    """
    if not study.complete:
        raise DataError(
            "units of the study are missing",
            place=study.study_id,
            fix="run the rest (the same bench run command does), then sign it",
        )
    lines, head = AccessLog(store.root).head()
    statement = statement_of(store, study) | {"access_log": {"lines": lines, "head": head}}
    signed_at = datetime.now(UTC).isoformat(timespec="seconds")
    payload = {
        "_type": STATEMENT,
        "subject": statement.pop("subject"),
        "predicateType": PREDICATE,
        "predicate": statement | {"signed_at": signed_at},
    }
    path = store.study_folder(study.study_id) / ATTESTATION
    write_json(path, sign(canonical_json(payload).encode(), read_key(key)))
    return path


def statement_of(store: RunStore, study: Study) -> dict[str, Any]:
    """What is signed of a study: its subjects, what they share, and a hash of what each unit claims."""
    records = sorted(study.records, key=lambda record: place_of(record.spec))
    task = task_of(records[0].config)
    subjects, claims = [], {}
    for record in records:
        text = predictions_text(store.predictions([record.unit_id], task), record.classes, task)
        subjects.append({"name": record.unit_id, "digest": {"sha256": sha256_text(text)}})
        claims[record.unit_id] = _claim(record)
    spec = records[0].spec
    shared = {name: spec.get(name) for name in _SHARED if name in spec}
    codes = {canonical_json(plain(record.environment.get("code", {}))) for record in records}
    shared |= {"study_id": study.study_id, "code": [json.loads(code) for code in sorted(codes)]}
    return {"subject": subjects, **shared, "claims": claims}


def _claim(record: Record) -> str:
    """SHA-256 of what a record says beside its predictions: specification, scores, costs and times."""
    names = ("spec", "classes", "scores", "validation", "compute", "started", "finished")
    return sha256_json({name: plain(getattr(record, name)) for name in names})


def check_attestation(content: bytes, store: RunStore, study: Study, place: str) -> str:
    """Compare a signed statement with the evidence; the identity of the key that signed it.

    Raises:
        DataError: the signature is not of the statement, or that says something else than the evidence.
    """
    try:
        envelope = parse_json(content)
    except ValueError as error:
        raise DataError(f"this is no signed statement: {error}", place=place, fix=FIX) from None
    payload, identity = opened(envelope, place)
    try:
        statement = parse_json(payload)
        if (statement["_type"], statement["predicateType"]) != (STATEMENT, PREDICATE):
            raise ValueError(f"it is not of {PREDICATE}")
        stated = {"subject": statement["subject"], **statement["predicate"]}
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"this is no statement of a study: {error}", place=place, fix=FIX) from None
    for problem in _differences(stated, statement_of(store, study)):
        raise DataError(f"the evidence is not what was signed: {problem}", place=place, fix=FIX)
    return identity


def _differences(stated: dict[str, Any], true: dict[str, Any]) -> Iterator[str]:
    signed = {one["name"]: one["digest"]["sha256"] for one in stated["subject"]}
    found = {one["name"]: one["digest"]["sha256"] for one in true["subject"]}
    for name in sorted(signed.keys() ^ found.keys()):
        yield f"unit {name} is {'missing' if name in signed else 'not among those signed'}"
    for name, digest in found.items():
        if signed[name] != digest:
            yield f"predictions of {name} have {digest}, signed were {signed[name]}"
        if (claim := stated.get("claims", {}).get(name)) != true["claims"][name]:
            yield f"specification, scores, costs or times of {name} have {true['claims'][name]}, signed were {claim}"
    for name in _SHARED:
        if stated.get(name) != true.get(name):
            yield f"{name} is {shown(true.get(name))}, signed was {shown(stated.get(name))}"


def check_signed(store: RunStore, study: Study) -> str:
    """Check the signature of a study in its runs folder; who signed it, empty where nobody did.

    The access log has to begin with the lines that it had when the study was signed.

    Raises:
        DataError: as :func:`check_attestation`, or lines of the log were cut off or edited since.
    """
    path = store.study_folder(study.study_id) / ATTESTATION
    if not path.is_file():
        return ""
    try:
        envelope = read_json(path)
    except (OSError, ValueError) as error:
        raise DataError(f"the signed statement cannot be read: {error}", place=str(path), fix=FIX) from None
    identity = check_attestation(json.dumps(envelope).encode(), store, study, str(path))
    anchor = parse_json(opened(envelope, str(path))[0])["predicate"]["access_log"]
    head = AccessLog(store.root).head(anchor["lines"])
    if head != (anchor["lines"], anchor["head"]):
        problem = f"line {anchor['lines']} of the access log is not the one that was signed, or it has fewer lines"
        raise DataError(problem, place=str(store.root / FILE), fix="restore the log from a copy: it only grows")
    return identity
