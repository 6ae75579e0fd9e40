"""One declaration is the field, the word on the command line, the key in a file, and the check."""

from __future__ import annotations

import inspect
from typing import Annotated

import pytest

from harness.cli import study_options
from harness.cli.options import config_file
from harness.core.errors import UsageError
from harness.core.options import Option, Options, count, settings


class Settings(Options):
    workers: Annotated[int | None, Option("how_many", count(8), "Processes.", reads=int)] = None
    own: Annotated[dict[str, object] | None, Option("own", settings, "Others.", repeatable=True)] = None


def test_from_python_and_by_the_name_of_the_option():
    assert Settings(workers=3) == Settings.of({"how_many": 3, "something": "else"})
    assert Settings.of({}).workers is None
    assert (
        Settings.of({"own": ["a=1", "b=x"]}).own == Settings.of({"own": {"a": 1, "b": "x"}}).own == {"a": 1, "b": "x"}
    )


@pytest.mark.parametrize("make", [lambda: Settings(workers=9), lambda: Settings.of({"how_many": 9})])
def test_both_name_the_option_in_errors(make):
    with pytest.raises(UsageError) as caught:
        make()
    assert caught.value.place == "--how-many"


def test_a_declared_option_is_on_the_command_line_in_files_and_in_the_settings(monkeypatch, tmp_path):
    """A new option of ``bench run`` is its declaration and the code that uses it: two files."""
    groups = (*study_options._GROUPS, Settings)
    monkeypatch.setattr(study_options, "_GROUPS", groups)

    @study_options.with_options(without=("method",))
    def command(options, *, dry_run: bool = False):
        return None

    drawn = inspect.signature(command).parameters
    assert "how_many" in drawn
    assert "method" not in drawn
    names = tuple(option.name for group in groups for option in group.declared().values())
    (tmp_path / "s.yaml").write_text("how-many: 3\n")
    assert Settings.of(config_file(tmp_path / "s.yaml", names)).workers == 3
