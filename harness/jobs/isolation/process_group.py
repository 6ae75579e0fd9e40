"""The processes that run one job together, one per device: how they start, and what becomes of them if one fails.

Rank 0 is the process that was forked for the job. It forks the others before it touches a GPU or starts a thread,
and watches them: when one dies, the reason is reported, and all of them end. None outlives rank 0.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any, Self

from harness.core import console
from harness.jobs.isolation.exit_status import exit_status
from harness.jobs.isolation.parent import die_with_parent

LOST = 3
"""Exit code of a rank that ended because it lost touch with the others: never the cause."""

GRACE_S = 3.0
"""Seconds in which the cause of a failure may turn up after its consequences have."""

Failure = Mapping[str, Any]


class ProcessGroup:
    """This process's place among those of a job.

    Attributes:
        rank, world: its number, of how many.
        port, listener: where the ranks meet (see :func:`harness.training.ranks.join`).
    """

    def __init__(self, rank: int, world: int, port: int = 0, listener: socket.socket | None = None) -> None:
        self.rank = rank
        self.world = world
        self.port = port
        self.listener = listener
        self._upwards: Connection | None = None
        self._failure: Failure | None = None
        self._found = threading.Event()

    @classmethod
    def start(cls, world: int, report: Callable[[Failure], None]) -> Self:
        """Fork the other ranks; returns in each of the processes.

        Args:
            world: how many there are to be.
            report: takes why the job failed, if rank 0 can no longer say so because it waits for one that is dead.
        """
        if world == 1:
            return cls(0, 1)
        listener = socket.create_server(("127.0.0.1", 0))
        group = cls(0, world, listener.getsockname()[1], listener)
        others: dict[Connection, tuple[int, int]] = {}
        for rank in range(1, world):
            here, there = Pipe(duplex=False)
            pid = os.fork()
            if pid == 0:
                return group._become(rank, there)
            there.close()
            others[here] = (rank, pid)
        threading.Thread(target=group._watch, args=(others, report), name="process-group", daemon=True).start()
        return group

    def _become(self, rank: int, upwards: Connection) -> Self:
        """Be another rank than 0: silent, and gone when rank 0 is."""
        die_with_parent()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # rank 0 answers to Ctrl-C
        console.relay_to(lambda message: None)
        assert self.listener is not None
        self.listener.close()
        self.rank, self.listener, self._upwards = rank, None, upwards
        return self

    def report(self, failure: Failure, *, lost: bool) -> None:
        """Tell rank 0 why this rank fails (not rank 0 itself); one that ``lost`` touch has nothing to tell."""
        if self._upwards is not None and not lost:
            self._upwards.send_bytes(json.dumps(failure, default=str).encode())

    def cause(self, failure: Failure, *, certain: bool) -> Failure:
        """Why the job failed.

        Args:
            failure: what rank 0 met with.
            certain: that this is the cause; otherwise it may be the consequence of what happened to another rank.
        """
        if self.world == 1 or certain:
            return failure
        self._found.wait(GRACE_S)
        return self._failure or failure

    def _watch(self, others: dict[Connection, tuple[int, int]], report: Callable[[Failure], None]) -> None:
        """Wait for the others to end. If one fails and rank 0 does not notice, end it."""
        suspect: Failure | None = None
        while others and self._failure is None:
            # One that lost touch is a consequence: its cause is given time to turn up.
            ready = wait(list(others), timeout=None if suspect is None else GRACE_S)
            if not ready:
                break
            for line in ready:
                assert isinstance(line, Connection)
                rank, pid = others[line]
                try:
                    self._failure = self._failure or json.loads(line.recv_bytes())
                except EOFError:
                    del others[line]
                    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                    died: Failure = {"op": "failed", "died": f"rank {rank} of {self.world}: {exit_status(code)}"}
                    if code == LOST:
                        suspect = suspect or died
                    elif code != 0:
                        self._failure = self._failure or died
        self._failure = self._failure or suspect
        if self._failure is not None:
            self._found.set()
            time.sleep(2 * GRACE_S)  # an error that rank 0 meets with is told by itself, with what was found here
            report(self._failure)
            os._exit(1)
