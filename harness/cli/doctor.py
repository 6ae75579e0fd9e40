"""``bench doctor``: is everything here that a run needs? Each line is fine, or comes with its fix."""

from __future__ import annotations

import importlib
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from harness.cli.options import Cache, DataRoot, Out
from harness.core import console, interpreter
from harness.core.errors import UsageError
from harness.core.folders import expanded, writable_folder

State = Literal["ok", "note", "wrong"]
_GIB = 2**30
_LITTLE_SPACE_GIB = 10


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        what: what was looked at.
        state: ``ok``, ``note`` (a run works without it) or ``wrong`` (nothing runs before it is mended).
        detail: what was found.
        fix: what to do; empty where all is well.
    """

    what: str
    state: State
    detail: str
    fix: str = ""


def doctor(
    data_root: DataRoot = None,
    out: Out = None,
    cache: Cache = None,
    report: Annotated[bool, typer.Option("--report", help="Print what a bug report needs, as Markdown.")] = False,
) -> None:
    """Check Python, torch, the GPU, OpenSlide, disks, data folders, MLflow and encoder weights.

    Ends with code 1 if something that every run needs is broken.
    """
    from harness.core.resources import cache_root

    checks: tuple[tuple[str, Callable[[], Iterator[Finding]]], ...] = (
        ("Python", _python),
        ("torch", _torch),
        ("OpenSlide", _openslide),
        ("MLflow", lambda: _library("mlflow", "MLflow")),
        ("timm", _timm),
        ("cache", lambda: _folder("cache", cache or cache_root())),
        ("runs folder", lambda: _folder("runs folder", out or Path("runs"))),
        ("methods", _methods),
        ("held-out labels", _held_out_labels),
        ("data", lambda: _data(data_root)),
    )
    findings = [finding for what, check in checks for finding in _guarded(what, check)]
    if report:
        _report(findings)
        return
    marks = {"ok": "ok", "note": "note", "wrong": "WRONG"}
    for finding in findings:
        console.say(f"{marks[finding.state]:<7}{finding.what:<14}{finding.detail}", style=_STYLES[finding.state])
        if finding.fix:
            console.say(f"{'':<7}{'fix:':<14}{finding.fix}")
    if any(finding.state == "wrong" for finding in findings):
        raise typer.Exit(1)


def _report(findings: Sequence[Finding]) -> None:
    """The findings and the versions of everything that takes part, to be pasted into a bug report."""
    from importlib import metadata

    names = sorted({re.split(r"[ ;<>=!\[~]", line)[0] for line in metadata.requires("wsibench") or ()})
    home = str(Path.home())
    console.say("```text")
    console.say(f"wsibench {metadata.version('wsibench')}, Python {platform.python_version()}, {platform.platform()}")
    for finding in findings:
        console.say(f"{finding.state:<6}{finding.what:<14}{finding.detail.replace(home, '~')}")
    for name in names:
        try:
            console.say(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            console.say(f"{name} not installed")
    console.say("```")


_STYLES: dict[State, str | None] = {"ok": None, "note": "yellow", "wrong": "bold red"}


def _guarded(what: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """The findings of a check; a check that fails itself is a finding too."""
    try:
        yield from check()
    except Exception as error:
        yield Finding(what, "wrong", f"{type(error).__name__}: {error}", "reinstall the project: pip install .")


def _python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info >= (3, 11)
    yield Finding("Python", "ok" if good else "wrong", version, "" if good else "use Python 3.11 or newer")


def _torch() -> Iterator[Finding]:
    import torch

    yield Finding("torch", "ok", torch.__version__)
    if not torch.cuda.is_available():
        fix = "fine for small datasets; otherwise check the NVIDIA driver, and that torch was installed with CUDA"
        yield Finding("GPU", "note", "no CUDA device; runs use the CPU", fix)
    for number in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        free, total = torch.cuda.mem_get_info(number)
        name = torch.cuda.get_device_name(number)
        yield Finding("GPU", "ok", f"cuda:{number} {name}, {free / _GIB:.1f} of {total / _GIB:.1f} GiB free")


def _openslide() -> Iterator[Finding]:
    import openslide

    yield Finding("OpenSlide", "ok", f"{openslide.__library_version__} (Python binding {openslide.__version__})")


def _library(module: str, name: str) -> Iterator[Finding]:
    yield Finding(name, "ok", str(importlib.import_module(module).__version__))


def _timm() -> Iterator[Finding]:
    yield from _library("timm", "timm")
    from huggingface_hub.constants import HF_HUB_CACHE

    cached = sorted(path.name.removeprefix("models--") for path in Path(HF_HUB_CACHE).glob("models--timm--*"))
    names = ", ".join(name.removeprefix("timm--") for name in cached)
    if cached:
        yield Finding("weights", "ok", f"cached in {HF_HUB_CACHE}: {names}")
    else:
        fix = "a run fetches them; without a network choose --encoder random:resnet18@layer3 or file:NAME=PATH"
        yield Finding("weights", "note", f"no timm weights cached in {HF_HUB_CACHE}", fix)


def _folder(what: str, folder: Path) -> Iterator[Finding]:
    """Whether files can be written to ``folder``, which need not exist yet, and how much room there is."""
    option = _OPTION[what]
    try:
        writable_folder(expanded(folder), option.partition(" ")[0])
    except UsageError as error:
        yield Finding(what, "wrong", f"{folder}: {error.problem}", f"choose another with {option}")
        return
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free / _GIB
    little = free < _LITTLE_SPACE_GIB
    fix = f"features of a large dataset need tens of GiB: free some, or choose another disk with {option}"
    yield Finding(what, "note" if little else "ok", f"{folder}: {free:.1f} GiB free", fix if little else "")


_OPTION = {"cache": "--cache or $BENCH_CACHE", "runs folder": "--out"}


def _methods() -> Iterator[Finding]:
    from harness.api.registry import list_methods

    entries = list_methods()
    for entry in entries:
        if entry.broken:
            yield Finding("method", "note", f"{entry.name}: {entry.broken}", f"mend or uninstall {entry.origin}")
    usable = sum(not entry.broken for entry in entries)
    yield Finding("methods", "ok" if usable else "wrong", f"{usable} usable", "" if usable else "reinstall the project")


_HIDE = """
import os, sys
from harness.jobs.isolation.sandbox import hide
if os.fork():
    os._exit(os.waitstatus_to_exitcode(os.wait()[1]))
sys.stdout.write(hide([]))
sys.stdout.flush()
os._exit(0)
"""
"""Hides nothing in a fork, as units do: a process with threads is not allowed to."""


def _held_out_labels() -> Iterator[Finding]:
    """Whether files with labels can be hidden from the processes that train; tried in a process of its own."""
    tried = subprocess.run(interpreter.command("-c", _HIDE), capture_output=True, text=True, timeout=60, check=False)
    reason = tried.stdout.strip() or (tried.stderr.strip().splitlines() or [""])[-1]
    if not reason:
        yield Finding("held-out labels", "ok", "files with test labels are hidden from methods")
        return
    fix = "allow user namespaces (sysctl kernel.unprivileged_userns_clone=1, or the container's settings)"
    yield Finding(
        "held-out labels", "note", f"methods are told no test label, but could read label files: {reason}", fix
    )


def _data(data_root: Path | None) -> Iterator[Finding]:
    """The folder given with --data-root, or the folders of ``$BENCH_DATA`` that carry a dataset's name."""
    chosen = data_root or os.environ.get("BENCH_DATA")
    if not chosen:
        fix = "give --data-root to commands, or set BENCH_DATA to a folder with one folder per dataset"
        yield Finding("data", "note", "no data root is set", fix)
        return
    folder = expanded(chosen)
    if not folder.is_dir():
        yield Finding("data", "note", f"{folder} is not a folder", "correct --data-root or BENCH_DATA")
    elif data_root:
        yield Finding("data", "ok", f"{folder}: {console.count(sum(1 for _ in folder.iterdir()), 'file')} or folders")
    else:
        names = ", ".join(sorted(path.name for path in folder.iterdir() if path.is_dir())) or "none"
        yield Finding("data", "ok", f"BENCH_DATA={folder}, datasets: {names}")
