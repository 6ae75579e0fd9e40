from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import DataError
from harness.datasets import content as module
from harness.datasets.content import Content, ContentHashes, FileStatus, hash_file
from harness.datasets.hash_all import hash_all


@pytest.fixture
def hashes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ContentHashes:
    monkeypatch.setattr(module, "_COARSE_NS", 0)  # files of this test are hashed as soon as they are written
    return ContentHashes(tmp_path / "hashes")


@pytest.fixture
def slide(tmp_path: Path) -> Path:
    path = tmp_path / "slide.svs"
    path.write_bytes(os.urandom(10_000))
    return path


def _same_times(path: Path, before: os.stat_result) -> None:
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_an_unchanged_file_is_read_once(hashes: ContentHashes, slide: Path) -> None:
    first = hashes.read(slide, [slide])
    again = ContentHashes(hashes.folder).read(slide, [slide])
    assert (first.fresh, again.fresh) == (True, False)
    assert first.hash == again.hash == hash_file(slide).hash
    assert again.read_ns == first.read_ns


@given(at=st.integers(0, 9_999))
def test_a_byte_anywhere_changes_the_hash(tmp_path_factory: pytest.TempPathFactory, at: int) -> None:
    path = tmp_path_factory.mktemp("one") / "x"
    data = bytearray(10_000)
    path.write_bytes(data)
    before = hash_file(path)
    data[at] = 1
    path.write_bytes(data)
    assert hash_file(path).hash != before.hash


def test_a_change_that_keeps_size_and_modification_time_is_noticed(hashes: ContentHashes, slide: Path) -> None:
    first = hashes.read(slide, [slide])
    before = slide.stat()
    with slide.open("r+b") as file:
        file.write(b"changed")
    _same_times(slide, before)
    second = hashes.read(slide, [slide])
    assert second.fresh
    assert second.differs
    assert second.hash != first.hash


def test_another_file_in_its_place_is_noticed(hashes: ContentHashes, slide: Path) -> None:
    first = hashes.read(slide, [slide])
    before = slide.stat()
    other = slide.with_name("other")
    other.write_bytes(os.urandom(10_000))
    _same_times(other, before)
    other.replace(slide)
    assert hashes.read(slide, [slide]).hash != first.hash
    slide.unlink()
    slide.symlink_to(other)
    other.write_bytes(os.urandom(10_000))
    assert hashes.read(slide, [slide]).fresh


def test_a_touched_file_is_read_and_found_the_same(hashes: ContentHashes, slide: Path) -> None:
    first = hashes.read(slide, [slide])
    os.utime(slide, ns=(1, 1))
    again = hashes.read(slide, [slide])
    assert again.fresh
    assert not again.differs
    assert again.hash == first.hash


def test_a_file_that_changed_just_before_it_was_read_is_read_again(slide: Path, tmp_path: Path) -> None:
    hashes = ContentHashes(tmp_path / "hashes")
    hashes.read(slide, [slide])
    assert hashes.read(slide, [slide]).fresh


def test_of_several_files_only_the_changed_one_is_read(
    hashes: ContentHashes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [tmp_path / name for name in ("1.dcm", "2.dcm", "3.dcm")]
    for file in files:
        file.write_bytes(file.name.encode())
    first = hashes.read(tmp_path, files)
    read: list[Path] = []
    monkeypatch.setattr(module, "hash_file", lambda path, advance: read.append(path) or hash_file(path, advance))
    files[1].write_bytes(b"x.dcm")
    second = hashes.read(tmp_path, files)
    assert read == [files[1]]
    assert second.hash != first.hash
    assert hashes.read(tmp_path, files[:2]).hash not in {first.hash, second.hash}
    assert hashes.read(tmp_path, [*files[:2], files[0]]).hash == hashes.read(tmp_path, files[:2]).hash


@pytest.mark.parametrize("damage", [b"", b"{", b"null", b'{"format": 1}', b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_memory_is_none(hashes: ContentHashes, slide: Path, damage: bytes) -> None:
    right = hashes.read(slide, [slide]).hash
    (entry,) = hashes.folder.rglob("*.json")
    entry.write_bytes(damage)
    assert hashes.known(slide) is None
    assert hashes.read(slide, [slide]).fresh
    assert hashes.known(slide).hash == right


def test_a_memory_that_was_edited_is_none(hashes: ContentHashes, slide: Path) -> None:
    right = hashes.read(slide, [slide]).hash
    (entry,) = hashes.folder.rglob("*.json")
    entry.write_text(entry.read_text().replace(right, right[:-1] + ("0" if right[-1] != "0" else "1")))
    assert hashes.read(slide, [slide]).hash == right


def test_without_a_place_to_write_files_are_read_each_time(slide: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "file").write_text("")
    for hashes in (ContentHashes(None), ContentHashes(tmp_path / "file" / "hashes")):
        assert hashes.read(slide, [slide]).hash == hash_file(slide).hash
        assert hashes.read(slide, [slide]).fresh
    assert capsys.readouterr().err.count("cannot be kept") == 1


def test_what_is_no_file_is_refused(hashes: ContentHashes, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "missing", "."):
        with pytest.raises(DataError) as caught:
            hashes.read(tmp_path / name, [tmp_path / name])
        assert str(tmp_path) in caught.value.place


def test_a_file_that_changes_while_it_is_read_is_refused(hashes: ContentHashes, slide: Path) -> None:
    def write(_: int) -> None:
        with slide.open("ab") as file:
            file.write(b"more")

    with pytest.raises(DataError, match="changed while it was read"):
        hash_file(slide, write)


def test_the_status_says_which_file_changed(hashes: ContentHashes, slide: Path) -> None:
    content = hashes.read(slide, [slide])
    assert content.changed() is None
    slide.write_bytes(b"")
    assert content.changed() == slide
    slide.unlink()
    assert content.changed() == slide


def test_many_are_hashed_and_a_bad_one_stops_none(hashes: ContentHashes, tmp_path: Path) -> None:
    places = {name: tmp_path / name for name in ("a", "b", "gone")}
    for name in "ab":
        places[name].write_bytes(name.encode() * 3_000_000)

    found = hash_all(places, lambda path: [path], hashes)
    assert list(found) == ["a", "b", "gone"]
    assert isinstance(found["gone"], DataError)
    assert all(isinstance(found[name], Content) and found[name].fresh for name in "ab")
    del places["gone"]
    assert not any(content.fresh for content in hash_all(places, lambda path: [path], hashes).values())


def test_an_interrupt_loses_only_what_was_under_way(
    hashes: ContentHashes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = {str(k): tmp_path / str(k) for k in range(6)}
    for place in places.values():
        place.write_bytes(place.name.encode())
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    read: list[Path] = []

    def dying(path: Path, advance: object) -> object:
        read.append(path)
        if len(read) == 4:
            raise KeyboardInterrupt
        return hash_file(path)

    monkeypatch.setattr(module, "hash_file", dying)
    with pytest.raises(KeyboardInterrupt):
        hash_all(places, lambda path: [path], hashes)
    found = hash_all(places, lambda path: [path], hashes)
    assert sum(content.fresh for content in found.values()) <= 3
    assert len(set(read)) == 6


def test_threads_may_share_one(hashes: ContentHashes, slide: Path) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(hashes.read(slide, [slide]).hash)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(found) == {hash_file(slide).hash}
    assert len(found) == 8
    assert all(json.loads(entry.read_text())["format"] for entry in hashes.folder.rglob("*.json"))


def test_a_status_is_of_the_file_behind_a_link(slide: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(slide)
    assert FileStatus.of(link) == FileStatus.of(slide)
