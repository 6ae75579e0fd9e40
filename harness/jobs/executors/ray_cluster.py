"""A connection to Ray: a cluster that is up, or a small one of our own on this machine."""

from __future__ import annotations

import logging
import os
import signal
import socket
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from harness.core import console, interpreter
from harness.core.errors import UsageError
from harness.core.home import can_write
from harness.jobs.executors.ray_shutdown import shut_down
from harness.jobs.executors.scratch import Scratch

if TYPE_CHECKING:
    from harness.jobs.executors.executor import Resources

OBJECT_STORE_BYTES = 100 * 2**20
"""Ray's shared memory on this machine: jobs and results are small, bags never go through it."""

_PRESET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # it would report home
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # it would warn that this is going to be its default
    # Seconds between looks of its helpers at whether Ray itself is still there; the fifth look ends them.
    "RAY_DASHBOARD_AGENT_CHECK_PARENT_INTERVAL_S": "1",
    "RAY_RUNTIME_ENV_AGENT_CHECK_PARENT_INTERVAL_S": "1",
}


class Cluster:
    """Ray, as a context.

    Args:
        address: of a cluster that is up, or ``auto`` to find it; None for ``$RAY_ADDRESS``, or else a Ray of our own.
        resources: what a unit gets.
        cores: cores of this machine that a Ray of our own may use.
    """

    def __init__(self, address: str | None, resources: Resources, *, cores: int) -> None:
        self._address = address or os.environ.get("RAY_ADDRESS") or None
        self._parallel = resources.parallel
        self._cpus, self._gpus, self._cores = resources.cpus, resources.gpus, cores
        self._scratch: Scratch | None = None
        self._connected = False

    def __enter__(self) -> Self:
        self.ray = _ray()
        if self.ray.is_initialized():  # by whoever calls us: it stays theirs
            self._check_room()
            return self
        try:
            with warnings.catch_warnings(), _signals_held(), _empty_folder():
                warnings.simplefilter("ignore")
                self._connected = True
                self._start()
            self._check_room()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect from a cluster; end a Ray of our own, with all its processes."""
        if self._connected:
            self._connected = False
            shut_down(self.ray, None if self._scratch is None else self._scratch.folder)
        if self._scratch is not None:
            self._scratch.close()
            self._scratch = None

    def room(self) -> int:
        """Units that may run at once: as asked for, or as many as there is room for at the moment; at least 1."""
        return self._parallel or max(1, sum(self._fitting(node) for node in self._nodes()))

    def _start(self) -> None:
        quiet: dict[str, Any] = {
            "log_to_driver": console.debugging(),
            "logging_level": logging.INFO if console.debugging() else logging.CRITICAL,
        }
        if self._address is not None:
            try:
                _check_address(self._address)
                self.ray.init(address=self._address, **quiet)
            except (ConnectionError, ValueError, RuntimeError, OSError) as error:
                raise UsageError(
                    f"there is no Ray cluster to be reached: {str(error).strip().splitlines()[0]}",
                    place=f"--address {self._address}",
                    fix="look at ray status; if the cluster asks for a token, set RAY_AUTH_MODE=token here too",
                ) from error
            return
        self._scratch = Scratch(_short_place(), _PREFIX)
        interpreter.isolate_children()
        try:
            self.ray.init(
                address="local",
                num_cpus=max(self._cores, self._cpus),
                include_dashboard=False,
                object_store_memory=OBJECT_STORE_BYTES,
                _temp_dir=str(self._scratch.folder),
                _node_ip_address="127.0.0.1",  # nobody else has any business here
                **quiet,
            )
        except (ConnectionError, ValueError, RuntimeError, OSError) as error:
            raise UsageError(
                f"Ray does not start here: {str(error).strip().splitlines()[0]}",
                place="--launcher ray",
                fix="see the reason with --debug, or run with --launcher local",
            ) from error

    def _check_room(self) -> None:
        """Refuse, or warn, when no node can ever take a unit: Ray would wait without a word."""
        nodes = self._nodes()
        if any(self._fitting(node) for node in nodes):
            return
        wanted = f"{console.count(self._cpus, 'core')}" + (f" and {self._gpus:g} GPU" if self._gpus else "")
        largest = ", ".join(f"{n.get('CPU', 0):g} cores and {n.get('GPU', 0):g} GPUs" for n in nodes) or "no node"
        if self._address is not None:  # more nodes may be on their way
            console.warn(f"a unit needs {wanted}; the cluster has {largest}: waiting for a node that has room")
            return
        raise UsageError(
            f"a unit needs {wanted}, and this machine has {largest}",
            place="--gpus-per-unit" if self._gpus else "--cpus-per-unit",
            fix="ask for less, or give the --address of a cluster that has it",
        )

    def _nodes(self) -> list[dict[str, float]]:
        """Resources of every node that is up."""
        return [dict(node["Resources"]) for node in self.ray.nodes() if node["Alive"]]

    def _fitting(self, node: dict[str, float]) -> int:
        """Units that fit onto an empty node."""
        fitting = int(node.get("CPU", 0.0) // self._cpus)
        if not self._gpus:
            return fitting
        gpus = int(node.get("GPU", 0.0))
        # Shares of a GPU do not add up over GPUs: 0.4 fits twice onto each.
        by_gpu = gpus * int(1 / self._gpus + 1e-9) if self._gpus < 1 else int(gpus // self._gpus)
        return min(fitting, by_gpu)


@contextmanager
def _empty_folder() -> Iterator[None]:
    """Work in an empty folder: Ray's workers look for modules first in the one that the driver has connected from.

    A folder ``harness/`` or a ``random.py`` there would be imported into a training.
    """
    with tempfile.TemporaryDirectory(prefix="wsibench-") as folder, chdir(folder):
        yield


_HELD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def _signals_held() -> Iterator[None]:
    """Let signals wait until the block ends: Ray has no state in the midst of its start that could be cleaned up.

    The second signal does not wait. Ray's own handler of SIGTERM, which exits without cleaning up, is not installed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    from ray._private import utils

    noted: list[int] = []

    def note(number: int, _: object) -> None:
        noted.append(number)
        if len(noted) > 1:
            raise KeyboardInterrupt

    wanted = [one for one in _HELD if signal.getsignal(one) not in (signal.SIG_IGN, None)]
    before = {number: signal.signal(number, note) for number in wanted}
    theirs, utils.set_sigterm_handler = utils.set_sigterm_handler, lambda handler: None
    try:
        yield
    finally:
        utils.set_sigterm_handler = theirs
        for number, handler in before.items():
            signal.signal(number, handler)
        if noted:
            signal.raise_signal(noted[0])


def _check_address(address: str) -> None:
    """See whether a cluster answers: Ray itself would go on trying for minutes.

    Raises:
        OSError: none does.
    """
    if address != "auto":
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit():
            raise ValueError(f"{address!r} is not HOST:PORT")
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_S).close()


_CONNECT_S = 10.0


_PREFIX = "bench-ray-"

_SOCKET_BYTES = 103
"""Most bytes in the path of a socket: 107 on Linux, 103 on macOS."""

_BELOW = "/bench-ray-12345678/session_2026-01-01_00-00-00_000000_1234567/sockets/plasma_store"
"""What stands behind the folder for temporary files in the longest of Ray's paths."""


def _short_place() -> Path:
    """A folder for temporary files whose path is short enough for Ray's sockets: ``$TMPDIR`` if it is.

    Raises:
        UsageError: there is none.
    """
    room = _SOCKET_BYTES - len(_BELOW)
    usual = tempfile.gettempdir()
    for text in (usual, os.environ.get("XDG_RUNTIME_DIR", ""), "/tmp", "/var/tmp", "/dev/shm"):
        place = Path(text)
        if text and place.is_absolute() and len(os.fsencode(text)) <= room and place.is_dir() and can_write(place):
            return place
    raise UsageError(
        f"Ray's sockets need a folder for temporary files with at most {room} letters in its path",
        place=f"TMPDIR={usual}",
        fix=f"set TMPDIR to a folder that can be written and has at most {room} letters, or run with --launcher local",
    )


def _ray() -> Any:
    """The package, asked to keep quiet."""
    for name, value in _PRESET.items():
        os.environ.setdefault(name, value)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import ray
    except ImportError as error:
        raise UsageError(
            "Ray is not installed", place="--launcher ray", fix="pip install 'wsibench[ray]', or pip install ray"
        ) from error
    return ray
