"""Jobs on Ray: the same results as local ones, and workers and nodes that are lost are tried again."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import warnings

import numpy as np
import psutil
import pytest
from support.toy import PLUGIN
from support.work import Jobs, run_jobs

from harness.core.errors import DataError, UsageError
from harness.jobs.executors.executor import Resources
from harness.jobs.executors.local import Local
from harness.jobs.executors.ray import Ray, RayOptions
from harness.jobs.executors.ray_cluster import OBJECT_STORE_BYTES
from harness.jobs.failures import JobFailedError, WorkerDiedError
from harness.jobs.runner import run
from harness.sources.content_check import Sources

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
def executor(nodes, tmp_path_factory):
    """It is started from a folder whose modules no worker may import."""
    here = tmp_path_factory.mktemp("here")
    for name in ("harness", "methods"):
        (here / name).mkdir()
        (here / name / "__init__.py").write_text("raise RuntimeError('imported from the working folder')\n")
    (here / "random.py").write_text("raise RuntimeError('imported from the working folder')\n")
    with contextlib.chdir(here), Ray(Resources(threads=1), RayOptions(address=nodes.address)) as one:
        yield one


def tries(job) -> list[list[int]]:
    """The processes above each try, from the nearest one."""
    path = job.workdir / "tries"
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
    """The Ray worker among the processes above a try: the parent of the worker process."""
    return psutil.Process(pids[1])


def test_the_results_are_those_of_the_local_executor(executor, make_job, tmp_path):
    there = run_jobs(executor, tmp_path, {name: make_job(PLUGIN, name=name) for name in ("a", "b", "c")})
    with Local(Resources(threads=1)) as local:
        here = run_jobs(local, tmp_path, {"here": make_job(PLUGIN, name="here")})["here"]
    assert set(there) == {"a", "b", "c"}
    for result in there.values():
        assert result.test.slides == here.test.slides
        assert np.array_equal(result.test.probabilities, here.test.probabilities)
        assert np.array_equal(result.val.probabilities, here.val.probabilities)
        assert all(np.array_equal(a, b) for a, b in zip(result.test.attention, here.test.attention, strict=True))
        assert result.sandbox == here.sandbox
        for one in (result, here):  # the plugins have file names of their own
            one.environment["code"].pop("source_sha256", None)
        assert result.environment == here.environment
        assert result.environment["hardware"]["threads"] == 1


@pytest.mark.slow
def test_what_a_job_raises_comes_back_and_is_not_tried_again(executor, make_job, tmp_path, capsys):
    imports = "        from harness import DataError\n        from harness.core import console\n"
    said = f"{imports}        console.warn('look here')\n"
    bodies = {
        "data": f'{said}        raise DataError("bad slide", place="here", fix="mend it")\n',
        "bug": "        1 / 0\n",
    }
    jobs = {name: make_job(PLUGIN + BEGUN + body, name=name) for name, body in bodies.items()}

    def unmade():
        raise UsageError("no job", place="nowhere", fix="none")

    outcomes = run_jobs(executor, tmp_path, {**jobs, "unmade": unmade})
    assert isinstance(outcomes["data"], DataError)
    assert (outcomes["data"].problem, outcomes["data"].place, outcomes["data"].fix) == ("bad slide", "here", "mend it")
    assert "data_plugin.py" in outcomes["data"].__cause__.trace
    assert isinstance(outcomes["bug"], JobFailedError)
    assert "ZeroDivisionError" in str(outcomes["bug"])
    assert isinstance(outcomes["unmade"], UsageError)
    assert [len(tries(job)) for job in jobs.values()] == [1, 1]
    assert "warning: look here" in capsys.readouterr().err


@pytest.mark.slow
def test_a_job_that_dies_three_times_has_failed(executor, make_job, tmp_path, capsys):
    job = make_job(KILLED)
    outcome = run_jobs(executor, tmp_path, {"unit": job})["unit"]
    assert isinstance(outcome, WorkerDiedError)
    assert "SIGKILL" in outcome.problem
    assert "3 times" in outcome.problem
    assert len(tries(job)) == 3
    assert "attempt 3 of 3" in capsys.readouterr().err


class Stopped(Exception):
    pass


@pytest.mark.slow
def test_stopping_early_ends_what_is_under_way(executor, make_job, tmp_path):
    jobs = {"slow": make_job(ONCE_SLOW, name="slow"), "quick": make_job(PLUGIN, name="quick")}
    work = Jobs(tmp_path, jobs)

    def stop(key, outcome):
        assert key == "quick"
        wait_for(lambda: tries(jobs["slow"]))
        raise Stopped

    work.record = stop
    with pytest.raises(Stopped):
        run(work, executor, Sources())
    wait_for(lambda: gone(tries(jobs["slow"])[0][0]))


@pytest.mark.slow
def test_a_node_and_a_worker_killed_amid_their_units_cost_nothing_but_time(executor, nodes, make_job, tmp_path, capsys):
    """The last test with the two nodes: one is gone afterwards, and of the other one the Ray worker is killed."""
    jobs = {name: make_job(ONCE_SLOW, name=name) for name in ("one", "two")}
    raylet = next(info.process for info in nodes.second.all_processes["raylet"])
    lost: list[str] = []
    family: list[int] = []

    def on_second(job) -> bool:
        return raylet.pid in tries(job)[0]

    def kill() -> None:
        wait_for(lambda: all(tries(job) for job in jobs.values()))
        lost.extend(name for name, job in jobs.items() if on_second(job))
        for name, job in jobs.items():
            if name not in lost:
                worker = ray_worker_of(tries(job)[0])
                family.extend(process.pid for process in [worker, *worker.children(recursive=True)])
                worker.kill()
        nodes.remove_node(nodes.second, allow_graceful=False)

    thread = meanwhile(kill)
    outcomes = run_jobs(executor, tmp_path, jobs)
    thread.join()
    assert len(lost) == 1  # a unit on each node
    assert all(outcome.test.probabilities.shape == (10, 2) for outcome in outcomes.values())
    assert all(len(tries(job)) >= 2 for job in jobs.values())
    assert len(family) >= 3  # the Ray worker, its worker process and the process that trained
    wait_for(lambda: all(map(gone, [*family, tries(jobs[lost[0]])[0][0]])))
    assert np.array_equal(outcomes["one"].test.probabilities, outcomes["two"].test.probabilities)
    assert capsys.readouterr().err.count("its worker is lost") >= 2
