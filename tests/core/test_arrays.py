"""An ``.npz`` file is read whole or refused, and nothing is allocated that it cannot hold."""

from __future__ import annotations

import os
import resource
import zipfile
from pathlib import Path

import numpy as np
import pytest

from harness.core.arrays import all_finite, read_npy, read_npz


def archive(path: Path, shape: str, kind: str, zeros: int = 0) -> Path:
    """An ``.npz`` whose array ``X`` says that it has a shape and a type, with so many bytes behind."""
    text = f"{{'descr': {kind}, 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file, file.open("X.npy", "w") as member:
        member.write(np.lib.format.magic(1, 0) + len(text).to_bytes(2, "little") + text)
        for _ in range(zeros >> 20):
            member.write(bytes(1 << 20))
        member.write(bytes(zeros & ((1 << 20) - 1)))
    return path


def test_what_was_saved_is_read(tmp_path: Path) -> None:
    made = {"X": np.arange(12.0).reshape(3, 4), "y": np.array(7), "names": np.array(["a", "b"])}
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "a.npz", **made)
        found = read_npz(tmp_path / "a.npz")
        assert set(found) == set(made)
        assert all(np.array_equal(found[name], made[name]) for name in made)
    assert set(read_npz(tmp_path / "a.npz", ["y"])) == {"y"}
    with pytest.raises(KeyError):
        read_npz(tmp_path / "a.npz", ["z"])


@pytest.mark.parametrize(
    ("shape", "kind", "zeros"),
    [
        ("(100000000, 4)", "'<f8'", 0),
        ("(9223372036854775807,)", "'<f8'", 0),
        ("(-1,)", "'<f4'", 4),
        ("(2,)", "'<f4'", 4),
        ("(1,)", "'|O'", 8),
        ("(1, 'a')", "'<f4'", 4),
        ("(1,)", "'garbage'", 4),
        ("(1,)", "[('a', '|O')]", 8),
        ("(134217728,)", "'<f4'", 1 << 29),
    ],
)
def test_an_array_that_is_not_what_it_says_is_refused_before_memory_is_taken(
    tmp_path: Path, shape: str, kind: str, zeros: int
) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises((OSError, ValueError)):
        read_npz(archive(tmp_path / "a.npz", shape, kind, zeros))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x05\x06" + bytes(18), b"\x93NUMPY\x01\x00", b"{}" * 1000])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises((OSError, ValueError, KeyError)):
        read_npz(tmp_path / "a.npz", ["X"])
    (tmp_path / "a.npz").unlink()
    os.mkfifo(tmp_path / "a.npz")
    with pytest.raises(OSError):
        read_npz(tmp_path / "a.npz", ["X"])


def test_an_npy_file_is_read_or_mapped(tmp_path: Path) -> None:
    made = np.arange(12, dtype=np.uint8).reshape(3, 4)
    np.save(tmp_path / "a.npy", made)
    assert np.array_equal(read_npy(tmp_path / "a.npy"), made)
    mapped = read_npy(tmp_path / "a.npy", mapped=True)
    assert isinstance(mapped, np.memmap) and np.array_equal(mapped, made)
    with pytest.raises(FileNotFoundError):
        read_npy(tmp_path / "b.npy")


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("damage", ["cut", "longer", "huge", "objects", "garbage", "pipe"])
def test_an_npy_file_that_is_not_what_it_says_is_refused(tmp_path: Path, damage: str, mapped: bool) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.array([None] * 9) if damage == "objects" else np.zeros(9), allow_pickle=True)
    data = path.read_bytes()
    if damage == "pipe":
        path.unlink()
        os.mkfifo(path)
    elif damage != "objects":
        changed = {
            "cut": data[:-3],
            "longer": data + b"x",
            "huge": data.replace(b"(9,), ", b"(9999999999,), ").replace(b" " * 9 + b"\n", b"\n", 1),
            "garbage": b"\x93NUMPY" + os.urandom(300),
        }
        path.write_bytes(changed[damage])
    with pytest.raises((OSError, ValueError)):
        read_npy(path, mapped=mapped)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
def test_what_is_not_finite_is_found_in_every_type(dtype) -> None:
    values = np.linspace(-6e4, 6e4, 24).reshape(4, 6).astype(dtype)
    assert all_finite(values)
    assert all_finite(values[:, ::2])
    for bad in (np.nan, np.inf, -np.inf):
        values[2, 4] = bad
        assert not all_finite(values)
        assert not all_finite(values[:, ::2])
