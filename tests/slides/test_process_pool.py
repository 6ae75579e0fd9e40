from __future__ import annotations

import pytest

from harness.slides.pool import WorkerDiedError, run_each

DIES = "__import__('os')._exit(3)"
SEGFAULTS = "__import__('ctypes').string_at(0)"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_job_that_kills_its_process_is_named_and_the_others_are_done(workers: int) -> None:
    jobs = ["1 + 1", "2 + 2", DIES, "3 + 3", "4 + 4"]
    results = dict(run_each(eval, jobs, workers=workers))
    assert isinstance(results.pop(2), WorkerDiedError)
    assert results == {0: 2, 1: 4, 3: 6, 4: 8}


def test_a_segmentation_fault_is_survived() -> None:
    results = dict(run_each(eval, [SEGFAULTS, "7"], workers=2))
    assert isinstance(results[0], WorkerDiedError)
    assert results[1] == 7


def test_an_ordinary_exception_is_raised_here() -> None:
    with pytest.raises(ZeroDivisionError):
        list(run_each(eval, ["1 / 0"], workers=1))


def test_without_workers_it_runs_here() -> None:
    here: list[int] = []
    assert list(run_each(here.append, [1, 2], workers=0)) == [(0, None), (1, None)]
    assert here == [1, 2]


def test_no_jobs_start_no_process() -> None:
    assert list(run_each(eval, [], workers=2)) == []
