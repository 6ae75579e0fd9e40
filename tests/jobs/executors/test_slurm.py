"""SLURM through submitit, on its local stand-in for a cluster: the same predictions, and lost jobs are tried again."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest
from support.mlflow_template import with_template
from support.toy import PLUGIN
from support.work import run_jobs

from harness.core.errors import DataError, UsageError
from harness.jobs.executors.executor import Resources
from harness.jobs.executors.slurm import Slurm, SlurmOptions
from harness.jobs.failures import WorkerDiedError

pytest.importorskip("submitit")

KILLED_ONCE = (
    PLUGIN
    + """
    def fit(self, train, val, run):
        import os
        first = not (run.workdir / "begun").exists()
        (run.workdir / "begun").touch()
        if first:
            os.kill(os.getpid(), 9)
        super().fit(train, val, run)
"""
)
RAISES = PLUGIN + '\n    def fit(self, *_):\n        raise DataError("bad slide", place="here", fix="mend it")\n'
SLOW = (
    PLUGIN
    + """
    def fit(self, train, val, run):
        import os, pathlib, time
        (run.workdir / "pid").write_text(str(os.getpid()))
        while pathlib.Path(os.environ["BENCH_TEST_HOLD"]).exists():
            time.sleep(0.02)
        super().fit(train, val, run)
"""
)


def test_a_job_that_dies_is_tried_again_and_one_that_raises_is_not(make_job, tmp_path, capsys):
    raises = "from harness import DataError\n" + RAISES
    jobs = {"killed": make_job(KILLED_ONCE, name="killed"), "raises": make_job(raises, name="raises")}
    resources = Resources(threads=1, folder=tmp_path / "executors")
    with Slurm(resources, SlurmOptions(cluster="local")) as executor:
        outcomes = run_jobs(executor, tmp_path, jobs)
    assert outcomes["killed"].test.probabilities.shape == (10, 2)
    assert isinstance(outcomes["raises"], DataError)
    assert "attempt 2 of 3" in capsys.readouterr().err
    assert not (tmp_path / "executors").exists()


@pytest.mark.slow
def test_a_job_whose_process_is_killed_by_the_cluster_is_lost_and_its_log_stays(make_job, tmp_path):
    body = "\n    def fit(self, *_):\n        import os, psutil\n        psutil.Process().parents()[1].kill()\n"
    job = make_job(PLUGIN + body)
    resources = Resources(threads=1, folder=tmp_path / "executors")
    with Slurm(resources, SlurmOptions(cluster="local")) as executor:
        executor.attempts = 1
        outcome = run_jobs(executor, tmp_path, {"unit": job})["unit"]
    assert isinstance(outcome, WorkerDiedError)
    log = Path(outcome.problem.partition("log: ")[2])
    assert log.is_file()


def test_shares_of_gpus_are_refused():
    with pytest.raises(UsageError, match="whole GPUs"):
        Slurm(Resources(gpus=0.5), SlurmOptions())


def trained_by(out: Path, still_runs) -> list[int]:
    """Wait until two units are being trained; their processes."""
    deadline = time.monotonic() + 240
    while len(files := list(out.glob("units/*/work/pid"))) < 2:
        assert still_runs()
        assert time.monotonic() < deadline
    pids = [int(file.read_text()) for file in files]
    for file in files:
        file.unlink()
    return pids


@pytest.mark.slow
def test_killed_and_continued_the_evidence_is_that_of_the_local_executor(
    attempts, toy_dataset, tmp_path, mlflow_template
):
    with_template(tmp_path / "cache", mlflow_template)
    (tmp_path / "slow_plugin.py").write_text(SLOW)
    (tmp_path / "hold").touch()
    slurm = ("--launcher", "slurm", "--launcher-option", "cluster=local", "--cpus-per-unit", "1")
    line = ["run", "--method", "tiny", "--dataset", str(toy_dataset), "--plugin", "slow_plugin.py", "--device", "cpu"]
    line += ["--set", "epochs=2", "--out"]
    place = {"BENCH_CACHE": str(tmp_path / "cache"), "BENCH_TEST_HOLD": str(tmp_path / "hold")}
    bench = attempts.start([*line, "there", *slurm], cwd=tmp_path, **place)
    pids = trained_by(tmp_path / "there", lambda: attempts.wait(bench, 0.05) is None)
    os.kill(bench, signal.SIGKILL)  # the command alone: jobs on a cluster are not its children
    attempts.wait(bench)
    deadline = time.monotonic() + 60
    while any(map(psutil.pid_exists, pids)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(psutil.pid_exists, pids))  # nobody waits for them

    (tmp_path / "hold").unlink()
    for out, words in (("there", slurm), ("here", ())):
        ended = attempts.run([*line, out, *words], cwd=tmp_path, **place)
        assert ended.code == 0, ended.text
    tables = [
        {path.parent.name: pd.read_parquet(path) for path in sorted((tmp_path / out).glob("units/*/*.parquet"))}
        for out in ("there", "here")
    ]
    assert tables[0].keys() == tables[1].keys()
    assert len(tables[0]) == 2
    for name, table in tables[0].items():
        pd.testing.assert_frame_equal(table, tables[1][name], check_exact=True)
    records = [json.loads(path.read_text()) for path in (tmp_path / "there").glob("units/*/record.json")]
    assert {record["extra"]["test_accesses"] for record in records} == {1}
    assert not (tmp_path / "there" / "executors").exists()
