"""Units are trained in processes of their own: what goes wrong there is told here, and harms nobody else."""

from __future__ import annotations

import json
import threading
import time

import numpy as np
import pytest
from support.plugins import load_plugin
from support.toy import PLUGIN

from harness import DataError, MethodError
from harness.core import console
from harness.core.errors import SystemProblemError
from harness.core.screen import Screen
from harness.jobs.failures import JobFailedError
from harness.jobs.isolation.worker import Worker
from harness.jobs.train import train_and_predict


def method(body: str, *, name: str = "odd") -> str:
    """A plugin whose ``fit`` is ``body``."""
    lines = "\n".join(f"        {line}" for line in body.splitlines())
    return (
        PLUGIN.replace('name="tiny"', f'name="{name}"')
        + f"\n    def fit(self, train, val, run):\n{lines}\n"
        + "\n    def predict(self, bags, run):\n"
        + "        import numpy as np\n"
        + "        from harness import Prediction\n"
        + "        return Prediction(bags.ids, np.full((len(bags), 2), 0.5))\n"
    )


def test_the_result_is_that_of_the_same_work_in_this_process(worker, make_job, tmp_path):
    there = worker.run(make_job(PLUGIN))
    (tiny,) = load_plugin(str(tmp_path / "unit_plugin.py"))
    here = train_and_predict(make_job(PLUGIN, name="here"), tiny)
    assert np.array_equal(there.test.probabilities, here.test.probabilities)
    assert np.array_equal(there.val.probabilities, here.val.probabilities)
    assert all(np.array_equal(a, b) for a, b in zip(there.test.attention, here.test.attention, strict=True))
    assert there.test.slides == here.test.slides
    assert [row["loss"] for row in there.curve] == [row["loss"] for row in here.curve]


def test_an_error_comes_back_as_what_it_was_with_its_traceback(worker, make_job):
    body = 'from harness import DataError\nraise DataError("bad slide", place="here", fix="mend it")'
    with pytest.raises(DataError, match="bad slide") as told:
        worker.run(make_job(method(body)))
    assert (told.value.place, told.value.fix) == ("here", "mend it")
    assert "odd_plugin" in told.value.__cause__.trace or "_plugin.py" in told.value.__cause__.trace
    with pytest.raises(JobFailedError, match="ZeroDivisionError: division by zero"):
        worker.run(make_job(method("1 / 0"), name="other"))


def test_a_plugin_that_was_edited_meanwhile_trains_nothing(worker, make_job, tmp_path):
    made = make_job(PLUGIN, name="edited")
    (tmp_path / "edited_plugin.py").write_text(PLUGIN + "\n")
    with pytest.raises(SystemProblemError, match="changed"):
        worker.run(made)
    assert worker.run(make_job(PLUGIN, name="after")).test is not None


@pytest.mark.parametrize(
    ("body", "how"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL, which is what the system sends"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        ("import os; os._exit(7)", "exit code 7"),
        ("import os; os._exit(0)", "cannot be read"),
    ],
)
def test_a_process_that_dies_is_named_and_the_next_job_is_run(worker, make_job, body, how):
    with pytest.raises(MethodError, match=how):
        worker.run(make_job(method(body)))
    assert worker.run(make_job(PLUGIN, name="next")).test.probabilities.shape == (10, 2)


def test_a_worker_process_that_dies_is_named_and_started_again_for_the_next_job(make_job):
    body = "import os, signal; os.kill(os.getppid(), signal.SIGKILL); import time; time.sleep(60)"
    with Worker() as worker:
        with pytest.raises(MethodError, match="are gone"):
            worker.run(make_job(method(body)))
        assert worker.run(make_job(PLUGIN, name="next")).test.probabilities.shape == (10, 2)


def test_what_one_unit_leaves_behind_another_does_not_find(worker, make_job):
    body = 'import harness\nassert not hasattr(harness, "loot")\nharness.loot = train.labels'
    for name in ("first", "second"):
        # The assertion is the plugin's: had the second found what the first left, there would be no answer.
        assert worker.run(make_job(method(body), name=name)).test is not None


def test_closing_stops_work_under_way(make_job, tmp_path):
    body = "import os, time\n(run.workdir / 'pid').write_text(str(os.getpid()))\ntime.sleep(600)"
    worker, job = Worker(), make_job(method(body))
    ended: list[BaseException] = []

    def do() -> None:
        try:
            worker.run(job)
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=do)
    thread.start()
    while not (job.workdir / "pid").exists():
        time.sleep(0.02)
    worker._process.kill()
    thread.join(timeout=60)
    assert isinstance(ended[0], MethodError)
    pid = int((job.workdir / "pid").read_text())
    deadline = time.monotonic() + 30
    while _alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _alive(pid)


def _alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except FileNotFoundError:
        return False


def test_what_the_process_says_is_shown_here(worker, make_job, capsys):
    body = (
        "from harness.core import console\nconsole.note('a note')\nconsole.warn('a warning')\n"
        "with console.progress('outer', 2) as bar:\n    bar.advance(2, status='all')"
    )
    worker.run(make_job(method(body)))
    shown = capsys.readouterr().err
    assert "a note" in shown
    assert "warning: a warning" in shown


def test_messages_that_make_no_sense_are_not_shown(capsys):
    with Screen() as screen:
        for message in ({"op": "step", "bar": 3, "steps": 1, "status": None}, {"op": "close"}, {"op": "format disk"}):
            screen.show(message)
        screen.show({"op": "open", "label": "left open", "total": 3, "status": ""})
        screen.show({"op": "step", "bar": 0, "steps": 1, "status": "one"})
    assert console._live is None
    assert capsys.readouterr().out == ""


def test_a_result_is_numbers_and_text_only(worker, make_job):
    job = make_job(PLUGIN)
    result = worker.run(job)
    assert sorted(path.name for path in job.result_folder.iterdir()) == ["result.json", "result.npz"]
    json.loads((job.result_folder / "result.json").read_text())
    with np.load(job.result_folder / "result.npz", allow_pickle=False) as arrays:
        assert set(arrays) == {
            f"{a}_{b}" for a in ("test", "val") for b in ("probabilities", "per_tile_attention", "tiles")
        }
    assert result.sandbox.startswith("labels withheld")
