"""The members of a bundle, and the manifest that names each with its hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import Any

from harness.core.errors import DataError, shown
from harness.core.hashing import sha256_json
from harness.core.reading import MEBIBYTE, parse_json

FORMAT, VERSION = "wsibench-bundle", 1
MANIFEST, PLAN, RECORDS, PREDICTIONS = "bundle.json", "study.json", "records.jsonl", "predictions.csv"
CURVES, TRIALS, ACCESSES, ATTESTATION = "curves.csv", "trials.csv", "accesses.jsonl", "attestation.json"
NEEDED = (PLAN, RECORDS, PREDICTIONS)
LIMITS: Mapping[str, int] = {
    MANIFEST: MEBIBYTE,
    PLAN: 16 * MEBIBYTE,
    RECORDS: 128 * MEBIBYTE,
    PREDICTIONS: 256 * MEBIBYTE,
    CURVES: 128 * MEBIBYTE,
    TRIALS: 16 * MEBIBYTE,
    ACCESSES: 16 * MEBIBYTE,
    ATTESTATION: MEBIBYTE,
}
"""Every name that a member may have, and the most bytes that it may have."""

Members = Mapping[str, bytes]
"""Name → content."""

FIX = "pack it again: bench leaderboard submit STUDY"


def refused(problem: str, place: str) -> DataError:
    """The error of a bundle that is not one."""
    return DataError(f"the bundle is refused: {problem}", place=place, fix=FIX)


def manifest_of(members: Members, *, about: Mapping[str, str], left_out: Collection[str]) -> bytes:
    """The manifest of members.

    Args:
        members: all others.
        about: ``study_id``, ``method``, ``dataset`` and ``protocol``.
        left_out: fields of records and plan whose text was private, and is not in the bundle.
    """
    value: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        **about,
        "left_out": sorted(left_out),
        "members": {name: hashlib.sha256(content).hexdigest() for name, content in sorted(members.items())},
    }
    return _text({**value, "digest": sha256_json(value)})


def read_manifest(members: Members, place: str) -> dict[str, Any]:
    """The manifest, once it and every member are what it says.

    Args:
        members: of a bundle.
        place: where it is, for errors.

    Raises:
        DataError: a member is missing, is not named, or is not what the manifest says; or that is of another format or
            version, or was changed itself.
    """
    if MANIFEST not in members:
        raise refused(f"{MANIFEST} is missing", place)
    at = f"{place}, {MANIFEST}"
    try:
        value = parse_json(members[MANIFEST])
    except ValueError as error:
        raise refused(f"the manifest is no JSON: {error}", at) from None
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise refused(f"format is not {FORMAT!r}", at)
    if value.get("version") != VERSION:
        raise refused(f"version is {shown(value.get('version'))}, this version of wsibench reads {VERSION}", at)
    unsigned = {name: one for name, one in value.items() if name != "digest"}
    try:
        true = sha256_json(unsigned)
    except (ValueError, TypeError):
        raise refused("the manifest holds a value that is no JSON", at) from None
    if value.get("digest") != true:
        raise refused(f"the manifest was changed: digest is {shown(value.get('digest'))}, its own hash is {true}", at)
    _check_shape(value, at)
    if _text(value) != members[MANIFEST]:
        raise refused("the manifest is not written as bench leaderboard submit writes it", at)
    _check_members(members, value["members"], place)
    return value


def _check_shape(value: Mapping[str, Any], at: str) -> None:
    about = ("study_id", "method", "dataset", "protocol")
    names = {"format", "version", *about, "left_out", "members", "digest"}
    if value.keys() != names:
        odd = sorted(value.keys() ^ names)[0]
        raise refused(f"the field {shown(odd)} is {'missing' if odd in names else 'unknown'}", at)
    texts = [value[name] for name in about] + list(value["left_out"] if isinstance(value["left_out"], list) else [0])
    if not all(isinstance(text, str) for text in texts) or not isinstance(value["members"], dict):
        raise refused("a field has a value of another kind", at)


def _check_members(members: Members, hashes: Mapping[str, Any], place: str) -> None:
    """Every member is named, known, and what its hash says."""
    for name in sorted({*hashes, *NEEDED} - members.keys()):
        raise refused(f"{name} is missing", place)
    for name in sorted(members.keys() - hashes.keys() - {MANIFEST}):
        raise refused(f"{name} is not in the manifest", place)
    for name, stated in hashes.items():
        true = hashlib.sha256(members[name]).hexdigest()
        if stated != true:
            problem = f"its bytes were changed: the manifest says SHA-256 {shown(stated)}, they have {true}"
            raise refused(problem, f"{place}, {name}")


def _text(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()
