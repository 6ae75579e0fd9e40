"""A home folder for us and for the libraries in use, also where the system names none or does not let us write to it.

Containers and services run under user ids without an entry in /etc/passwd, with ``$HOME`` unset, empty, relative or
read-only. Some libraries cannot even be imported then; others make a folder called ``~`` where they are.
"""

from __future__ import annotations

import os
import pwd
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path


def settle_home() -> None:
    """Give this process and its children a ``$HOME`` that exists, and caches that can be written.

    What works is left as it is; so are the caches of a home that can only be read, where they hold something.
    """
    home = next(_homes(), None)
    if home is None:
        home = fallback_folder()
    os.environ["HOME"] = str(home)
    if not os.environ.get("XDG_CACHE_HOME", "/").startswith("/"):
        del os.environ["XDG_CACHE_HOME"]  # the specification has relative ones ignored
    if not _NAMES & os.environ.keys() and not _has_entry():
        os.environ["USER"] = f"uid{os.getuid()}"  # the system cannot say who we are, and libraries ask
    base = cache_base()
    if base is None or not can_write(base):
        for variable, name in (("HF_HOME", "huggingface"), ("TORCH_HOME", "torch"), ("MPLCONFIGDIR", "matplotlib")):
            if base is None or name == "matplotlib" or not (base / name).is_dir():
                os.environ.setdefault(variable, str(fallback_folder() / name))


_NAMES = {"LOGNAME", "USER", "LNAME", "USERNAME"}


def cache_base() -> Path | None:
    """Where caches belong: ``$XDG_CACHE_HOME``, else ``.cache`` in the home folder; None without a home folder."""
    chosen = os.environ.get("XDG_CACHE_HOME", "")
    if chosen.startswith("/"):
        return Path(chosen)
    home = next(_homes(), None)
    return None if home is None else home / ".cache"


def can_write(folder: Path) -> bool:
    """Whether files can be made in a folder, which itself may have to be made."""
    for path in (folder, *folder.parents):
        if os.path.lexists(path):
            return path.is_dir() and os.access(path, os.W_OK | os.X_OK)
    return False


@cache
def fallback_folder() -> Path:
    """A folder of this user's own among the temporary ones: the same in every process, if nobody else has made it.

    Raises:
        OSError: there is no place for temporary files either.
    """
    place = Path(tempfile.gettempdir(), f"wsibench-{os.getuid()}")
    try:
        place.mkdir(mode=0o700, exist_ok=True)
        ours = not place.is_symlink() and place.lstat().st_uid == os.getuid() and can_write(place)
    except OSError:
        ours = False
    return place if ours else Path(tempfile.mkdtemp(prefix="wsibench-"))


def _homes() -> Iterator[Path]:
    """Home folders that exist: that of ``$HOME``, and that of the user's entry in /etc/passwd."""
    texts = [os.environ.get("HOME", "")]
    if _has_entry():
        texts.append(pwd.getpwuid(os.getuid()).pw_dir)
    for text in texts:
        if text.startswith("/") and os.path.isdir(text):  # noqa: PTH112  (Path raises for names that are too long)
            yield Path(text)


def _has_entry() -> bool:
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        return False
    return True
