"""The process that forks for every job ends with whoever started it, without a word."""

from __future__ import annotations

import socket
import subprocess
from multiprocessing.connection import Connection

from harness.core.interpreter import command


def test_it_ends_quietly_when_the_other_end_is_gone() -> None:
    ours, theirs = socket.socketpair()
    words = command("-m", "harness.jobs.isolation.worker_process", str(theirs.fileno()))
    process = subprocess.Popen(words, pass_fds=[theirs.fileno()], stderr=subprocess.PIPE)
    theirs.close()
    line = Connection(ours.detach())
    assert line.recv_bytes() == b'{"op": "ready"}'
    line.send_bytes(b"nothing that can be unpickled")
    line.close()
    assert process.communicate(timeout=120)[1] == b""
    assert process.returncode == 0
