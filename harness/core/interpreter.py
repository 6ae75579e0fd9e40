"""How Python is started for processes of ours: what lies in the working folder or in ``$PYTHONPATH`` shadows nothing.

``python -m`` and ``python -c`` look for modules in the working folder first, and everywhere in the folders of
``$PYTHONPATH`` before the standard library: a ``random.py`` or a folder ``methods/`` there would be imported into a
training. What can only be found there is still found, last.
"""

from __future__ import annotations

import os
import site
import sys
from collections.abc import Mapping
from pathlib import Path

_DROPPED = ("PYTHONPATH", "PYTHONSTARTUP", "PYTHONINSPECT", "PYTHONOPTIMIZE", "PYTHONUSERBASE", "PYTHONCASEOK")

_ROOT = str(Path(__file__).resolve().parents[2])

_START = """
import sys
root, *behind = sys.argv.pop(1).split("\\n")
del sys.argv[0]
if root not in sys.path:
    site = (k for k, path in enumerate(sys.path) if path.endswith(("site-packages", "dist-packages")))
    sys.path.insert(next(site, len(sys.path)), root)
sys.path.extend(path for path in behind if path not in sys.path)
word = sys.argv.pop(0)
if word == "-m":
    import runpy
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
else:
    sys.argv.insert(0, "-c")
    exec(sys.argv.pop(1))
"""
"""Runs before anything else of ours: it imports nothing before the path is right."""


def command(*words: str) -> list[str]:
    """The command that starts Python with ``-m MODULE ...`` or ``-c CODE ...``, isolated.

    The standard library, this project and what is installed come first. What else this process can import is behind.
    """
    flags = ["-P"] if _in_user_site() else ["-P", "-s"]
    path = "\n".join([_ROOT, *(path for path in sys.path if path and "\n" not in path)])
    return [sys.executable, *flags, "-c", _START, path, *words]


def variables(given: Mapping[str, str]) -> dict[str, str]:
    """Environment variables for a process of ours: ``given``, without those that change what Python imports."""
    safe = {"PYTHONSAFEPATH": "1"} | ({} if _in_user_site() else {"PYTHONNOUSERSITE": "1"})
    if _ROOT in _entries(given.get("PYTHONPATH", "")):  # the project is used from there, and so it is in grandchildren
        safe["PYTHONPATH"] = _ROOT
    return {name: value for name, value in given.items() if name not in _DROPPED} | safe


def isolate() -> None:
    """Isolate this process and whatever it starts; call it before anything else of ours is imported.

    The folders that Python looked in first are looked in last from now on.
    """
    late = {"", str(Path.cwd()), str(Path(sys.argv[0]).resolve().parent), *_entries(os.environ.get("PYTHONPATH", ""))}
    if not _in_user_site():
        late.add(site.getusersitepackages())
    late -= {_ROOT, *site.getsitepackages()}
    behind = [path for path in sys.path if path in late and path != ""]
    sys.path[:] = [path for path in sys.path if path not in late] + behind
    for name in set(os.environ) - set(safe := variables(os.environ)):
        del os.environ[name]
    os.environ.update(safe)


def isolate_children() -> None:
    """Have processes that a library starts (pools) look for no modules in the working folder."""
    os.environ.setdefault("PYTHONSAFEPATH", "1")


def _entries(text: str) -> list[str]:
    """The folders of a ``$PYTHONPATH`` as they are in ``sys.path``."""
    return [str(Path(path).absolute()) for path in text.split(os.pathsep) if path]


def _in_user_site() -> bool:
    """Whether the project is installed for the user alone (``pip install --user``)."""
    return site.getusersitepackages() == _ROOT
