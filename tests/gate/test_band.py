"""A band's file: what is read is what was written, and what cannot be judged by is refused."""

from __future__ import annotations

import json

import pytest

from harness.core.errors import DataError
from harness.gate.band import Band, default_folder


def test_it_is_read_as_it_was_written(drawn, tmp_path) -> None:
    band = drawn.bands["abmil-one"]
    assert Band.read(band.write(tmp_path)) == band


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda value: value["runs"].pop(), "it has 19 runs, and 20 are the fewest"),
        (lambda value: value["runs"][3].update(seed=4), "a seed stands in it twice"),
        (lambda value: value["runs"][3]["scores"].pop("auc"), "a run has no auc"),
        (lambda value: value["runs"][3]["scores"].update(auc=0.99), "its summary is not that of its runs"),
        (lambda value: value["runs"][3].update(cpu_s=0), "a time is not positive"),
        (lambda value: value["summary"]["auc"].update(mean=0.99), "its summary is not that of its runs"),
        (lambda value: value.pop("identity"), "'identity' is missing"),
        (lambda value: value.update(schema=7), "its layout is 7"),
    ],
)
def test_one_that_is_damaged_or_edited_is_refused(drawn, tmp_path, change, reason) -> None:
    path = drawn.bands["abmil-one"].write(tmp_path)
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))
    with pytest.raises(DataError, match=reason):
        Band.read(path)


def test_one_that_is_missing_says_how_it_is_made(tmp_path) -> None:
    with pytest.raises(DataError) as caught:
        Band.read(tmp_path / "none.json")
    assert "bench reference make" in caught.value.fix


def test_those_that_come_with_the_package_are_whole() -> None:
    found = sorted(default_folder().glob("*.json"))
    assert found
    for path in found:
        band = Band.read(path)
        assert band.name == path.stem
        assert set(band.metrics) == {"auc", "log_loss"}
