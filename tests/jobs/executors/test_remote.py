"""Jobs on other machines."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from support.toy import PLUGIN

from harness.core.errors import DataError
from harness.jobs.executors.executor import Resources
from harness.jobs.executors.remote import Call, local_device, result_of, run_call


def test_a_gpu_that_a_cluster_gives_is_the_first_one_that_is_seen():
    devices = ("cpu", "cuda", "cuda:0", "cuda:3")
    assert [local_device(device) for device in devices] == ["cpu", "cuda", "cuda:0", "cuda:0"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [({"version": "0.0"}, "this node has"), ({"folder": "/nowhere"}, "does not see the folder")],
)
def test_a_node_that_differs_says_so(make_job, monkeypatch, change, problem):
    monkeypatch.setattr("harness.core.console._relay", None)
    job, here = make_job(PLUGIN), os.getcwd()  # noqa: PTH109
    outcome = run_call(replace(Call.of(job, Resources(threads=1)), **change))
    os.chdir(here)
    monkeypatch.undo()
    with pytest.raises(DataError, match=problem):
        result_of(outcome, job)
