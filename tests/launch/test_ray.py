"""Errands on Ray: the same answers as inline, and workers and nodes that are lost are tried again."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
import warnings

import numpy as np
import psutil
import pytest
from support.toy import PLUGIN

from harness.core.errors import DataError, UsageError
from harness.launch.choose import choose_launcher
from harness.launch.inline import Inline
from harness.launch.ray_cluster import OBJECT_STORE_BYTES
from harness.launch.settings import LaunchSettings
from harness.launch.workers import WorkerDiedError, WorkFailedError

pytest.importorskip("ray")

BEGUN = """
    def fit(self, train, val, run):
        import os, pathlib, psutil, time
        with (run.workdir / "tries").open("a") as file:
            file.write(" ".join(str(process.pid) for process in psutil.Process().parents()) + "\\n")
        tries = (run.workdir / "tries").read_text().count("\\n")
"""
ONCE_SLOW = PLUGIN + BEGUN + "        time.sleep(600 if tries == 1 else 0)\n        super().fit(train, val, run)\n"
KILLED = PLUGIN + BEGUN + "        os.kill(os.getpid(), 9)\n"


@pytest.fixture(scope="module")
def nodes():
    """Two nodes with one core each, on this machine."""
    for name in ("RAY_USAGE_STATS_ENABLED", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"):
        os.environ[name] = "0"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ray.cluster_utils import Cluster

        common = {"num_cpus": 1, "object_store_memory": OBJECT_STORE_BYTES, "include_dashboard": False}
        cluster = Cluster(initialize_head=True, head_node_args=common)
        cluster.second = cluster.add_node(num_cpus=1, object_store_memory=OBJECT_STORE_BYTES)
        cluster.wait_for_nodes()
        yield cluster
        cluster.shutdown()


@pytest.fixture(scope="module")
def launcher(nodes, tmp_path_factory):
    """It is started from a folder whose modules no worker may import."""
    import torch

    here = tmp_path_factory.mktemp("here")
    for name in ("harness", "methods"):
        (here / name).mkdir()
        (here / name / "__init__.py").write_text("raise RuntimeError('imported from the working folder')\n")
    (here / "random.py").write_text("raise RuntimeError('imported from the working folder')\n")
    settings = LaunchSettings(launcher="ray", address=nodes.address, cpus_per_unit=1)
    with contextlib.chdir(here), choose_launcher(settings, torch.device("cpu")) as one:
        yield one


def tries(job) -> list[list[int]]:
    """The processes above each try, from the nearest one."""
    path = job.order.workdir / "tries"
    return [[int(pid) for pid in line.split()] for line in path.read_text().splitlines()] if path.exists() else []


def wait_for(what, *, seconds: float = 60):
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def meanwhile(act) -> threading.Thread:
    thread = threading.Thread(target=act)
    thread.start()
    return thread


def ray_worker_of(pids: list[int]) -> psutil.Process:
    """The Ray worker among the processes above a try: the parent of the nursery."""
    return psutil.Process(pids[1])


@pytest.mark.slow
def test_the_answers_are_those_of_the_inline_launcher(launcher, errand):
    there = dict(launcher.run((name, lambda name=name: errand(PLUGIN, name=name)) for name in ("a", "b", "c")))
    with Inline(threads=1) as inline:
        here = dict(inline.run([("here", lambda: errand(PLUGIN, name="here"))]))["here"]
    assert set(there) == {"a", "b", "c"}
    for answer in there.values():
        assert answer.test.slides == here.test.slides
        assert np.array_equal(answer.test.probabilities, here.test.probabilities)
        assert np.array_equal(answer.val.probabilities, here.val.probabilities)
        assert all(np.array_equal(a, b) for a, b in zip(answer.test.attention, here.test.attention, strict=True))
        assert answer.seal == here.seal
        for one in (answer, here):  # the plugins have file names of their own
            one.environment["code"].pop("source_sha256", None)
        assert answer.environment == here.environment
        assert answer.environment["hardware"]["threads"] == 1


@pytest.mark.slow
def test_what_work_raises_comes_back_and_is_not_tried_again(launcher, errand, tmp_path, capsys):
    said = (
        "        from harness import DataError\n        from harness.core import console\n"
        "        console.warn('look here')\n"
    )
    bodies = {
        "data": f'{said}        raise DataError("bad slide", place="here", fix="mend it")\n',
        "bug": "        1 / 0\n",
    }
    jobs = {name: errand(PLUGIN + BEGUN + body, name=name) for name, body in bodies.items()}

    def unmade():
        raise UsageError("no errand", place="nowhere", fix="none")

    tasks = [(name, lambda job=job: job) for name, job in jobs.items()] + [("unmade", unmade)]
    outcomes = dict(launcher.run(tasks))
    assert isinstance(outcomes["data"], DataError)
    assert (outcomes["data"].problem, outcomes["data"].place, outcomes["data"].fix) == ("bad slide", "here", "mend it")
    assert "data_plugin.py" in outcomes["data"].__cause__.trace
    assert isinstance(outcomes["bug"], WorkFailedError)
    assert "ZeroDivisionError" in str(outcomes["bug"])
    assert isinstance(outcomes["unmade"], UsageError)
    assert [len(tries(job)) for job in jobs.values()] == [1, 1]
    assert "warning: look here" in capsys.readouterr().err


@pytest.mark.slow
def test_work_that_dies_three_times_has_failed(launcher, errand, capsys):
    job = errand(KILLED)
    ((_, outcome),) = launcher.run([("unit", lambda: job)])
    assert isinstance(outcome, WorkerDiedError)
    assert "SIGKILL" in outcome.problem
    assert "3 times" in outcome.problem
    assert len(tries(job)) == 3
    assert "try 3 of 3" in capsys.readouterr().err


@pytest.mark.slow
def test_a_ray_worker_killed_amid_a_unit_is_replaced(launcher, errand, capsys):
    job = errand(ONCE_SLOW)
    family: list[int] = []

    def kill() -> None:
        wait_for(lambda: tries(job))
        worker = ray_worker_of(tries(job)[0])
        family.extend(process.pid for process in [worker, *worker.children(recursive=True)])
        worker.send_signal(signal.SIGKILL)

    thread = meanwhile(kill)
    ((_, outcome),) = launcher.run([("unit", lambda: job)])
    thread.join()
    assert outcome.test.probabilities.shape == (10, 2)
    assert len(tries(job)) == 2
    assert len(family) >= 3  # the Ray worker, its nursery and the process that trained
    wait_for(lambda: all(map(gone, family)))
    assert "its worker is lost" in capsys.readouterr().err


@pytest.mark.slow
def test_stopping_early_ends_what_is_under_way(launcher, errand):
    jobs = [errand(ONCE_SLOW, name="slow"), errand(PLUGIN, name="quick")]
    running = launcher.run((job.order.workdir.parent.name, lambda job=job: job) for job in jobs)
    assert next(running)[0] == "quick"
    wait_for(lambda: tries(jobs[0]))
    above = tries(jobs[0])[0]
    running.close()
    wait_for(lambda: gone(above[0]))


@pytest.mark.slow
def test_a_node_killed_amid_a_unit_costs_nothing_but_time(launcher, nodes, errand):
    """The last test with the two nodes: one of them is gone afterwards."""
    jobs = {name: errand(ONCE_SLOW, name=name) for name in ("one", "two")}
    raylet = next(info.process for info in nodes.second.all_processes["raylet"])

    def on_second(job) -> bool:
        return raylet.pid in tries(job)[0]

    def kill() -> None:
        wait_for(lambda: all(tries(job) for job in jobs.values()))
        lost.extend(name for name, job in jobs.items() if on_second(job))
        for name, job in jobs.items():
            if name not in lost:
                ray_worker_of(tries(job)[0]).kill()
        nodes.remove_node(nodes.second, allow_graceful=False)

    lost: list[str] = []
    thread = meanwhile(kill)
    outcomes = dict(launcher.run((name, lambda job=job: job) for name, job in jobs.items()))
    thread.join()
    assert len(lost) == 1  # a unit on each node
    assert all(outcome.test.probabilities.shape == (10, 2) for outcome in outcomes.values())
    assert all(len(tries(job)) >= 2 for job in jobs.values())
    wait_for(lambda: gone(tries(jobs[lost[0]])[0][0]))
    assert np.array_equal(outcomes["one"].test.probabilities, outcomes["two"].test.probabilities)
