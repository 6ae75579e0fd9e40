"""The units of several studies as one piece of work: each is asked of its own study."""

from __future__ import annotations

from types import SimpleNamespace

from harness.core.errors import DataError
from harness.sources.content_check import Sources, status_of
from harness.studies.run_suite import SuiteUnits


class Units:
    """Units of one study, as far as a suite asks them."""

    def __init__(self, title: str, todo: list[str]) -> None:
        self.title, self.todo, self.total, self.done = title, todo, 5, 5 - len(todo)
        self.recorded: list[str] = []

    def slides(self, key: str) -> tuple[str, ...]:
        return ("slide",)

    def record(self, key: str, outcome: object) -> None:
        self.recorded.append(key)


def begun(units: Units, sources: Sources) -> SimpleNamespace:
    return SimpleNamespace(units=units, study=SimpleNamespace(inputs=SimpleNamespace(sources=sources)))


def test_units_of_several_studies_are_one_work(tmp_path) -> None:
    parts = [Units("first", ["a", "b"]), Units("second", ["a"])]
    work = SuiteUnits([begun(one, Sources()) for one in parts])
    assert work.todo == [(0, "a"), (0, "b"), (1, "a")] and (work.total, work.done) == (10, 7)
    work.record((1, "a"), ValueError())
    assert (parts[0].recorded, parts[1].recorded) == ([], ["a"]) and work.status((1, "a")) == "second"


def test_a_file_that_changes_fails_the_units_of_its_own_study(tmp_path) -> None:
    file = tmp_path / "slide.tif"
    file.write_bytes(b"before")
    mine, other = Sources({"slide": status_of([file])}), Sources()
    work = SuiteUnits([begun(Units(name, ["a"]), one) for name, one in (("first", mine), ("second", other))])
    file.write_bytes(b"after it")
    failed, kept = (work.confirmed((number, "a"), "result", Sources()) for number in (0, 1))
    assert isinstance(failed, DataError) and "slide slide" in failed.problem and kept == "result"
