"""A signature holds for the evidence as it was, and for the access log up to then."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from harness.bundles.attestation import attest, check_attestation, check_signed
from harness.bundles.keys import make_key, public_identity
from harness.bundles.members import ATTESTATION
from harness.bundles.submit import bundle_of
from harness.bundles.verify import verify_members
from harness.core.errors import DataError, UsageError
from harness.results.store import RunStore


@pytest.fixture
def key(tmp_path: Path) -> Path:
    make_key(tmp_path / "key.pem")
    return tmp_path / "key.pem"


@pytest.fixture
def signed(made, key: Path, tmp_path: Path) -> RunStore:
    shutil.copytree(made.store.root, tmp_path / "runs")
    store = RunStore(tmp_path / "runs")
    attest(store, store.study(made.study.study_id), key)
    return store


def test_a_signed_study_is_known_by_its_key_in_the_store_and_in_its_bundle(made, signed, key) -> None:
    study = signed.study(made.study.study_id)
    who = public_identity(key.with_suffix(".pub"))
    assert check_signed(signed, study) == who
    assert key.stat().st_mode & 0o077 == 0
    members = bundle_of(signed, study)
    assert verify_members(members, "x", dataset=made.dataset).signed_by == who
    envelope = json.loads(members[ATTESTATION])
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    assert check_signed(made.store, made.study) == ""


def test_every_changed_sign_of_the_statement_is_found(made, signed) -> None:
    study = signed.study(made.study.study_id)
    envelope = json.loads((signed.study_folder(study.study_id) / ATTESTATION).read_text())
    (signature,) = envelope["signatures"]
    for change in (
        {"payload": "A" + envelope["payload"][1:]},
        {"payload": envelope["payload"] + "="},
        {"payloadType": "text"},
        {"signatures": []},
        {"signatures": [signature, signature]},
        {"signatures": [{**signature, "sig": "A" * 86 + "=="}]},
        {"signatures": [{**signature, "keyid": "0" * 64}]},
        {"signatures": [{**signature, "public_key": "QUJD"}]},
    ):
        with pytest.raises(DataError, match=r"signature|statement"):
            check_attestation(json.dumps(envelope | change).encode(), signed, study, "x")


def test_evidence_that_was_made_again_is_not_what_was_signed(made, signed) -> None:
    study = signed.study(made.study.study_id)
    record = study.records[0]
    path = signed.unit_folder(record.unit_id) / "record.json"
    path.write_text(path.read_text().replace('"wall_s": 36.0', '"wall_s": 3.0'))
    with pytest.raises(DataError, match=rf"not what was signed: .*{record.unit_id}"):
        check_signed(signed, signed.study(study.study_id))


@pytest.mark.parametrize("how", ["cut", "edited", "gone"])
def test_the_log_begins_with_the_lines_that_were_signed(made, signed, how: str) -> None:
    study = signed.study(made.study.study_id)
    log = signed.root / "test_accesses.jsonl"
    log.write_text(log.read_text() + '{"accessor": "later", "slides": 1}\n')
    assert check_signed(signed, study)
    lines = log.read_text().splitlines(keepends=True)
    log.write_text({"cut": lines[0], "edited": lines[0] + lines[1].replace("slides", "slide"), "gone": ""}[how])
    with pytest.raises(DataError, match="access log"):
        check_signed(signed, study)


def test_a_file_that_is_no_key_is_refused(made, tmp_path, key) -> None:
    with pytest.raises(FileExistsError):
        make_key(key)
    (tmp_path / "no.pem").write_text("hello")
    for path in (tmp_path / "no.pem", tmp_path / "missing.pem", key.with_suffix(".pub")):
        with pytest.raises(UsageError, match=r"no key|cannot be read"):
            attest(made.store, made.study, path)
    with pytest.raises(UsageError, match="no public key"):
        public_identity(key)
