"""One archive for given members, and none other is read."""

from __future__ import annotations

import io
import os
import stat
import struct
import warnings
import zipfile

import pytest

from harness.bundles import archive
from harness.bundles.archive import pack, read_members, unpack, write_folder
from harness.bundles.members import LIMITS, read_manifest
from harness.core.errors import DataError


def zipped(*members, compression=zipfile.ZIP_STORED, comment=b"") -> bytes:
    """An archive of (name or ZipInfo, content)."""
    sink = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that stand twice
        with zipfile.ZipFile(sink, "w", compression) as target:
            for name, content in members:
                target.writestr(name, content)
            target.comment = comment
    return sink.getvalue()


def info(name: str, mode: int = stat.S_IFREG | 0o644) -> zipfile.ZipInfo:
    found = zipfile.ZipInfo(name)
    found.create_system, found.external_attr = 3, mode << 16
    return found


def test_equal_members_give_equal_bytes_and_come_back(made, tmp_path) -> None:
    shuffled = dict(reversed(made.members.items()))
    assert pack(shuffled) == pack(made.members)
    assert unpack(pack(made.members), "x") == made.members
    write_folder(made.members, tmp_path / "entry")
    assert read_members(tmp_path / "entry") == made.members
    assert read_manifest(made.members, "x")["study_id"] == made.study.study_id


def test_every_changed_digit_of_every_member_is_refused(made) -> None:
    tried = 0
    for name, content in made.members.items():
        for place, byte in enumerate(content):
            if chr(byte).isdigit():
                changed = content[:place] + (b"1" if byte == ord("0") else b"0") + content[place + 1 :]
                with pytest.raises(DataError, match=r"refused"):
                    read_manifest({**made.members, name: changed}, "x")
                tried += 1
    assert tried > 1000


def test_every_changed_byte_of_the_archive_outside_of_its_members_is_refused(made) -> None:
    content = pack(made.members)
    inside = set()
    for member in made.members.values():
        start = content.index(member)
        inside |= set(range(start, start + len(member)))
    for place in range(len(content)):
        if place not in inside:
            changed = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
            with pytest.raises(DataError, match=r"refused|manifest"):
                read_manifest(unpack(changed, "x"), "x")


def encrypted(made) -> bytes:
    content = bytearray(pack(made.members))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def not_utf8(made) -> bytes:
    return zipped(("study_json", b"x")).replace(b"study_json", b"study\xff\xfe\xfd.j")


HOSTILE = {
    "climbing name": (lambda made: zipped(("../../evil", b"x")), "leads out"),
    "absolute name": (lambda made: zipped(("/etc/passwd", b"x")), "leads out"),
    "backslashes": (lambda made: zipped(("..\\evil", b"x")), "leads out"),
    "drive": (lambda made: zipped(("C:evil", b"x")), "leads out"),
    "unknown name": (lambda made: zipped(("setup.py", b"x")), "no member of a bundle has this name"),
    "sub-folder": (lambda made: zipped(("units/record.json", b"x")), "no member of a bundle has this name"),
    "name that is not UTF-8": (not_utf8, "no member"),
    "link": (lambda made: zipped((info("study.json", stat.S_IFLNK | 0o777), b"/etc/passwd")), "a link"),
    "device": (lambda made: zipped((info("study.json", stat.S_IFBLK | 0o600), b"")), "a device"),
    "named pipe": (lambda made: zipped((info("study.json", stat.S_IFIFO | 0o600), b"")), "a device"),
    "folder": (lambda made: zipped((info("study.json/", stat.S_IFDIR | 0o755), b"")), "a folder"),
    "name twice": (lambda made: zipped(("study.json", b"1"), ("study.json", b"2")), "stands twice"),
    "upper case": (lambda made: zipped(("study.json", b"1"), ("STUDY.json", b"2")), "upper and lower case"),
    "bomb": (lambda made: zipped(("study.json", b"0" * 10**7), compression=zipfile.ZIP_DEFLATED), "compressed"),
    "many members": (lambda made: zipped(*((f"m{k}", b"") for k in range(5000))), "5000 members"),
    "encrypted": (encrypted, "encrypted"),
    "data behind": (lambda made: pack(made.members) + b"PK", "further bytes|damaged"),
    "data before": (lambda made: b"#!/bin/sh\n" + pack(made.members), "further bytes|damaged"),
    "comment": (lambda made: zipped(*made.members.items(), comment=b"hello"), "further bytes"),
    "other times": (lambda made: zipped(*made.members.items()), "further bytes"),
    "no archive": (lambda made: b"hello", "no archive"),
    "nothing": (lambda made: b"", "no archive"),
    "cut short": (lambda made: pack(made.members)[:-30], "no archive"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused_before_anything_is_written(made, name: str, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    make, problem = HOSTILE[name]
    with pytest.raises(DataError, match=problem):
        unpack(make(made), "x")
    assert not list(tmp_path.iterdir())


def test_a_size_that_the_directory_makes_up_takes_no_memory() -> None:
    content = bytearray(zipped(("study.json", b"12")))
    entry = content.index(b"PK\x01\x02")
    struct.pack_into("<II", content, entry + 20, 2**31, 2**31)
    with pytest.raises(DataError, match="at most"):
        unpack(bytes(content), "x")


def test_a_huge_file_is_not_read(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(archive, "LIMITS", dict.fromkeys(LIMITS, 10))
    (tmp_path / "b.wsibundle").write_bytes(b"0" * 1000)
    with pytest.raises(DataError, match="at most"):
        read_members(tmp_path / "b.wsibundle")


@pytest.mark.parametrize("kind", ["link", "folder", "pipe", "stranger", "large"])
def test_a_folder_has_the_files_of_a_bundle_and_nothing_else(made, tmp_path, kind: str, monkeypatch) -> None:
    folder = tmp_path / "entry"
    write_folder(made.members, folder)
    curves = folder / "curves.csv"
    curves.unlink()
    if kind == "link":
        curves.symlink_to("/etc/passwd")
    elif kind == "folder":
        curves.mkdir()
    elif kind == "pipe":
        os.mkfifo(curves)
    elif kind == "large":
        monkeypatch.setattr(archive, "LIMITS", {**LIMITS, "curves.csv": 3})
        curves.write_bytes(b"four")
    else:
        (folder / "run.sh").write_text("echo")
    with pytest.raises(DataError, match="refused"):
        read_members(folder)
