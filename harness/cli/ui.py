"""``bench ui``: the MLflow UI on a runs folder."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.options import Out
from harness.core import console, interpreter
from harness.core.errors import BenchError, DataError, UsageError

_START_S = 120.0
_STOP_S = 10.0


def ui(
    out: Out = None,
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 5000,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all, at your own risk.")] = "127.0.0.1",
) -> None:
    """Look at all runs in the browser: start the MLflow UI and keep it up until Ctrl-C."""
    from harness.results.mlflow.place import without_strays
    from harness.results.mlflow.view import MlflowView

    root = out or Path("runs")
    if server := _remote():
        console.say(f"Runs go to the MLflow server of $MLFLOW_TRACKING_URI: {server}")
        return
    _check_runs(root)
    _check_port(host, port)
    uri = _fill(root)
    address = f"http://{'127.0.0.1' if host in {'0.0.0.0', '::'} else host}:{port}"
    command = interpreter.command("-m", "mlflow", "server", "--backend-store-uri", uri)
    command += ["--default-artifact-root", (root.resolve() / "mlartifacts").as_uri()]
    command += ["--host", host, "--port", str(port), "--workers", "1"]
    log = root / "mlflow-ui.log"
    with log.open("w", encoding="utf-8") as sink, without_strays(uri), _server(command, sink) as process:
        _wait_until_up(process, address, log)
        console.say(f"MLflow UI on {address} (Ctrl-C stops it)")
        for dataset, page in MlflowView(root, uri).experiments().items():
            console.say(f"  studies of {dataset}: {address}{page}")
        process.wait()
    raise _ended(log)


def _remote() -> str | None:
    """The tracking server that runs go to, if they do not stay in the runs folder."""
    uri = os.environ.get("MLFLOW_TRACKING_URI", "").strip()
    return uri if uri.startswith(("http://", "https://", "databricks")) else None


def _check_runs(root: Path) -> None:
    if not (root / "units").is_dir() and not (root / "mlflow.db").is_file():
        raise DataError(
            "there are no runs to look at",
            place=str(root),
            fix="run something first (bench run --method abmil --dataset musk1), or point --out to your runs",
        )


def _check_port(host: str, port: int) -> None:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        raise UsageError(
            f"cannot listen there: {error.strerror or error}",
            place=f"{host}:{port}",
            fix=f"choose another port (bench ui --port {port + 1 if port < 65535 else port - 1}), or stop what uses it",
        ) from None


def _fill(root: Path) -> str:
    """The tracking database, brought up to date with the records: runs that it missed are added."""
    from harness.results.mlflow.view import default_uri
    from harness.results.publish import Publisher
    from harness.results.store import RunStore

    if not (root / "mlflow.db").is_file():
        console.note("making the MLflow database from the records")
    Publisher(RunStore(root)).sync()
    return default_uri(root)


@contextmanager
def _server(command: list[str], log: Any) -> Iterator[subprocess.Popen[bytes]]:
    """The server as a process group of its own, all of which ends with the block."""
    # Looking at runs needs no background jobs, which would start half a dozen further processes.
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    environment = {**quiet, **interpreter.variables(os.environ)}
    process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
    try:
        yield process
    finally:
        for sign in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, sign)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_S)


def _wait_until_up(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    give_up = time.monotonic() + _START_S
    while time.monotonic() < give_up:
        if process.poll() is not None:
            raise _ended(log)
        with (
            contextlib.suppress(OSError, urllib.error.URLError),
            urllib.request.urlopen(f"{address}/health", timeout=5),
        ):
            return
        time.sleep(0.2)
    raise BenchError(f"the MLflow server is not up after {_START_S:g} s", place=str(log), fix="read the log")


def _ended(log: Path) -> BenchError:
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    last = lines[-1] if lines else "it said nothing"
    return BenchError(f"the MLflow server ended: {last}", place=str(log), fix="read the log; another --port may help")
