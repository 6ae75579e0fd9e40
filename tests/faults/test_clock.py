"""A clock that runs backwards: no duration, no order and no cleaning up depends on the time of day."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.evidence import predictions, record
from support.faults import check_equal

from harness.results.store import RunStore

WORDS = ("--set", "epochs=3")

BACKWARDS = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

/* From $BACKWARDS_FROM on the time of day goes back, a hundred times as fast. Other clocks go as ever. */
int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int answer = real(clock, now);
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) {
        long long from = atoll(getenv("BACKWARDS_FROM"));
        long long passed = (now->tv_sec - from) * 1000000000LL + now->tv_nsec;
        long long shown = from * 1000000000LL - 100 * passed;
        now->tv_sec = shown / 1000000000LL;
        now->tv_nsec = shown % 1000000000LL;
    }
    return answer;
}
int gettimeofday(struct timeval *now, void *zone) {
    struct timespec time;
    int answer = clock_gettime(CLOCK_REALTIME, &time);
    now->tv_sec = time.tv_sec;
    now->tv_usec = time.tv_nsec / 1000;
    return answer;
}
time_t time(time_t *result) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (result) *result = now.tv_sec;
    return now.tv_sec;
}
"""


@pytest.fixture(scope="session")
def backwards(tmp_path_factory) -> dict[str, str]:
    """The environment of a process for which the time of day runs backwards; files get their times from the system."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("no C compiler, or not Linux: the clock cannot be turned")
    folder = tmp_path_factory.mktemp("clock")
    (folder / "clock.c").write_text(BACKWARDS)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", folder / "clock.so", folder / "clock.c", "-ldl"], check=True)
    environment = os.environ | {"LD_PRELOAD": str(folder / "clock.so"), "BACKWARDS_FROM": str(int(time.time()))}
    look = "import time; a = time.time(); time.sleep(0.01); print(time.time() < a)"
    shown = subprocess.run([sys.executable, "-c", look], env=environment, capture_output=True, text=True, check=True)
    if shown.stdout.strip() != "True":
        pytest.skip("this system's Python takes the time from elsewhere")
    return environment


@pytest.mark.slow
def test_a_study_under_a_clock_that_runs_backwards(toy, undisturbed, backwards):
    """``bench`` as the program that users start, after a unit was done under the right time."""
    study = toy(*WORDS)
    environment = backwards | study.environment | {"OMP_NUM_THREADS": "1"}
    study.finish("--fold", "0")
    command = [sys.executable, "-m", "harness.cli.main", *study.words]
    done = subprocess.run(command, env=environment, cwd=study.home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    warnings = [line for line in done.stderr.splitlines() if line.startswith("warning")]
    assert all("never test" in line for line in warnings), warnings  # the toy's two folds leave slides out
    assert "2 units done, 1 of them from before" in done.stdout
    check_equal(study.out, undisturbed(*WORDS))
    for path in study.out.glob("units/*/record.json"):
        record = json.loads(path.read_text())
        if record["spec"]["fold"] == 1:
            assert record["finished"] < record["started"]
        assert 0 < record["compute"]["wall_s"] < 60
        assert all(stage["wall_s"] >= 0 for stage in record["compute"]["stages"].values())


def test_nothing_that_is_new_is_swept_away_as_old(tmp_path: Path, backwards):
    """Left-overs of killed processes are removed a day later; files from the future, as this clock sees them, stay."""
    store = RunStore(tmp_path)
    folder = store.unit_folder(record().unit_id)
    (folder / ".staging-1-ab").mkdir(parents=True)
    code = (
        "import sys; from pathlib import Path; from support.evidence import predictions, record\n"
        "from harness.results.store import RunStore\n"
        "RunStore(Path(sys.argv[1])).write_unit(record(), predictions())"
    )
    environment = backwards | {"PYTHONPATH": str(Path(__file__).parents[1])}
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=environment, check=True)
    assert (folder / ".staging-1-ab").is_dir()
    os.utime(folder / ".staging-1-ab", (0, 0))
    store.write_unit(record(), predictions())
    assert not (folder / ".staging-1-ab").exists()
