"""Hostile inputs for the command line, drawn from a seed: cards, tables, settings, options, evidence, arrays.

``python tests/faults/fuzz.py --count 3000`` runs that many; ``--seed 7`` draws others, ``--only 1234`` runs one of them
and shows what was printed. Every input is met by a fork of this process, which has imported everything.

An input fails the program if a command ends in a traceback or an "unexpected" error, by a signal, after more than five
seconds of computing, or with more than a gigabyte of memory. What a command refuses, and with which words, is not
judged here.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support.hostile import KINDS, Words, template

_BATCH = 25
CPU_S, WALL_S, MEMORY_MB = 5, 120, 1000
_BAD = re.compile(r"Traceback \(most recent|unexpected \w*(?:Error|Exception|Warning)|looks like a bug")


@dataclass(frozen=True)
class Outcome:
    """What came of one input; ``fault`` is empty where the program stood it."""

    number: int
    kind: str
    words: Words
    fault: str
    text: str


def forked(work: Callable[[], int], log: Path) -> tuple[int, resource.struct_rusage, float]:
    """Do ``work`` in a fork whose output goes to ``log``: wait status, what it used, seconds."""
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        code = 70
        try:
            sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(sink, 1)
            os.dup2(sink, 2)
            resource.setrlimit(resource.RLIMIT_CPU, (CPU_S + 3, CPU_S + 4))
            signal.signal(signal.SIGXCPU, signal.SIG_DFL)
            signal.alarm(WALL_S)
            code = work()
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    _, status, usage = os.wait4(child, 0)
    return status, usage, time.monotonic() - start


def attempt(number: int, seed: int, scratch: Path, before_mb: float) -> Outcome:
    """Draw input ``number`` and have the program meet it."""
    rng = random.Random(f"{seed}/{number}")
    kinds = list(KINDS)
    kind = rng.choices(kinds, [KINDS[name][1] for name in kinds])[0]
    work = scratch / "work"
    shutil.copytree(scratch / "template", work)
    words: Words = []
    try:
        # Drawn in a fork of its own: what it takes to make a large input is not the program's.
        forked(lambda: _draw(rng, kind, work, scratch / "words.json"), scratch / "draw.txt")
        words = json.loads((scratch / "words.json").read_text())
        status, usage, _ = forked(lambda: _meet(words, work), scratch / "log.txt")
        text = (scratch / "log.txt").read_text(errors="replace")
    finally:
        for path in work.rglob("*"):
            if not path.is_symlink() and not os.access(path, os.R_OK):
                path.chmod(0o700)
        shutil.rmtree(work)
    cpu, memory = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000
    fault = ""
    if os.WIFSIGNALED(status):
        fault = f"ended by {signal.Signals(os.WTERMSIG(status)).name}"
    elif found := _BAD.search(text):
        fault = found[0]
    elif os.WEXITSTATUS(status) not in {0, 1, 2}:
        fault = f"code {os.WEXITSTATUS(status)}"
    elif cpu > CPU_S:
        fault = f"{cpu:.1f} s of computing"
    elif memory > MEMORY_MB + before_mb:
        fault = f"{memory:.0f} MB"
    elif len(text) > 100_000:
        fault = f"{len(text)} characters of output"
    return Outcome(number, kind, words, fault, text)


def _draw(rng: random.Random, kind: str, work: Path, out: Path) -> int:
    os.chdir(work)
    out.write_text(json.dumps(KINDS[kind][0](rng, work)))
    return 0


def _meet(words: Words, work: Path) -> int:
    from harness.cli.main import main

    os.chdir(work)
    return main(words)


def fuzz(numbers: range, seed: int, *, tell: Callable[[Outcome], None] = lambda _: None) -> list[Outcome]:
    """Run the inputs of these numbers; those that the program did not stand."""
    import pandas  # noqa: F401
    import pyarrow.parquet  # noqa: F401
    import yaml  # noqa: F401

    import harness.cli.main
    import harness.protocols.verify
    import harness.results.compare
    import harness.results.leaderboard
    import harness.studies.resolve  # noqa: F401

    os.environ.update(BENCH_CACHE="cache", COLUMNS="200", MLFLOW_TRACKING_URI="sqlite:///view.db")
    for name in ("BENCH_DATA", "BENCH_DATASETS", "BENCH_DEBUG"):
        os.environ.pop(name, None)
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder).resolve()
        status, usage, _ = forked(lambda: template(scratch / "template") or 0, scratch / "log.txt")
        assert status == 0, (scratch / "log.txt").read_text()
        before_mb = usage.ru_maxrss / 1000
        for number in numbers:
            outcome = attempt(number, seed, scratch, before_mb)
            tell(outcome)
            if outcome.fault:
                failed.append(outcome)
    return failed


def _main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--count", type=int, default=1000, help="how many inputs")
    parser.add_argument("--start", type=int, default=0, help="number of the first one")
    parser.add_argument("--seed", type=int, default=0, help="another seed draws others")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no further input after this time")
    parser.add_argument("--only", type=int, default=None, help="run this one and show what was printed")
    given = parser.parse_args()
    if given.only is not None:
        return bool(fuzz(range(given.only, given.only + 1), given.seed, tell=_tell_all))
    done, failed, start = 0, 0, time.monotonic()
    for first in range(given.start, given.start + given.count, _BATCH):
        numbers = range(first, min(first + _BATCH, given.start + given.count))
        failed += len(fuzz(numbers, given.seed, tell=_tell_fault))
        done += len(numbers)
        if time.monotonic() - start > given.seconds:
            break
    print(f"{done} inputs, {failed} faults")
    return bool(failed)


def _tell_all(one: Outcome) -> None:
    print(one.kind, [word[:200] for word in one.words], one.text, one.fault)


def _tell_fault(one: Outcome) -> None:
    if one.fault:
        print(one.number, one.kind, one.fault, [word[:80] for word in one.words], one.text[:600], flush=True)


if __name__ == "__main__":
    sys.exit(_main())
