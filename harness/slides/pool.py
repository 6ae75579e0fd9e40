"""Work in processes that may crash: a job that kills its process is named, and the others go on."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.process import BaseProcess
from typing import TypeVar

from harness.core import interpreter

J = TypeVar("J")
R = TypeVar("R")


class WorkerDiedError(Exception):
    """The process of a job ended without an answer: a crash in native code, or killed for its memory."""


def run_each(
    work: Callable[[J], R], jobs: Sequence[J], *, workers: int, setup: Callable[[], None] | None = None
) -> Iterator[tuple[int, R | WorkerDiedError]]:
    """Do all jobs in ``workers`` fresh processes and yield (position, result) as they finish.

    When a process dies, the pool does not say over which job. Those that were under way are done again, each in a
    process of its own: the one that dies there too is at fault and yields a ``WorkerDiedError``.

    Args:
        work: a function at module level; its exceptions are raised here.
        jobs: its arguments.
        workers: processes; 0 works in this process, without protection (for debugging).
        setup: is called first in each process; it can be pickled.
    """
    if workers <= 0:
        yield from ((number, work(job)) for number, job in enumerate(jobs))
        return
    waiting = deque(range(len(jobs)))
    while waiting:
        suspects: list[int] = []
        yield from _until_broken(work, jobs, waiting, suspects, workers, setup)
        for number in suspects:
            last: list[int] = []
            # With a single job under way there is no doubt who did it.
            if workers > 1:
                yield from _until_broken(work, jobs, deque([number]), last, 1, setup)
            if workers == 1 or last:
                yield number, WorkerDiedError()


def _until_broken(
    work: Callable[[J], R],
    jobs: Sequence[J],
    waiting: deque[int],
    suspects: list[int],
    workers: int,
    setup: Callable[[], None] | None,
) -> Iterator[tuple[int, R]]:
    """Work ``waiting`` off; when a process dies, put what was under way into ``suspects`` and stop."""
    interpreter.isolate_children()
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(
        min(workers, len(waiting)), mp_context=context, initializer=_start_worker, initargs=(setup,)
    )
    running: dict[Future[R], int] = {}
    try:
        while (waiting or running) and not suspects:
            while waiting and len(running) < workers:
                running[pool.submit(work, jobs[waiting[0]])] = waiting[0]
                waiting.popleft()
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                number = running.pop(future)
                try:
                    result = future.result()
                except BrokenProcessPool:
                    suspects.append(number)
                else:
                    yield number, result
    except KeyboardInterrupt:
        for process in multiprocessing.active_children():  # else the pool waits for slides that take minutes
            process.terminate()
        raise
    except BrokenProcessPool:
        # Noticed while handing out work. Something must become suspect, or the same would happen for ever.
        if not running:
            suspects.append(waiting.popleft())
    finally:
        suspects.extend(running.values())
        pool.shutdown(wait=True, cancel_futures=True)


def _start_worker(setup: Callable[[], None] | None) -> None:
    # Ctrl-C is the parent's to answer; and a parent that is killed must not leave workers behind.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    if setup is not None:
        setup()


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)
