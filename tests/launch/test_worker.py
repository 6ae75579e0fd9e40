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
from harness.launch.workers import Worker, WorkFailedError
from harness.unit.work import work


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


def test_the_answer_is_that_of_the_same_work_in_this_process(worker, errand, tmp_path):
    there = worker.do(errand(PLUGIN))
    (tiny,) = load_plugin(str(tmp_path / "unit_plugin.py"))
    here = work(errand(PLUGIN, name="here").order, tiny)
    assert np.array_equal(there.test.probabilities, here.test.probabilities)
    assert np.array_equal(there.val.probabilities, here.val.probabilities)
    assert all(np.array_equal(a, b) for a, b in zip(there.test.attention, here.test.attention, strict=True))
    assert there.test.slides == here.test.slides
    assert [row["loss"] for row in there.curve] == [row["loss"] for row in here.curve]


def test_an_error_comes_back_as_what_it_was_with_its_traceback(worker, errand):
    body = 'from harness import DataError\nraise DataError("bad slide", place="here", fix="mend it")'
    with pytest.raises(DataError, match="bad slide") as told:
        worker.do(errand(method(body)))
    assert (told.value.place, told.value.fix) == ("here", "mend it")
    assert "odd_plugin" in told.value.__cause__.trace or "_plugin.py" in told.value.__cause__.trace
    with pytest.raises(WorkFailedError, match="ZeroDivisionError: division by zero"):
        worker.do(errand(method("1 / 0"), name="other"))


def test_a_plugin_that_was_edited_meanwhile_trains_nothing(worker, errand, tmp_path):
    made = errand(PLUGIN, name="edited")
    (tmp_path / "edited_plugin.py").write_text(PLUGIN + "\n")
    with pytest.raises(SystemProblemError, match="changed after the study was resolved"):
        worker.do(made)
    assert worker.do(errand(PLUGIN, name="after")).test is not None


@pytest.mark.parametrize(
    ("body", "how"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL, which is what the system sends"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        ("import os; os._exit(7)", "exit code 7"),
        ("import os; os._exit(0)", "cannot be read"),
        ("import os, signal; os.kill(os.getppid(), signal.SIGKILL); import time; time.sleep(60)", "are gone"),
    ],
)
def test_a_process_that_dies_is_told_and_the_next_errand_is_done(errand, body, how):
    with Worker() as worker:
        with pytest.raises(MethodError, match=how):
            worker.do(errand(method(body)))
        assert worker.do(errand(PLUGIN, name="next")).test.probabilities.shape == (10, 2)


def test_what_one_unit_leaves_behind_another_does_not_find(worker, errand):
    body = 'import harness\nassert not hasattr(harness, "loot")\nharness.loot = train.labels'
    for name in ("first", "second"):
        # The assertion is the plugin's: had the second found what the first left, there would be no answer.
        assert worker.do(errand(method(body), name=name)).test is not None


def test_closing_stops_work_under_way(errand, tmp_path):
    body = "import os, time\n(run.workdir / 'pid').write_text(str(os.getpid()))\ntime.sleep(600)"
    worker, job = Worker(), errand(method(body))
    ended: list[BaseException] = []

    def do() -> None:
        try:
            worker.do(job)
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=do)
    thread.start()
    while not (job.order.workdir / "pid").exists():
        time.sleep(0.02)
    worker._process.kill()
    thread.join(timeout=60)
    assert isinstance(ended[0], MethodError)
    pid = int((job.order.workdir / "pid").read_text())
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


def test_what_the_process_says_is_shown_here(worker, errand, capsys):
    body = (
        "from harness.core import console\nconsole.note('a note')\nconsole.warn('a warning')\n"
        "with console.progress('outer', 2) as bar:\n    bar.advance(2, status='all')"
    )
    worker.do(errand(method(body)))
    shown = capsys.readouterr().err
    assert "a note" in shown
    assert "warning: a warning" in shown


def test_messages_that_make_no_sense_are_not_shown(capsys):
    with console.Screen() as screen:
        for message in ({"op": "step", "bar": 3, "steps": 1, "status": None}, {"op": "close"}, {"op": "format disk"}):
            screen.show(message)
        screen.show({"op": "open", "label": "left open", "total": 3, "status": ""})
        screen.show({"op": "step", "bar": 0, "steps": 1, "status": "one"})
    assert console._live is None
    assert capsys.readouterr().out == ""


def test_an_answer_is_numbers_and_text_only(worker, errand):
    job = errand(PLUGIN)
    answer = worker.do(job)
    assert sorted(path.name for path in job.answer.iterdir()) == ["answer.json", "answer.npz"]
    json.loads((job.answer / "answer.json").read_text())
    with np.load(job.answer / "answer.npz", allow_pickle=False) as arrays:
        assert set(arrays) == {f"{a}_{b}" for a in ("test", "val") for b in ("probabilities", "attention", "tiles")}
    assert answer.seal.startswith("labels withheld")
