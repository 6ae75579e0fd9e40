"""Mistakes on the command line: exit code, three lines, and the nearest right name."""

from __future__ import annotations

import errno
import os
import signal
import time

import pytest

import harness
from harness.cli import doctor, methods
from harness.cli.main import main
from harness.core.errors import DataError, MethodError, UnitFailedError


@pytest.mark.parametrize(
    ("line", "problem", "place", "fix"),
    [
        ("rnu", "unknown command 'rnu'", "bench", "did you mean 'run'?"),
        ("methods lst", "unknown command 'lst'", "bench methods", "did you mean 'list'?"),
        ("run --metod abmil", "unknown option '--metod'", "bench run", "did you mean '--method'?"),
        ("run --methods", "unknown option '--methods'", "bench run", "did you mean '--method'?"),
        ("--versoin", "unknown option '--versoin'", "bench", "did you mean '--version'?"),
        ("run --qqqqq", "unknown option '--qqqqq'", "bench run", "bench run --help"),
        ("run --method", "option '--method' requires an argument", "bench run", "bench run --help"),
        ("run", "--method is missing", "bench run", "bench methods list"),
        ("run --method abmil", "--dataset is missing", "bench run", "bench datasets list"),
        ("run extra", "--dataset is missing", "bench run", "bench datasets list"),
        ("run abmil musk1 musk2", "'musk2' is neither", "bench run", "commas"),
        ("run abmil musk1 --dataset musk2", "the dataset is given twice", "bench run", "leave out 'musk1'"),
        ("run abmil musk1 --lr 1e-3", "unknown option '--lr'", "bench run", "write --set lr=1e-3"),
        ("run abmil musk1 --Learning_Rate=1", "unknown option", "bench run", "write --set lr=1"),
        ("run abmil musk1 --tile-size 64", "unknown option", "bench run", "write --set input.tile_px=64"),
        ("run abmil musk1 --set num_epochs=3", "unknown hyper-parameter", "hyper-parameters", "did you mean 'epochs'?"),
        ("run Gated-ABMIL musk1", "unknown method", "--method", "did you mean 'gated_abmil'?"),
        ("run abmil MUSK-2", "unknown dataset", "--dataset", "did you mean 'musk2'?"),
        ("run --workers many", "integer", "bench run --workers", "bench run --help"),
        ("run --method abmil --dataset musk1 --workers 0", "0", "--workers", "from 1 to"),
        ("methods show", "NAME is missing", "bench methods show", "add NAME"),
        ("methods show abmil extra", "unexpected extra argument", "bench methods show", "--help"),
        ("selection-bias --method abmil", "unknown option '--method'", "bench selection-bias", "METHOD behind"),
        ("run --dry-run=yes", "does not take a value", "bench run", "--help"),
    ],
)
def test_a_mistake_is_three_lines_and_exit_code_two(bench, line, problem, place, fix):
    answer = bench(line)
    assert answer.code == 2
    assert answer.out == ""
    said = answer.check_three_lines()
    assert problem in said[0]
    assert said[1].startswith(place)
    assert fix in said[2]


@pytest.mark.parametrize(
    ("line", "problem", "fix"),
    [
        ("--device gpu", "unknown device 'gpu'", "cuda"),
        ("--device cdua", "unknown device", "did you mean 'cuda'?"),
        ("--precision bf61", "unknown precision", "did you mean 'bf16'?"),
        ("--input feature", "unknown input", "did you mean 'features'?"),
        ("--fold 0-x", "'0-x' is not a number", "--fold 0-4"),
        ("--fold 4-0", "'4-0' is not a number", "--fold 0-4"),
        ("--seed -1", "'-1' is not a number", "--seed 3"),
        ("--set lr", "'lr' is not key=value", "--set lr=1e-3"),
        ("--set =3", "'=3' is not key=value", "--set lr=1e-3"),
        ("--set lr=[1", "cannot be read", "a number"),
        ("--config missing.yaml", "cannot be read", "YAML"),
        ("--encoder a --set input.encoder=b", "encoder is given twice", "either --encoder or"),
        ("--plugin missing.py", "no plugin file 'missing.py'", "dotted path"),
    ],
)
def test_wrong_values_of_run_are_refused_before_anything_is_read(bench, line, problem, fix):
    answer = bench(f"run --method abmil --dataset musk1 {line}")
    assert answer.code == 2
    said = answer.check_three_lines()
    assert problem in said[0]
    assert fix in said[2]


def test_without_a_command_the_help_is_shown(bench):
    answer = bench()
    assert answer.code == 2
    assert "Usage: bench" in answer.out
    for name in ("run", "prepare", "methods", "datasets", "leaderboard", "ui", "doctor"):
        assert f" {name} " in answer.out


def test_help_and_version_end_with_zero(bench):
    assert bench("--help").code == 0
    assert bench("run --help").code == 0
    answer = bench("--version")
    assert (answer.code, answer.out) == (0, f"wsibench {harness.__version__}\n")


def failing(monkeypatch, error: BaseException) -> None:
    """Let ``bench methods list`` raise ``error``."""

    def fail() -> None:
        raise error

    monkeypatch.setattr("harness.api.registry.list_methods", fail)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DataError("slides are missing", place="a [bold]folder[/]", fix="get them"), 2),
        (MethodError("bad", place="method", fix="mend"), 1),
        (UnitFailedError("1 unit failed", place="runs", fix="look"), 1),
    ],
)
def test_expected_errors_keep_their_code_and_their_words(bench, monkeypatch, error, code):
    failing(monkeypatch, error)
    answer = bench("methods list")
    assert answer.code == code
    assert answer.check_three_lines() == (error.problem, error.place, error.fix)


def test_an_unexpected_error_points_to_debug_and_its_line(bench, monkeypatch):
    failing(monkeypatch, ZeroDivisionError("by zero"))
    answer = bench("methods list")
    assert answer.code == 1
    problem, place, fix = answer.check_three_lines()
    assert problem == "unexpected ZeroDivisionError: by zero"
    assert place.startswith(f"{methods.__file__}, line ")
    assert "--debug" in fix


@pytest.mark.parametrize("words", [("--debug", "methods", "list"), ("methods", "list", "--debug")])
def test_debug_shows_the_traceback_wherever_it_stands(bench, monkeypatch, words):
    failing(monkeypatch, ZeroDivisionError("by zero"))
    answer = bench(*words)
    assert answer.code == 1
    assert "Traceback (most recent call last)" in answer.err
    assert answer.err.splitlines()[-3].startswith("error: unexpected ZeroDivisionError")


def test_debug_by_environment(bench, monkeypatch):
    failing(monkeypatch, ZeroDivisionError("by zero"))
    monkeypatch.setenv("BENCH_DEBUG", "1")
    assert "Traceback" in bench("methods list").err
    monkeypatch.setenv("BENCH_DEBUG", "0")
    assert "Traceback" not in bench("methods list").err


def test_a_full_disk_is_told_as_such(bench, monkeypatch):
    failing(monkeypatch, OSError(errno.ENOSPC, "No space left on device", "/runs/record.json"))
    answer = bench("methods list")
    assert answer.code == 1
    problem, place, fix = answer.check_three_lines()
    assert (problem, place) == ("No space left on device", "/runs/record.json")
    assert "--out" in fix


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("methods list", "interrupted"),
        ("prepare musk1", "interrupted; the same command continues"),
        ("run --method abmil --dataset musk1", "interrupted; the same command continues"),
    ],
)
def test_an_interruption_is_one_line_and_130(bench, monkeypatch, line, said):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("harness.api.registry.list_methods", interrupt)
    monkeypatch.setattr("harness.studies.resolve.resolve", interrupt)
    monkeypatch.setattr("harness.core.resources.cache_root", interrupt)
    answer = bench(line)
    assert answer.code == 130
    assert answer.err.strip() == said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("hidden", [False, True])
def test_a_signal_ends_a_command_as_ctrl_c_does_with_its_own_code(bench, monkeypatch, number, hidden):
    def work(*args, **kwargs):
        try:
            os.kill(os.getpid(), number)
            time.sleep(5)
        except KeyboardInterrupt as error:
            os.kill(os.getpid(), number)  # repeated while it is cleaned up: without effect
            if hidden:  # a library made something else of it
                raise ValueError from error
            raise

    outside = signal.signal(number, signal.SIG_DFL)  # under nohup SIGHUP is ignored, and stays so
    before = signal.getsignal(number)
    monkeypatch.setattr("harness.studies.resolve.resolve", work)
    answer = bench("run --method abmil --dataset musk1")
    after = signal.signal(number, outside)
    assert answer.code == 128 + number
    assert answer.err.strip() == "interrupted; the same command continues"
    assert after == before


def test_a_signal_that_is_to_be_ignored_stays_ignored(bench, monkeypatch):
    def work(*args, **kwargs):
        os.kill(os.getpid(), signal.SIGHUP)
        return []

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        monkeypatch.setattr("harness.api.registry.list_methods", work)
        assert bench("methods list").code == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_every_command_is_in_the_help(bench):
    from harness.cli import main as module

    command = module.typer.main.get_command(module.app)
    assert set(module._ORDER) == set(command.commands)


def test_a_closed_pipe_is_quiet(bench, monkeypatch):
    failing(monkeypatch, BrokenPipeError(errno.EPIPE, "Broken pipe"))
    with pytest.raises(SystemExit) as caught:
        main(["methods", "list"])
    assert caught.value.code == 1


def test_a_code_that_a_command_chose_is_kept(bench, monkeypatch):
    monkeypatch.setattr(doctor, "_python", lambda: iter([doctor.Finding("Python", "wrong", "3.1", "use a newer one")]))
    for name in ("_torch", "_openslide", "_timm", "_methods"):
        monkeypatch.setattr(doctor, name, lambda: iter(()))
    monkeypatch.setattr(doctor, "_library", lambda *names: iter(()))
    answer = bench("doctor")
    assert answer.code == 1
    assert "WRONG  Python        3.1" in answer.out
    assert "use a newer one" in answer.out


def test_method_and_dataset_may_stand_without_their_options(bench):
    short, long = (
        bench("run abmil musk1 --fold 0 --dry-run"),
        bench("run --method abmil --dataset musk1 --fold 0 --dry-run"),
    )
    assert short.code == 0 and short.out == long.out
    mixed = bench("run abmil --fold 0 --dataset musk1 --dry-run")
    assert mixed.out == long.out


def test_a_dataset_of_this_folder_is_found_by_what_people_call_it(bench, toy_dataset):
    toy_dataset.rename(toy_dataset.parent / "nsclc")
    assert "did you mean './nsclc'?" in bench("run abmil TCGA-NSCLC").check_three_lines()[2]
