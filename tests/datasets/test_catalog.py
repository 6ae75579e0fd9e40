from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from harness.core.errors import DataError, UsageError
from harness.datasets import catalog
from harness.datasets.catalog import find_dataset, list_datasets
from harness.plugins import installed


class Point:
    """An entry point of an installed package."""

    def __init__(self, name: str, target: object) -> None:
        self.name, self.value, self.dist, self._target = name, f"pkg:{name}", None, target

    def load(self) -> object:
        if isinstance(self._target, BaseException):
            raise self._target
        return self._target


@pytest.fixture
def points(monkeypatch) -> list[Point]:
    found: list[Point] = []
    monkeypatch.setattr(installed, "entry_points", lambda group: found if group == catalog.GROUP else [])
    return found


@pytest.fixture(autouse=True)
def no_variable(monkeypatch) -> None:
    monkeypatch.delenv("BENCH_DATASETS", raising=False)


def by_name() -> dict[str, catalog.Listed]:
    return {one.name: one for one in list_datasets()}


def test_shipped_datasets_are_found_and_none_is_broken(points) -> None:
    found = by_name()
    assert {"colon-nuclei", "musk1", "musk2"} <= set(found)
    assert [one.name for one in found.values() if one.problem is not None] == []


def test_folders_of_the_variable(write, tmp_path: Path, monkeypatch, points) -> None:
    write("one/tiny")
    write("two/other", card={"name": "other"})
    monkeypatch.setenv("BENCH_DATASETS", os.pathsep.join([str(tmp_path / "one"), "", str(tmp_path / "two/other")]))
    assert find_dataset("tiny").folder == tmp_path / "one/tiny"
    assert find_dataset("other").name == "other"


def test_a_folder_that_two_origins_point_to_is_one_dataset(write, tmp_path: Path, monkeypatch, points) -> None:
    folder = write("one/tiny")
    monkeypatch.setenv("BENCH_DATASETS", str(tmp_path / "one"))
    points.append(Point("tiny", folder))
    assert find_dataset("tiny").folder == folder


def test_name_clash_names_both_origins_and_harms_no_other(write, tmp_path: Path, monkeypatch, points) -> None:
    one, two = write("one/tiny"), write("two/tiny")
    monkeypatch.setenv("BENCH_DATASETS", str(tmp_path / "one"))
    points.append(Point("tiny", two))
    with pytest.raises(UsageError, match="2 datasets have the name 'tiny'") as error:
        find_dataset("tiny")
    assert str(one) in error.value.place
    assert str(two) in error.value.place
    assert find_dataset("musk1").name == "musk1"
    assert find_dataset(str(two)).folder == two


def test_a_broken_card_is_listed_with_its_reason_and_harms_no_other(write, tmp_path, monkeypatch, points) -> None:
    write("in/tiny")
    write("in/broken", card={"title": ...})
    write("in/leaky", card={"name": "leaky"}, splits="repeat,fold,slide,part\n0,0,nobody,train\n0,0,test_001,test\n")
    monkeypatch.setenv("BENCH_DATASETS", f"{tmp_path / 'in'}{os.pathsep}{tmp_path / 'gone'}")
    found = by_name()
    assert found["tiny"].dataset is not None
    assert "lacks the field 'title'" in str(found["broken"].problem)
    assert "does not know: nobody" in str(found["leaky"].problem)
    assert "no such folder" in str(found["gone"].problem)
    with pytest.raises(DataError, match="lacks the field 'title'"):
        find_dataset("broken")


def test_entry_points_give_a_path_or_a_function(write, points) -> None:
    folder = write("plugged/tiny")
    points += [Point("a", lambda: folder), Point("b", str(write("plugged/other", card={"name": "other"})))]
    assert find_dataset("tiny").folder == folder
    assert find_dataset("other").name == "other"


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (ImportError("no module named gone"), "ImportError: no module named gone"),
        (SystemExit(3), "SystemExit: 3"),
        (lambda: 1 / 0, "ZeroDivisionError"),
        (42, "TypeError"),
        (Path("nowhere"), "no card.yaml in nowhere"),
    ],
)
def test_a_plugin_that_fails_is_listed_with_its_reason(points, target, reason: str) -> None:
    points.append(Point("plug", target))
    assert reason in str(by_name()["plug"].problem)
    assert find_dataset("musk1").name == "musk1"


def test_by_path_of_folder_or_card(write, monkeypatch, points) -> None:
    folder = write("somewhere/tiny")
    assert find_dataset(str(folder)).folder == folder
    assert find_dataset(str(folder / "card.yaml")).folder == folder
    monkeypatch.chdir(folder.parent)
    assert find_dataset("tiny").name == "tiny"
    assert find_dataset("./tiny").name == "tiny"
    monkeypatch.chdir(folder)
    assert find_dataset(".").name == "tiny"


def test_a_path_is_never_a_built_in_name(write, monkeypatch, points) -> None:
    folder = write("mine/musk1", card={"name": "musk1"})
    monkeypatch.chdir(folder.parent)
    assert find_dataset("./musk1").folder.resolve() == folder.resolve()
    assert find_dataset("musk1/").folder.resolve() == folder.resolve()
    assert find_dataset("musk1").folder.resolve() != folder.resolve()


def test_a_path_without_card(tmp_path: Path, points) -> None:
    with pytest.raises(DataError, match=r"no card\.yaml"):
        find_dataset(str(tmp_path))


def test_a_misspelt_name_is_answered_with_the_nearest(points) -> None:
    with pytest.raises(UsageError, match="unknown dataset 'muskl'") as error:
        find_dataset("muskl")
    assert "did you mean 'musk" in error.value.fix


def test_cards_are_yaml_that_any_reader_understands() -> None:
    for one in list_datasets():
        assert one.dataset is not None
        content = yaml.safe_load((one.dataset.folder / "card.yaml").read_text(encoding="utf-8"))
        assert content["name"] == one.name == one.dataset.folder.name


def test_a_dataset_is_found_without_loading_the_others(write, tmp_path: Path, monkeypatch, points) -> None:
    write("one/tiny")
    write("two/other", card={"name": "other"})
    monkeypatch.setenv("BENCH_DATASETS", os.pathsep.join([str(tmp_path / "one"), str(tmp_path / "two")]))
    loaded: list[str] = []
    load = catalog.load_dataset
    monkeypatch.setattr(catalog, "load_dataset", lambda folder: loaded.append(folder.name) or load(folder))
    assert find_dataset("tiny").name == "tiny"
    assert loaded == ["tiny"]
