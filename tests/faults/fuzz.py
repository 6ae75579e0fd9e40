"""Hostile inputs for the command line, drawn from a seed: cards, tables, settings, options, evidence, arrays.

``python tests/faults/fuzz.py --count 3000`` runs that many; ``--seed 7`` draws others, ``--only 1234`` runs one of them
and shows what was printed. Every input is met by a fork of this process, which has imported everything, in a folder, a
home and a folder for temporary files of its own. ``--mode spawn`` starts an interpreter for each instead, some ten
times as slow; ``--mode both`` does both and names every input on which they disagree.

An input fails the program if a command ends in a traceback or an "unexpected" error, by a signal, after more than five
seconds of computing, without an end, with more than a gigabyte of memory above what the imports take, or leaves a
process behind. What a command refuses, and with which words, is not judged here.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support.hostile import KINDS, Words, template

Mode = Literal["fork", "spawn", "both"]
CPU_S, WALL_S, MEMORY_MB = 5, 60, 1000
_STARTING_S = 8
_BACKSTOP = 8 << 30
_BAD = re.compile(r"Traceback \(most recent|unexpected \w*(?:Error|Exception|Warning)|looks like a bug")


@dataclass(frozen=True)
class Outcome:
    """What came of one input; ``fault`` is empty where the program stood it."""

    number: int
    kind: str
    words: Words
    fault: str
    text: str


@dataclass(frozen=True)
class _Met:
    """How a command ended: wait status, seconds of computing, megabytes, output, whether it left a process behind."""

    status: int
    cpu_s: float
    memory_mb: float
    text: str
    left: bool = False

    @property
    def code(self) -> int:
        return os.waitstatus_to_exitcode(self.status)


def forked(work: Callable[[], int], log: Path, *, cpu_s: int = CPU_S + 3) -> _Met:
    """Do ``work`` in a fork of this process, in a session of its own; its output goes to ``log``."""
    child = os.fork()
    if child == 0:
        code = 70
        try:
            _settle(log, cpu_s)
            limit = _address_space() + _BACKSTOP
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
            code = work()
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return _wait(child, log)


def spawned(words: Words, folder: Path, log: Path) -> _Met:
    """Run ``bench`` with these words in a new interpreter."""
    code = "import sys; from harness.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-P", "-c", code, *words]
    child = subprocess.Popen(
        command, cwd=folder, env=_variables(folder), preexec_fn=lambda: _settle(log, CPU_S + _STARTING_S)
    )
    child.returncode = 0  # waited for below, where what it used is asked for too
    return _wait(child.pid, log)


def _settle(log: Path, cpu_s: int) -> None:
    os.setsid()
    sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    empty = os.open(os.devnull, os.O_RDONLY)
    for old, new in ((empty, 0), (sink, 1), (sink, 2)):
        os.dup2(old, new)
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    signal.alarm(WALL_S)


def _wait(child: int, log: Path) -> _Met:
    _, status, usage = os.wait4(child, 0)
    left = True
    try:
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:
        left = False
    text = log.read_text(errors="replace")
    return _Met(status, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000, text, left)


def _address_space() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _fault(met: _Met, before: _Met) -> str:
    """Why an input failed the program; ``before``: what a command took that did nothing."""
    if os.WIFSIGNALED(met.status):
        name = signal.Signals(os.WTERMSIG(met.status)).name
        return {"SIGALRM": f"no end within {WALL_S} s", "SIGXCPU": "endless computing"}.get(name, f"ended by {name}")
    if found := _BAD.search(met.text):
        return found[0]
    if met.code not in {0, 1, 2}:
        return f"code {met.code}"
    if met.cpu_s - before.cpu_s > CPU_S:
        return f"{met.cpu_s:.1f} s of computing"
    if met.memory_mb - before.memory_mb > MEMORY_MB:
        return f"{met.memory_mb:.0f} MB"
    if len(met.text) > 100_000:
        return f"{len(met.text)} characters of output"
    return "a process that it left behind" if met.left else ""


class Fuzz:
    """Inputs, met one after another in a scratch folder.

    Args:
        scratch: an empty folder.
        seed: of what is drawn.
        mode: how the program meets them.
    """

    def __init__(self, scratch: Path, seed: int, mode: Mode) -> None:
        self.scratch, self.seed, self.mode = scratch, seed, mode
        os.environ.update(COLUMNS="200", MLFLOW_TRACKING_URI="sqlite:///view.db", MPLBACKEND="agg")
        for name in ("BENCH_DATA", "BENCH_DATASETS", "BENCH_DEBUG", "BENCH_CACHE", "XDG_CACHE_HOME"):
            os.environ.pop(name, None)
        _import_all()
        gc.collect()
        gc.freeze()  # a collection in a fork would copy all that the imports have made
        made = forked(lambda: template(scratch / "template") or 0, scratch / "log.txt", cpu_s=WALL_S)
        assert made.code == 0, made.text
        for folder in (scratch, scratch / "template"):
            (folder / "home").mkdir()
            (folder / "tmp").mkdir()
        self._before = {
            name: meet(["--version"], scratch) for name, meet in (("fork", self._fork), ("spawn", self._spawn))
        }

    def attempt(self, number: int) -> Outcome:
        """Draw input ``number`` and have the program meet it."""
        rng = random.Random(f"{self.seed}/{number}")
        kinds = list(KINDS)
        kind = rng.choices(kinds, [KINDS[name][1] for name in kinds])[0]
        drawn = self.scratch / "drawn"
        shutil.copytree(self.scratch / "template", drawn, symlinks=True)
        try:
            # Drawn in a fork of its own: what it takes to make a large input is not the program's.
            out, log = self.scratch / "words.json", self.scratch / "draw.txt"
            made = forked(lambda: _draw(rng, kind, drawn, out), log, cpu_s=WALL_S)
            if made.code:
                return Outcome(number, kind, [], "it cannot be drawn", made.text)
            words: Words = json.loads(out.read_text())
            return self._judged(number, kind, words, drawn)
        finally:
            _remove(drawn)

    def _judged(self, number: int, kind: str, words: Words, drawn: Path) -> Outcome:
        if self.mode == "both":
            return self._compared(number, kind, words, drawn)
        met = (self._fork if self.mode == "fork" else self._spawn)(words, drawn)
        return Outcome(number, kind, words, _fault(met, self._before[self.mode]), met.text)

    def _compared(self, number: int, kind: str, words: Words, drawn: Path) -> Outcome:
        """An input in both modes; a disagreement is a fault."""
        again = self.scratch / "again"
        os.rename(drawn, again)  # noqa: PTH104  (what is in it may be unreadable)
        try:
            subprocess.run(["cp", "-a", again, drawn], check=True)
            one = self._fork(words, drawn)
            _remove(drawn)
            os.rename(again, drawn)  # noqa: PTH104
            other = self._spawn(words, drawn)
        finally:
            _remove(again)
        faults = [_fault(one, self._before["fork"]), _fault(other, self._before["spawn"])]
        fault = next(filter(None, faults), "")
        if (one.code, *faults[:1]) != (other.code, *faults[1:]):
            fault = f"fork: code {one.code} {faults[0]}; spawn: code {other.code} {faults[1]}"
        elif one.text != other.text:
            fault = fault or "fork and spawn print different things"
        return Outcome(number, kind, words, fault, f"{one.text}\n--- spawn ---\n{other.text}")

    def _fork(self, words: Words, folder: Path) -> _Met:
        return forked(lambda: _meet(words, folder), self.scratch / "log.txt")

    def _spawn(self, words: Words, folder: Path) -> _Met:
        return spawned(words, folder, self.scratch / "log.txt")


def _import_all() -> None:
    """Whatever a command imports when it is first needed."""
    import importlib

    libraries = ("matplotlib.pyplot", "optuna", "pandas", "pyarrow.parquet", "pydicom", "safetensors", "yaml")
    for name in libraries:
        importlib.import_module(name)
    import harness

    root = Path(harness.__file__).parent
    for room in ("cli", "datasets", "protocols", "results", "studies"):
        for path in sorted((root / room).rglob("*.py")):
            name = ".".join(path.relative_to(root.parent).with_suffix("").parts)
            importlib.import_module(name.removesuffix(".__init__"))


def _draw(rng: random.Random, kind: str, work: Path, out: Path) -> int:
    os.chdir(work)
    out.write_text(json.dumps(KINDS[kind][0](rng, work)))
    return 0


def _meet(words: Words, work: Path) -> int:
    from harness.cli.main import main

    os.chdir(work)
    os.environ.update(_variables(work))
    tempfile.tempdir = None  # that of $TMPDIR
    return main(words)


def _variables(work: Path) -> dict[str, str]:
    """The environment of a command, with a home and a place for temporary files of its own."""
    return {**os.environ, "HOME": str(work / "home"), "TMPDIR": str(work / "tmp"), "BENCH_CACHE": "cache"}


def _remove(folder: Path) -> None:
    for path in folder.rglob("*"):
        if not path.is_symlink() and not os.access(path, os.R_OK):
            path.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


def fuzz(
    numbers: range,
    seed: int = 0,
    *,
    mode: Mode = "fork",
    seconds: float = float("inf"),
    tell: Callable[[Outcome], None] = lambda _: None,
) -> tuple[int, int]:
    """Run the inputs of these numbers: how many were begun within ``seconds``, and how many faults were found."""
    done = faults = 0
    with tempfile.TemporaryDirectory() as folder:
        inputs = Fuzz(Path(folder).resolve(), seed, mode)
        start = time.monotonic()
        for number in numbers:
            outcome = inputs.attempt(number)
            tell(outcome)
            done += 1
            faults += bool(outcome.fault)
            if time.monotonic() - start > seconds:
                break
    return done, faults


def _main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--count", type=int, default=1000, help="how many inputs")
    parser.add_argument("--start", type=int, default=0, help="number of the first one")
    parser.add_argument("--seed", type=int, default=0, help="another seed draws others")
    parser.add_argument("--mode", choices=["fork", "spawn", "both"], default="fork", help="how the program meets them")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no further input after this time")
    parser.add_argument("--only", type=int, default=None, help="run this one and show what was printed")
    given = parser.parse_args()
    numbers = range(given.start, given.start + given.count)
    if given.only is not None:
        numbers = range(given.only, given.only + 1)
    tell = _tell_fault if given.only is None else _tell_all
    done, faults = fuzz(numbers, given.seed, mode=given.mode, seconds=given.seconds, tell=tell)
    print(f"{done} inputs, {faults} faults")
    return bool(faults)


def _tell_all(one: Outcome) -> None:
    print(one.kind, [word[:200] for word in one.words], one.text, one.fault)


def _tell_fault(one: Outcome) -> None:
    if one.fault:
        print(one.number, one.kind, one.fault, [word[:80] for word in one.words], one.text[:600], flush=True)


if __name__ == "__main__":
    sys.exit(_main())
