"""A bundle as one file: a zip archive that is stored, not compressed, and of which there is one for given members.

Because the members determine every byte, a reader writes the archive again from what it has read and refuses all that
is not equal: data before, between or behind the members, names that stand twice, links, devices, encryption, comments,
other times. Stored members take as much memory as they take on the disk, so that nothing can unpack to more.
"""

from __future__ import annotations

import io
import os
import stat
import zipfile
from pathlib import Path

from harness.bundles.members import LIMITS, MANIFEST, Members, refused
from harness.core.atomic import replacing
from harness.core.errors import shown
from harness.core.reading import read_bytes, size_text

SUFFIX = ".wsibundle"
_TIME = (1980, 1, 1, 0, 0, 0)
_MODE = (stat.S_IFREG | 0o644) << 16
_UNIX = 3
_ENCRYPTED = 0x1


def pack(members: Members) -> bytes:
    """The archive of members: equal members give equal bytes, on any machine and at any time."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for name in _order(members):
            info = zipfile.ZipInfo(name, _TIME)
            info.create_system, info.external_attr = _UNIX, _MODE
            archive.writestr(info, members[name])
    return sink.getvalue()


def read_members(path: Path) -> dict[str, bytes]:
    """The members of a bundle, from its file or from the folder of an entry.

    Raises:
        DataError: it is no bundle, or anything about the archive or folder is not as it was packed.
    """
    if path.is_dir():
        return _from_folder(path)
    try:
        content = read_bytes(path, limit=sum(LIMITS.values()))
    except OSError as error:
        raise refused(f"it cannot be read: {error.strerror or error}", str(path)) from None
    return unpack(content, str(path))


def unpack(content: bytes, place: str) -> dict[str, bytes]:
    """The members of an archive; ``place`` says where it is in errors.

    Raises:
        DataError: as :func:`read_members`.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = archive.infolist()
            _check_directory(infos, place)
            members = {info.filename: archive.read(info) for info in infos}
    # An archive that somebody made up raises anything: wrong sums, offsets beyond its end, numbers of no version.
    except (zipfile.BadZipFile, zipfile.LargeZipFile, ValueError, NotImplementedError, RuntimeError, EOFError) as error:
        raise refused(f"it is no archive, or a damaged one: {error}", place) from None
    except (OSError, OverflowError, MemoryError) as error:
        raise refused(f"it cannot be read: {error}", place) from None
    if pack(members) != content:
        problem = "the archive is not as bench leaderboard submit packs it: it has other or further bytes"
        raise refused(f"{problem} than its members", place)
    return members


def write_folder(members: Members, folder: Path) -> None:
    """Write members as the files of a folder; files of other names that a bundle can have are removed."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in LIMITS:
        if name not in members:
            (folder / name).unlink(missing_ok=True)
    for name, content in members.items():
        with replacing(folder / name) as temporary:
            temporary.write_bytes(content)


def _order(members: Members) -> list[str]:
    """The manifest first, then by name."""
    return sorted(members, key=lambda name: (name != MANIFEST, name))


def _check_directory(infos: list[zipfile.ZipInfo], place: str) -> None:
    """Refuse an archive by its directory, before anything is unpacked; the first thing that is wrong is named."""
    if len(infos) > len(LIMITS):
        raise refused(f"it has {len(infos)} members, and at most {len(LIMITS)} are known", place)
    seen: set[str] = set()
    for info in infos:
        name = info.orig_filename if isinstance(info.orig_filename, str) else info.filename
        at = f"{place}, {shown(name)}"
        if info.flag_bits & _ENCRYPTED:
            raise refused("a member is encrypted", at)
        kind = stat.S_IFMT(info.external_attr >> 16)
        if info.is_dir() or kind not in (0, stat.S_IFREG):
            raise refused("a member is a link, a folder or a device, not a file", at)
        if name.casefold() in seen:
            raise refused("a name stands twice, or differs from another in upper and lower case only", at)
        seen.add(name.casefold())
        check_name(name, at)
        if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
            raise refused("a member is compressed, and members are stored", at)
        if info.file_size > LIMITS[name]:
            raise refused(f"it has {size_text(info.file_size)}, and at most {size_text(LIMITS[name])} are read", at)


def check_name(name: str, at: str) -> None:
    """Refuse every name but those that members have: none of them leads elsewhere."""
    if name in LIMITS:
        return
    if name.startswith(("/", "\\")) or ".." in name or ":" in name or "\\" in name or "\0" in name:
        raise refused("a name leads out of the bundle", at)
    raise refused(f"no member of a bundle has this name; known are {', '.join(LIMITS)}", at)


def _from_folder(folder: Path) -> dict[str, bytes]:
    found = {}
    with os.scandir(folder) as listing:
        files = sorted(listing, key=lambda one: one.name)
    for file in files:
        at = f"{folder}, {shown(file.name)}"
        check_name(file.name, at)
        if file.is_symlink() or not file.is_file(follow_symlinks=False):
            raise refused("it is a link, a folder or a device, not a file", at)
        try:
            found[file.name] = read_bytes(Path(file.path), limit=LIMITS[file.name])
        except OSError as error:
            raise refused(f"it cannot be read: {error.strerror or error}", at) from None
    return found
