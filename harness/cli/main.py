"""The ``bench`` command: its sub-commands, and how every failure is told."""

from __future__ import annotations

import functools
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

import harness
from harness.cli import (
    attest,
    audit_table,
    compare,
    datasets,
    doctor,
    encoders,
    export,
    features,
    heatmap,
    leaderboard,
    methods,
    plugins,
    predict,
    prepare,
    reference,
    regress,
    replay,
    run,
    selection_bias,
    sync,
    test,
    tune,
    ui,
    verify,
)
from harness.cli.signals import stopped_by_signals
from harness.cli.usage import Group, ParserError, in_three_lines, typed_command
from harness.core import console
from harness.core.errors import BenchError, SystemProblemError, UsageError
from harness.core.home import settle_home

_ORDER = (
    "run",
    "prepare",
    "datasets",
    "features",
    "encoders",
    "methods",
    "plugins",
    "test",
    "leaderboard",
    "compare",
    "replay",
    "audit-table",
    "verify",
    "attest",
    "predict",
    "export",
    "heatmap",
    "tune",
    "selection-bias",
    "reference",
    "regress",
    "ui",
    "sync",
    "doctor",
)


_RENAMED = {"inflate": "selection-bias"}


class _Root(Group):
    """The commands in the order in which they are needed; Typer would put groups behind plain commands."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(_ORDER)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find a command; one that was renamed is answered with its new name."""
        if (new := _RENAMED.get(args[0])) is not None:
            raise UsageError(
                f"bench {args[0]} is called bench {new} now", place=f"bench {args[0]}", fix=f"type bench {new}"
            )
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=_Root,
    no_args_is_help=True,
    help="Benchmark harness for learning on whole slide images.",
    epilog="Exit codes: 0 done, 1 a unit failed or a reference is red, 2 wrong usage or missing data, "
    "128 + N by signal N (130: Ctrl-C).",
)
app.command("run")(run.run)
app.command("prepare")(prepare.prepare)
app.add_typer(datasets.app, name="datasets", cls=Group)
app.add_typer(features.app, name="features", cls=Group)
app.add_typer(encoders.app, name="encoders", cls=Group)
app.add_typer(methods.app, name="methods", cls=Group)
app.add_typer(plugins.app, name="plugins", cls=Group)
app.command("test")(test.test)
app.add_typer(leaderboard.app, name="leaderboard", cls=Group)
app.command("compare")(compare.compare)
app.command("replay")(replay.replay)
app.command("audit-table")(audit_table.audit_table)
app.command("verify")(verify.verify)
app.command("attest")(attest.attest)
app.command("predict")(predict.predict)
app.command("export")(export.export)
app.command("heatmap")(heatmap.heatmap)
app.add_typer(tune.app, name="tune", cls=Group)
app.command("selection-bias")(selection_bias.selection_bias)
app.add_typer(reference.app, name="reference", cls=Group)
app.command("regress")(regress.regress)
app.command("ui")(ui.ui)
app.command("sync")(sync.sync)
app.command("doctor")(doctor.doctor)


def _version(asked: bool) -> None:
    if asked:
        console.say(f"wsibench {harness.__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_version)
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks; may stand anywhere on the line.", envvar="BENCH_DEBUG")
    ] = False,
) -> None:
    """Benchmark harness for learning on whole slide images."""
    # --debug is declared for the help only: main() reads it wherever it stands on the line.


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``bench``.

    Args:
        arguments: the words behind ``bench``; those of the process if None.

    Returns:
        Exit code: 0 done, 1 a unit failed or an unexpected error, 2 wrong usage or missing data, 128 + N interrupted by
        signal N (130: Ctrl-C, 143: SIGTERM, 129: SIGHUP).
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words or os.environ.get("BENCH_DEBUG", "").lower() not in {"", "0", "false", "no"}
    words = [word for word in words if word != "--debug"]
    console.debug(debug)
    console.write_out_what_cannot_be_encoded()
    command = _command()
    with stopped_by_signals() as stop:
        try:
            settle_home()
            return _run(command, words)
        except (KeyboardInterrupt, typer.Abort):
            pass
        except Exception as error:
            if not stop.number:  # else it is what became of the interruption in somebody else's code
                return _report(error, debug=debug)
        resumable = typed_command(command, words) in _RESUMABLE
        with suppress(OSError):  # with SIGHUP, the terminal is gone
            console.note("interrupted; the same command continues" if resumable else "interrupted")
    return stop.code


@functools.cache
def _command() -> Any:
    """What Typer makes of all the signatures; a process that gives several commands makes it once."""
    return typer.main.get_command(app)


_RESUMABLE = {
    "bench run",
    "bench prepare",
    "bench selection-bias",
    "bench reference make",
    "bench compare",
    "bench sync",
    "bench datasets draw",
    "bench datasets verify",
    "bench datasets new",
    "bench features extract",
}


def _run(command: Any, words: list[str]) -> int:
    """Run a command; its exit code.

    Raises:
        KeyboardInterrupt: it was interrupted.
    """
    try:
        # A number is the code of typer.Exit; Typer answers Ctrl-C with 130, older versions with Abort.
        result = command.main(args=words, prog_name="bench", standalone_mode=False, obj=tuple(words))
    except ParserError as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            console.say(str(error).rstrip())  # empty where Typer has drawn the help itself
            return 2
        raise in_three_lines(error, typed_command(command, words), words) from error
    if result == 130:
        raise KeyboardInterrupt
    return result if isinstance(result, int) else 0


def _report(error: Exception, *, debug: bool) -> int:
    """Tell a failure in three lines, under ``debug`` with its traceback, and return the exit code."""
    if debug:
        console.trace(error)
    problem = error if isinstance(error, BenchError) else _unexpected(error)
    console.error(problem)
    return problem.exit_code if isinstance(error, BenchError) else 1


def _unexpected(error: Exception) -> BenchError:
    """An error that nobody foresaw, with the line of ours that it came from."""
    if isinstance(error, OSError):
        if (problem := SystemProblemError.of(error)) is not None:
            return problem
        if error.filename is not None and error.strerror:
            fix = "correct this path or what is there; with --debug the traceback says what it was needed for"
            return SystemProblemError(error.strerror, place=str(error.filename), fix=fix)
    return BenchError(
        f"unexpected {type(error).__name__}: {error}",
        place=_innermost(error),
        fix="run it again with --debug for the traceback; it looks like a bug worth reporting",
    )


def _innermost(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    package = str(Path(harness.__file__).parent)
    ours = [frame for frame in frames if frame.filename.startswith(package)] or list(frames)
    return f"{ours[-1].filename}, line {ours[-1].lineno}" if ours else "unknown"


if __name__ == "__main__":
    sys.exit(main())
