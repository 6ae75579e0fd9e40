"""What leaves the machine: nothing in any byte of a bundle or entry says whose it was."""

from __future__ import annotations

import getpass
import json
import re
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

from harness.bundles.archive import pack, write_folder
from harness.bundles.members import MANIFEST, PLAN, RECORDS
from harness.bundles.record_lines import read_record_lines
from harness.bundles.submit import bundle_of
from harness.bundles.verify import verify_members
from harness.core.errors import DataError
from harness.results.store import RunStore

FOLDER, USER, HOST = "/mnt/planted place/slides", "plantuser", "planthost"
TEXT = f"read {FOLDER} as {USER} on {HOST.upper()}.cluster"
PLANTED = re.compile(rb"planted place|/slides|plantuser|planthost", re.IGNORECASE)
OF_RECORDS = ("config", "compute", "environment", "selection", "validation", "counts", "extra")


def planted(value: Any) -> Any:
    """A JSON value with private texts as a value, a key and an element at every level, but where costs have to be."""
    if isinstance(value, dict):
        kept = {name: one if name in ("stages", "shared") else planted(one) for name, one in value.items()}
        return {**kept, "note": TEXT, f"of {USER}": 1, "list": [TEXT], "dataset_folder": FOLDER}
    return value


def edit(path: Path, change) -> None:
    path.write_text(json.dumps(change(json.loads(path.read_text()))))


@pytest.fixture
def lived_in(made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    """The study, on a machine that has left its name, its user's and a folder wherever text can be."""
    monkeypatch.setattr(socket, "gethostname", lambda: f"{HOST}.cluster")
    monkeypatch.setattr(getpass, "getuser", lambda: USER)
    shutil.copytree(made.store.root, tmp_path / "runs")
    store = RunStore(tmp_path / "runs")
    plan = store.study_folder(made.study.study_id) / "study.json"
    edit(plan, lambda plan: {**plan, "config": planted(plan["config"]), "note": TEXT, "dataset_folder": FOLDER})
    for record in made.study.records:
        folder = store.unit_folder(record.unit_id)

        def change(found: dict[str, Any]) -> dict[str, Any]:
            found |= {name: planted(found.get(name) or {}) for name in OF_RECORDS}
            found["environment"]["software"]["os"] = f"Linux-6.1.0-18-{HOST}-x86_64-with-glibc2.36"
            return found

        edit(folder / "record.json", change)
        curve = folder / "curve.csv"
        lines = [f"{line},{TEXT}" for line in curve.read_text().splitlines()]
        curve.write_text("\n".join([lines[0], f"{lines[1]}".replace("train", TEXT, 1), *lines[2:]]) + "\n")
    trial = {"fold": "r0f0", "trial": 0, "state": "failed", "chosen": False, "device_s": 1.0, "reason": TEXT}
    store.write_trials(made.study.study_id, [trial | {"param.teacher": FOLDER, f"param.{USER}": 1}])
    return store


def test_no_byte_says_whose_machine_it_was(lived_in, made, tmp_path: Path) -> None:
    members = bundle_of(lived_in, lived_in.study(made.study.study_id))
    for name, content in members.items():
        assert not (found := PLANTED.search(content)), (name, content[found.start() - 80 : found.end() + 20])
    assert not PLANTED.search(pack(members))
    write_folder(members, tmp_path / "entry")
    assert not PLANTED.search(b"".join(path.read_bytes() for path in sorted((tmp_path / "entry").iterdir())))
    assert set(members) >= {"curves.csv", "trials.csv", "accesses.jsonl"}
    told = json.loads(members[MANIFEST])["left_out"]
    assert {"study: dataset_folder", "study: note", "records: environment.hardware.note"} <= set(told)


def test_the_system_is_told_by_family_and_release_and_the_rest_is_as_it_was(lived_in, made) -> None:
    members = bundle_of(lived_in, lived_in.study(made.study.study_id))
    for found, there in zip(read_record_lines(members[RECORDS].decode(), "x"), made.study.records, strict=True):
        assert found["environment"]["software"]["os"] == "Linux 6.1"
        assert found["spec"] == there.spec and found["scores"] == there.scores
        assert "dataset_folder" not in found["config"]
    assert "dataset_folder" not in json.loads(members[PLAN])
    assert verify_members(members, "x", dataset=made.dataset).accepted


def test_a_name_in_the_access_log_is_refused(lived_in, made) -> None:
    unit = made.study.records[0].unit_id
    with (lived_in.root / "test_accesses.jsonl").open("a") as log:
        log.write(json.dumps({"accessor": unit, "node": HOST}) + "\n")
    with pytest.raises(DataError, match=r"accesses.jsonl holds the name of the user or machine"):
        bundle_of(lived_in, lived_in.study(made.study.study_id))
