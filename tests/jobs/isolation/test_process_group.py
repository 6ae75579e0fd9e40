"""One job by several ranks, in the real processes: the answer is that of one, and what befalls a rank is told."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.ranked import FRUGAL

from harness import DataError, MethodError
from harness.jobs.failures import JobFailedError, WorkerDiedError
from harness.jobs.isolation.worker import Worker

SETTINGS = {"batch_size": 4, "epochs": 3, "optimizer": "sgd"}


def on(devices: int, job):
    """The job for so many devices."""
    return replace(job, devices=devices)


def odd(body: str) -> str:
    """A plugin that runs ``body`` before it is trained; ``rank`` is this process's number."""
    lines = "\n".join(
        f"        {line}" for line in ("import os, signal, time", "rank = run.ranks.rank", *body.splitlines())
    )
    return FRUGAL + f"\n    def fit(self, train, val, run):\n{lines}\n        super().fit(train, val, run)\n"


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except FileNotFoundError:
        return False


def wait_for(condition, seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return bool(condition())


def test_the_answer_is_that_of_one_device(worker, make_job):
    one = worker.run(make_job(FRUGAL, **SETTINGS))
    two = worker.run(on(2, make_job(FRUGAL, name="two", **SETTINGS)))
    for part in ("test", "val"):
        alone, shared = getattr(one, part), getattr(two, part)
        assert shared.slides == alone.slides
        np.testing.assert_allclose(shared.probabilities, alone.probabilities, atol=1e-6)
        for a, b in zip(shared.attention, alone.attention, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)
    assert [row["loss"] for row in two.curve] == pytest.approx([row["loss"] for row in one.curve], abs=1e-6)
    assert two.environment["hardware"]["devices"] == 2
    assert "devices" not in one.environment["hardware"]
    assert two.sandbox == one.sandbox


LOAD = """
with run.meter.stage("load"):
    if rank == 1:
        held = bytearray(b"x") * 300_000_000
        end = time.process_time() + 1.0
        while time.process_time() < end: pass
    run.ranks.gathered(rank)
    time.sleep(0.6)
    run.ranks.gathered(rank)
"""


def test_time_and_memory_of_all_ranks_are_counted(worker, make_job):
    plain = worker.run(on(2, make_job(FRUGAL, **SETTINGS))).accounting
    heavy = worker.run(on(2, make_job(odd(LOAD.strip()), name="heavy", **SETTINGS))).accounting
    assert heavy["stages"]["load"]["cpu_hours"] * 3600 > 0.9
    assert heavy["peak_rss_mb"] > plain["peak_rss_mb"] + 150
    assert (heavy["gpu"], heavy["gpu_count"], heavy["gpu_hours"]) == ("no GPU", 0, 0.0)


@pytest.mark.parametrize(
    ("body", "how"),
    [
        ("if rank == 1: os.kill(os.getpid(), signal.SIGKILL)", "rank 1 of 2: signal SIGKILL, which is what the system"),
        ("if rank == 1: os._exit(7)", "rank 1 of 2: exit code 7"),
        ("if rank == 0: os.kill(os.getpid(), signal.SIGKILL)", "died: signal SIGKILL"),
    ],
)
def test_a_rank_that_dies_brings_the_unit_down_at_once(worker, make_job, body, how):
    with pytest.raises(WorkerDiedError, match=how) as told:
        worker.run(on(2, make_job(odd(body), **SETTINGS)))
    assert "continues from the last checkpoint" in told.value.fix


def test_what_goes_wrong_on_another_rank_is_told_as_what_it_was(worker, make_job):
    raises = (
        'if rank == 2:\n    from harness import DataError\n    raise DataError("bad slide", place="here", fix="mend")'
    )
    with pytest.raises(DataError, match="bad slide") as told:
        worker.run(on(3, make_job(odd(raises), **SETTINGS)))
    assert (told.value.place, told.value.fix) == ("here", "mend")
    with pytest.raises(JobFailedError, match="ZeroDivisionError") as failed:
        worker.run(on(2, make_job(odd("1 / (1 - rank)"), name="zero", **SETTINGS)))
    assert "1 / (1 - rank)" in failed.value.trace


def test_a_loss_that_is_no_number_on_one_rank_stops_all_of_them(worker, make_job):
    source = FRUGAL.replace(
        "        weights = segment_softmax",
        "        if self.training and bags.ids[0].endswith('3'):\n"
        "            return BagOutput(self.head(bags.x[:len(bags)]) * float('nan'))\n"
        "        weights = segment_softmax",
    )
    with pytest.raises(MethodError, match="the loss is nan") as told:
        worker.run(on(2, make_job(source, **SETTINGS)))
    assert "stage train, epoch 0" in told.value.place


def test_a_rank_that_hangs_while_another_dies_is_not_waited_for(worker, make_job):
    """Rank 0 sits in a call that nothing but the end of its process gets it out of, as NCCL's does."""
    body = "if rank == 1: os._exit(9)\nimport threading\nthreading.Event().wait(600)"
    started = time.monotonic()
    with pytest.raises(WorkerDiedError, match="rank 1 of 2: exit code 9"):
        worker.run(on(2, make_job(odd(body), **SETTINGS)))
    assert time.monotonic() - started < 400  # not the 600 s of the call


@pytest.mark.parametrize("victim", ["worker process", "rank 0"])
def test_no_rank_is_left_behind(worker, make_job, victim):
    body = "(run.workdir / f'pid{rank}').write_text(str(os.getpid()))\ntime.sleep(600)"
    own, job = Worker() if victim == "worker process" else worker, on(2, make_job(odd(body), **SETTINGS))
    ended: list[BaseException] = []

    def do() -> None:
        try:
            own.run(job)
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=do)
    thread.start()
    files = [job.workdir / f"pid{rank}" for rank in range(2)]
    assert wait_for(lambda: all(file.exists() and file.read_text() for file in files))
    pids = [int(file.read_text()) for file in files]
    assert pids[0] != pids[1]
    assert all(map(alive, pids))
    os.kill(own._process.pid if victim == "worker process" else pids[0], signal.SIGKILL)
    thread.join(timeout=30)
    assert isinstance(ended[0], MethodError)
    assert wait_for(lambda: not any(map(alive, pids)))


DIES_ONCE = """
global DIES
run.checkpoint_seconds = 0.0
flag = run.workdir / "begun"
DIES = rank == 1 and not flag.exists()
run.ranks.gathered(rank)
flag.touch()
"""


def test_a_killed_training_continues_on_both_ranks(worker, make_job):
    whole = worker.run(on(2, make_job(FRUGAL, name="whole", **SETTINGS)))
    dying = "import itertools, os\nSTEPS, DIES = itertools.count(), False\n" + odd(DIES_ONCE.strip()).replace(
        "    def forward(self, bags):",
        "    def forward(self, bags):\n        if self.training and DIES and next(STEPS) == 7: os.kill(os.getpid(), 9)",
    )
    job = on(2, make_job(dying, name="broken", **SETTINGS))
    with pytest.raises(WorkerDiedError, match="rank 1 of 2"):
        worker.run(job)
    resumed = worker.run(job)
    assert np.array_equal(resumed.test.probabilities, whole.test.probabilities)
    assert resumed.facts["train"]["resumed_at_epoch"] > 0
    assert resumed.accounting["interruptions"] == 1
