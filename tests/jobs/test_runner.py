"""The loop that runs jobs: nothing twice, nothing forgotten, whoever else is at it."""

from __future__ import annotations

import json
import threading
from collections import Counter
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.toy import PLUGIN
from support.work import Jobs, run_jobs

from harness.core.errors import DataError, UsageError
from harness.jobs.executors.executor import Executor, ExecutorLostError, Resources
from harness.jobs.failures import WorkerDiedError
from harness.jobs.locks import FolderLocks
from harness.jobs.runner import run
from harness.results.store import RunStore
from harness.sources.content_check import Sources


class Echo(Executor):
    """The result of a job is the job; one that is an exception is raised, once for each time that it is in ``dies``."""

    name = "echo"
    attempts = 3

    def __init__(self, parallel: int = 1) -> None:
        super().__init__(Resources(parallel=parallel), None)
        self.most = 0
        self.cancelled: list[object] = []
        self.held: list[Handle] = []

    def submit(self, job):
        handle = Handle(self, job)
        self.held.append(handle)
        self.most = max(self.most, len(self.held))
        return handle


class Handle(Future):
    def __init__(self, executor: Echo, job) -> None:
        super().__init__()
        self.executor, self.job = executor, job

    def done(self) -> bool:
        return True

    def result(self):
        self.executor.held.remove(self)
        outcome = self.job.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def cancel(self) -> bool:
        self.executor.cancelled.append(self.job)
        return True


def job(*outcomes: object) -> SimpleNamespace:
    return SimpleNamespace(outcomes=list(outcomes))


def died() -> WorkerDiedError:
    return WorkerDiedError("its worker is lost", place="unit", fix="none")


def test_every_job_is_run_once_and_no_more_than_there_is_room_for(tmp_path: Path):
    executor = Echo(parallel=2)
    outcomes = run_jobs(executor, tmp_path, {str(number): job(number) for number in range(5)})
    assert outcomes == {str(number): number for number in range(5)}
    assert executor.most == 2


def test_a_failure_is_an_outcome_and_stops_no_other_job(tmp_path: Path):
    def unmade():
        raise UsageError("no job", place="nowhere", fix="none")

    outcomes = run_jobs(Echo(), tmp_path, {"bad": job(ValueError("x")), "unmade": unmade, "good": job(1)})
    assert list(outcomes) == ["unmade", "bad", "good"] or list(outcomes) == ["bad", "unmade", "good"]
    assert isinstance(outcomes["bad"], ValueError)
    assert isinstance(outcomes["unmade"], UsageError)
    assert outcomes["good"] == 1


def test_a_job_that_lost_its_worker_is_started_again_and_fails_after_three_times(tmp_path: Path, capsys):
    jobs = {"twice": job(died(), died(), 1), "always": job(died(), died(), died())}
    outcomes = run_jobs(Echo(), tmp_path, jobs)
    assert outcomes["twice"] == 1
    assert outcomes["always"].problem == "its worker is lost, 3 times"
    assert capsys.readouterr().err.count("attempt 3 of 3") == 2


def test_an_executor_that_is_gone_ends_the_run_and_cancels_the_rest(tmp_path: Path):
    gone = ExecutorLostError("gone", place="here", fix="none")
    executor, work = Echo(parallel=3), Jobs(tmp_path, {"a": job(1), "b": job(gone), "c": job(2)})
    with pytest.raises(ExecutorLostError):
        run(work, executor, Sources())
    assert list(work.outcomes) == ["a"]
    assert executor.cancelled == [work.jobs["c"]]
    with FolderLocks() as locks:
        assert all(locks.take(work.folder(name)) for name in work.jobs)


def test_a_result_does_not_count_if_the_data_changed_meanwhile(tmp_path: Path):
    class Changed(Sources):
        def check(self, slides):
            if "b" in slides:
                raise DataError("slide b changed", place="b", fix="none")

    outcomes = run_jobs(Echo(), tmp_path, {"a": job(1), "b": job(2)}, Changed())
    assert outcomes["a"] == 1
    assert "slide b changed" in str(outcomes["b"])


def test_work_that_another_process_does_is_left_for_later_and_taken_over_if_it_dies(tmp_path: Path, capsys):
    work = Jobs(tmp_path, {f"unit-{number}": job(number) for number in range(3)})
    with FolderLocks() as others:
        for name in ("unit-0", "unit-1"):
            assert others.take(work.folder(name))

        def end() -> None:  # the other process has finished one, and dies amid the second
            work.over.add("unit-0")
            for name in ("unit-0", "unit-1"):
                others.release(work.folder(name))

        threading.Timer(0.4, end).start()
        run(work, Echo(parallel=3), Sources())
    assert "waiting for 2 jobs" in capsys.readouterr().err
    assert list(work.outcomes) == ["unit-2", "unit-1"]


@pytest.fixture
def eight(attempts, toy_dataset, tmp_path):
    """A function that runs ``bench run`` on the toy dataset in eight processes at once; gives the runs folder."""

    def run(plugin: Path, *more: str) -> tuple[Path, str]:
        out = tmp_path / "runs"
        words = ["run", "--method", "tiny", "--dataset", str(toy_dataset), "--plugin", str(plugin), "--out", str(out)]
        words += ["--device", "cpu", "--set", "epochs=2", *more]
        started = [attempts.start(words, cwd=tmp_path, BENCH_CACHE=str(tmp_path / "cache")) for _ in range(8)]
        ended = [attempts.wait(pid, 400) for pid in started]
        failed = "\n".join(
            f"{one.code}: {one.text[-1000:]}" if one else "hangs" for one in ended if not one or one.code
        )
        assert [one and one.code for one in ended] == [0] * 8, failed
        return out, "".join(one.text for one in ended)

    return run


def test_eight_processes_lose_nothing_and_double_nothing(eight, tiny_plugin):
    out, said = eight(tiny_plugin, "--seed", "0-5")
    assert said.count("\n  12 units done, ") == 8  # each process waits until all is done
    accesses = Counter(json.loads(line)["accessor"] for line in (out / "test_accesses.jsonl").read_text().splitlines())
    units = {path.parent.name for path in out.glob("units/*/record.json")}
    assert len(units) == 12
    assert accesses == dict.fromkeys(units, 1)
    store = RunStore(out)
    assert not [name for name in units if store.altered(name)]
    (study,) = store.studies()
    assert study.complete
    assert not list(out.glob("units/*/failed.json"))
    assert not list(out.glob("units/*/work"))
    assert sqlite_runs(out) == 13  # every unit once, and the study


def test_eight_processes_that_tune_one_study_share_its_trials(eight, tmp_path):
    trained = tmp_path / "trained.txt"
    plugin = tmp_path / "counting.py"
    notes = f"open({str(trained)!r}, 'a').write(f'{{lr}}\\n')"
    plugin.write_text(
        PLUGIN.replace(
            "def __init__(self, dim, n_classes):", f"def __init__(self, dim, n_classes, lr):\n        {notes}"
        ).replace("Net(dim, self.task.n_classes)", "Net(dim, self.task.n_classes, self.params.lr)")
    )
    out, _ = eight(plugin, "--trials", "6", "--tune-batch", "3")
    ((study),) = RunStore(out).studies()
    rows = RunStore(out).trials(study.study_id)
    assert [(row["fold"], row["trial"], row["state"]) for row in rows] == [
        (f"r0f{fold}", str(trial), "complete") for fold in range(2) for trial in range(6)
    ]
    tried = Counter(float(row["param.lr"]) for row in rows)
    refitted = Counter(float(row["param.lr"]) for row in rows if row["chosen"] == "True")
    assert Counter(map(float, trained.read_text().split())) == tried + refitted
    assert len(list(out.glob("trials/*"))) == 12  # results alone: no scratch space, no claims


def sqlite_runs(out: Path) -> int:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(out / "mlflow.db")) as database:
        return database.execute("select count(*) from runs where lifecycle_stage = 'active'").fetchone()[0]
