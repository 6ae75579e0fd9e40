"""The meter counts everything once: nested stages, children, interruptions and short peaks."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time

import pytest

from harness.accounting import meter as meter_module
from harness.accounting.meter import Meter
from harness.accounting.processes import cpu_seconds, family_pids, resident_bytes

BURN = "import time; t = time.process_time()\nwhile time.process_time() - t < {}: pass"


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(meter_module, "time", made)
    return made


def test_stages_accumulate_and_nested_time_is_counted_once(clock: Clock) -> None:
    meter = Meter()
    for _ in range(2):
        with meter.stage("fit"):
            clock.now += 2
            with meter.stage("validate"):
                clock.now += 3
    with meter.stage("predict"):
        clock.now += 4
    summary = meter.summary()
    assert {name: stage["wall_s"] for name, stage in summary["stages"].items()} == {
        "fit/validate": 6,
        "fit": 10,
        "predict": 4,
    }
    assert summary["wall_s"] == 14


def test_without_a_gpu_it_says_so_and_counts_cpu_hours() -> None:
    meter = Meter("cpu")
    with meter.stage("fit"):
        started = time.process_time()
        while time.process_time() - started < 0.1:
            pass
    summary = meter.summary()
    assert (summary["gpu"], summary["gpu_count"], summary["gpu_hours"]) == ("no GPU", 0, 0.0)
    assert summary["peak_gpu_allocated_mb"] is None and summary["peak_gpu_used_mb"] is None
    assert 0.1 <= summary["cpu_hours"] * 3600 < 1.0
    assert summary["peak_memory_mb"] == summary["peak_rss_mb"] > 10
    assert json.loads(json.dumps(summary)) == summary


@pytest.mark.parametrize("ended", [True, False])
def test_cpu_time_of_children_counts_whether_they_ended_or_not(ended: bool) -> None:
    before = cpu_seconds()
    tail = "" if ended else "\nprint('done', flush=True); input()"
    with subprocess.Popen(
        # A little more: the system tells a running child's time in hundredths, cut off, for user and system each.
        [sys.executable, "-c", BURN.format(0.33) + tail],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdin is not None and child.stdout is not None
        if ended:
            child.wait()
        else:
            child.stdout.readline()
            assert child.pid in family_pids()
        used = cpu_seconds() - before
        child.stdin.close()
    assert 0.3 <= used < 2


PEAK = """
import json
import numpy as np
from harness.accounting.meter import Meter
from harness.accounting.processes import high_water_bytes, resident_bytes

meter = Meter(interval_s=60)
with meter.stage("quiet"):
    pass
quiet = meter.summary()["peak_rss_mb"]
with meter.stage("peak"):
    # More than this process ever had, so that its high-water mark moves.
    extra = int((high_water_bytes() - resident_bytes()) + 100e6)
    np.ones(extra, dtype=np.uint8)
print(json.dumps([quiet, meter.summary()["stages"]]))
"""


def test_a_peak_between_two_samples_is_seen() -> None:
    # In a process of its own: this one may have children by now, and has had larger peaks.
    run = subprocess.run([sys.executable, "-c", PEAK], capture_output=True, text=True, check=True, timeout=120)
    quiet, stages = json.loads(run.stdout)
    assert stages["peak"]["peak_rss_mb"] > quiet + 90
    assert stages["quiet"]["peak_rss_mb"] == quiet


def test_memory_of_children_counts() -> None:
    alone = resident_bytes()
    hold = "block = b'x' * 150_000_000; print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None and child.stdout is not None
        child.stdout.readline()
        together = resident_bytes()
        child.stdin.close()
    assert together > alone + 145e6


def test_a_sample_is_taken_while_a_stage_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    meter = Meter(interval_s=0.01)
    with meter.stage("fit"):
        samples = threading.Semaphore(0)
        monkeypatch.setattr(meter_module, "resident_bytes", lambda: (samples.release(), 10**12)[1])
        assert samples.acquire(timeout=60)
        assert samples.acquire(timeout=60)  # by the second one the first has been noted
        monkeypatch.undo()
    assert meter.summary()["peak_rss_mb"] == 1e6


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how pages are shared")
def test_pages_shared_with_forked_children_count_once() -> None:
    script = """
import os, time
from harness.accounting.processes import resident_bytes
block = bytearray(os.urandom(1)) * 300_000_000
if os.fork() == 0:
    time.sleep(20)
    os._exit(0)
time.sleep(0.1)
print(resident_bytes())
import psutil
[child.kill() for child in psutil.Process().children()]
"""
    answer = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert 300e6 < int(answer.stdout) < 450e6


def test_an_interrupted_unit_keeps_its_time(clock: Clock) -> None:
    first = Meter()
    with first.stage("prepare"):
        clock.now += 1
    with first.stage("fit"):
        clock.now += 5
        checkpoint = json.loads(json.dumps(first.state_dict()))
        clock.now += 100  # lost: killed before the next checkpoint
    second = Meter()
    with second.stage("fit"):
        second.load_state(checkpoint)
        clock.now += 6
        later = second.state_dict()
    assert {name: stage["wall_s"] for name, stage in second.summary()["stages"].items()} == {"prepare": 1, "fit": 11}
    assert second.summary()["interruptions"] == 1
    third = Meter()
    third.load_state(checkpoint)
    third.load_state(later)  # a later checkpoint holds the earlier one
    assert third.summary()["wall_s"] == 12
    assert third.summary()["interruptions"] == 2


def test_a_stage_that_fails_is_booked_and_sampling_ends(clock: Clock) -> None:
    meter = Meter()
    with pytest.raises(RuntimeError, match="boom"), meter.stage("fit"):
        clock.now += 2
        raise RuntimeError("boom")
    assert meter.summary()["stages"]["fit"]["wall_s"] == 2
    assert not [thread for thread in threading.enumerate() if thread.name == "memory-sampler"]


class FakeGpu:
    """A device with a peak that grows as it is told to, and a driver that may not know."""

    name = "Pretend 9000"

    def __init__(self, index: int) -> None:
        self.peak, self.used, self.synchronised = 0, None, 0

    def synchronise(self) -> None:
        self.synchronised += 1

    def reset_peak(self) -> None:
        self.peak = 0

    def peak_allocated(self) -> int:
        return self.peak

    def used_by_family(self) -> int | None:
        return self.used


def test_gpu_hours_count_every_device_and_only_while_held(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter_module, "GpuProbe", FakeGpu)
    meter = Meter("cuda:1", devices=2)
    with meter.stage("read slides", on_device=False):
        clock.now += 3600
    with meter.stage("fit"):
        clock.now += 1800
    summary = meter.summary()
    assert summary["stages"]["read slides"]["gpu_hours"] == 0
    assert (summary["gpu_hours"], summary["wall_s"]) == (1.0, 5400)
    assert (summary["gpu"], summary["gpu_count"]) == ("Pretend 9000", 2)


def test_the_peak_is_that_of_the_device_that_needs_most(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter_module, "GpuProbe", FakeGpu)
    meters = [Meter(f"cuda:{rank}", devices=2) for rank in range(2)]
    for rank, meter in enumerate(meters):
        with meter.stage("fit"):
            clock.now += 10
            meter._gpu.peak = (3 + 4 * rank) * 10**6
    meters[0].take_in([meter.state_dict() for meter in meters])
    summary = meters[0].summary()
    assert (summary["peak_gpu_allocated_mb"], summary["peak_memory_mb"]) == (7.0, 7.0)
    assert (summary["wall_s"], summary["gpu_hours"]) == (10, round(20 / 3600, 6))


def test_gpu_peaks_belong_to_the_open_stages_and_the_unknown_stays_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter_module, "GpuProbe", FakeGpu)
    meter = Meter("cuda:0")
    gpu = meter._gpu
    assert isinstance(gpu, FakeGpu)
    with meter.stage("fit"):
        gpu.peak = 5_000_000
        with meter.stage("validate"):
            gpu.peak = 2_000_000
        gpu.peak = 1_000_000
    with meter.stage("predict"):
        gpu.peak = 3_000_000
    summary = meter.summary()
    peaks = {name: stage["peak_gpu_allocated_mb"] for name, stage in summary["stages"].items()}
    assert peaks == {"fit/validate": 2.0, "fit": 5.0, "predict": 3.0}
    assert summary["peak_memory_mb"] == summary["peak_gpu_allocated_mb"] == 5.0
    assert summary["peak_gpu_used_mb"] is None
    assert gpu.synchronised >= 6
