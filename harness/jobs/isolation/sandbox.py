"""A sandbox: files are hidden from this process and its children, where the system allows it (Linux user namespaces).

The process gets a view of the file system of its own (a mount namespace), in which an empty folder lies over each
folder that is hidden, and an empty file over each file. Nothing changes for any other process.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

_NEWNS, _NEWUSER = 0x00020000, 0x10000000
_BIND, _REC, _PRIVATE, _RDONLY, _REMOUNT = 0x1000, 0x4000, 0x40000, 0x1, 0x20


def hide(hidden: Sequence[Path], *, visible: Sequence[Path] = ()) -> str:
    """Hide ``hidden`` from this process, for good. Call it before anything else starts a thread.

    Args:
        hidden: files and folders; those that do not exist need no hiding.
        visible: what stays as it is although it lies in a hidden folder.

    Returns:
        An empty text; or why the system does not let us, and everything is visible as before.
    """
    if sys.platform != "linux":
        return f"no mount namespaces on {sys.platform}"
    try:
        _own_view()
        _cover([path.resolve() for path in hidden if path.exists()], [path.resolve() for path in visible])
        # In one more user namespace we have no rights over the view any longer: what is covered stays covered.
        _own_user(_NEWUSER)
    except OSError as error:
        return f"{error.strerror or error} ({error.filename or 'mount namespace'})"
    return ""


def _own_view() -> None:
    """A mount namespace of our own; as nobody special, in a user namespace in which we may mount."""
    try:
        _call("unshare", _NEWNS)
    except OSError:
        _own_user(_NEWUSER | _NEWNS)
    _mount("none", "/", flags=_REC | _PRIVATE)


def _own_user(flags: int) -> None:
    """A user namespace of our own, in which we are who we were."""
    uid, gid = os.getuid(), os.getgid()
    _call("unshare", flags)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        Path("/proc/self", name).write_text(text)


def _cover(hidden: Sequence[Path], visible: Sequence[Path]) -> None:
    """Mount something empty over everything hidden, and what is visible back into it."""
    scratch = Path(tempfile.mkdtemp(prefix="bench-view-"))
    try:
        _mount("tmpfs", str(scratch), kind="tmpfs")
        (scratch / "file").touch()
        copies = {path: _second_place(scratch, number, path) for number, path in enumerate(visible) if path.exists()}
        for path in hidden:
            if path.is_dir():
                _mount("tmpfs", str(path), kind="tmpfs")
                for inside, copy in copies.items():
                    if path in inside.parents:
                        _mount_back(copy, inside)
                _mount("none", str(path), flags=_REMOUNT | _BIND | _RDONLY)
            elif not any(one == path or one in path.parents for one in visible):
                _mount(str(scratch / "file"), str(path), flags=_BIND)
        _call("umount2", str(scratch).encode(), 2)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _second_place(scratch: Path, number: int, path: Path) -> Path:
    """A second place at which ``path`` can be reached after its first one is covered."""
    copy = scratch / str(number)
    copy.mkdir() if path.is_dir() else copy.touch()
    _mount(str(path), str(copy), flags=_BIND | _REC)
    return copy


def _mount_back(copy: Path, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.mkdir() if copy.is_dir() else path.touch()
    _mount(str(copy), str(path), flags=_BIND | _REC)


def _mount(source: str, target: str, *, kind: str = "", flags: int = 0) -> None:
    _call("mount", source.encode(), target.encode(), kind.encode() or None, flags, None, place=target)


def _call(name: str, *arguments: object, place: str | None = None) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    converted = [ctypes.c_ulong(value) if isinstance(value, int) else value for value in arguments]
    if getattr(libc, name)(*converted):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), place or name)
