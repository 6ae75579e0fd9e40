"""The writer: what a kill leaves behind, what is replaced, what is refused."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest

from harness.core.errors import DataError
from harness.features import FeatureStore
from harness.features.store import COORDS, FEATURES
from harness.features.writer import JOURNAL, FeatureWriter

from .conftest import header, rows, write


def _append(writer: FeatureWriter, slide: str, tiles: int = 3, fingerprint: str = "") -> None:
    writer.append(slide, rows(slide, tiles), None, fingerprint=fingerprint or slide)


def test_without_a_finish_there_is_no_store_but_nothing_is_lost(tmp_path: Path) -> None:
    with FeatureWriter(tmp_path, header()) as writer:
        _append(writer, "a")
    with pytest.raises(DataError, match="no finished features"):
        FeatureStore.open(tmp_path)
    with FeatureWriter(tmp_path, header()) as writer:
        assert writer.has("a", "a")
        _append(writer, "b")
        writer.finish()
    store = FeatureStore.open(tmp_path)
    np.testing.assert_array_equal(store.bag("a"), rows("a", 3))
    np.testing.assert_array_equal(store.bag("b"), rows("b", 3))
    assert store.coords("a") is None
    assert not (tmp_path / JOURNAL).exists()


@pytest.mark.parametrize("torn", ["rows", "rows and positions", "line", "half a line", "everything"])
def test_whatever_a_kill_tears_only_the_last_slide_is_lost(tmp_path: Path, torn: str) -> None:
    whole = tmp_path / "whole"
    write(whole, {"a": 3, "b": 5, "c": 2})
    folder = tmp_path / "torn"
    with FeatureWriter(folder, header()) as writer:
        for slide, tiles in {"a": 3, "b": 5}.items():
            coords = np.arange(2 * tiles).reshape(-1, 2)
            writer.append(slide, rows(slide, tiles), coords, fingerprint=slide)
    # The states that the disk goes through while c is appended, and then some.
    if torn != "line":
        with (folder / FEATURES).open("ab") as file:
            file.write(b"\x01" * 13)
    if torn in {"rows and positions", "everything"}:
        with (folder / COORDS).open("ab") as file:
            file.write(b"\x01" * 99)
    if torn in {"half a line", "everything"}:
        with (folder / JOURNAL).open("a") as file:
            file.write('{"slide": "c", "sta')
    if torn == "line":
        text = (folder / JOURNAL).read_text()
        (folder / JOURNAL).write_text(text[: text.rindex('{"slide"') + 5])  # b's line is torn, its rows are there
    with FeatureWriter(folder, header()) as writer:
        assert list(writer.entries) == (["a"] if torn == "line" else ["a", "b"])
        for slide, tiles in {"b": 5, "c": 2}.items():
            if not writer.has(slide, slide):
                coords = np.arange(2 * tiles).reshape(-1, 2)
                writer.append(slide, rows(slide, tiles), coords, fingerprint=slide)
        writer.finish()
    for name in (FEATURES, COORDS):
        assert (folder / name).read_bytes() == (whole / name).read_bytes()
    assert FeatureStore.open(folder).content_sha256() == FeatureStore.open(whole).content_sha256()


def test_a_kill_while_the_first_line_is_written_is_survived(tmp_path: Path) -> None:
    (tmp_path / JOURNAL).write_text('{"key": {"enc')
    with FeatureWriter(tmp_path, header()) as writer:
        _append(writer, "a")
        writer.finish()
    assert FeatureStore.open(tmp_path).slides == ("a",)


def test_a_kill_between_manifest_and_journal_changes_nothing(tmp_path: Path) -> None:
    with FeatureWriter(tmp_path, header()) as writer:
        _append(writer, "a")
        journal = (tmp_path / JOURNAL).read_bytes()
        writer.finish()
    (tmp_path / JOURNAL).write_bytes(journal)
    with FeatureWriter(tmp_path, header()) as writer:
        assert list(writer.entries) == ["a"]
        writer.finish()
    FeatureStore.open(tmp_path).verify()


def test_slides_are_added_while_a_reader_holds_the_store(tmp_path: Path) -> None:
    write(tmp_path, {"a": 3})
    reader = FeatureStore.open(tmp_path)
    with FeatureWriter(tmp_path, header()) as writer:
        _append(writer, "b", 50)
        np.testing.assert_array_equal(reader.bag("a"), rows("a", 3))
        np.testing.assert_array_equal(FeatureStore.open(tmp_path).bag("a"), rows("a", 3))
        writer.finish()
    assert FeatureStore.open(tmp_path).slides == ("a", "b")


def test_a_slide_that_has_changed_is_replaced(tmp_path: Path) -> None:
    write(tmp_path, {"a": 3, "b": 5})
    with FeatureWriter(tmp_path, header()) as writer:
        assert writer.has("a", "a")
        assert not writer.has("a", "new")
        writer.append("a", rows("new", 4), None, fingerprint="new")
        writer.finish()
    store = FeatureStore.open(tmp_path)
    np.testing.assert_array_equal(store.bag("a"), rows("new", 4))
    np.testing.assert_array_equal(store.bag("b"), rows("b", 5))
    store.verify()


def test_slides_that_a_damaged_file_has_lost_are_made_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, {"a": 3, "b": 5, "c": 2})
    path = tmp_path / FEATURES
    os.truncate(path, path.stat().st_size - 1)
    with FeatureWriter(tmp_path, header()) as writer:
        assert list(writer.entries) == ["a", "b"]
    assert "made again: c" in capsys.readouterr().err


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_features_that_are_not_finite_name_their_slide(tmp_path: Path, bad: float) -> None:
    features = rows("a", 3)
    features[1, 2] = bad
    with FeatureWriter(tmp_path, header()) as writer:
        with pytest.raises(DataError, match="1 of 3 tiles") as caught:
            writer.append("tumor_007", features, None, fingerprint="")
        assert "tumor_007" in caught.value.place
        assert not writer.entries


def test_features_too_large_for_half_precision_are_refused_not_stored_as_infinity(tmp_path: Path) -> None:
    with (
        FeatureWriter(tmp_path, header("float16")) as writer,
        pytest.raises(DataError, match=r"1e\+05 do not fit float16") as caught,
    ):
        writer.append("a", np.full((1, 4), 1e5, np.float32), None, fingerprint="")
    assert "float32" in caught.value.fix


def test_empty_slides_and_wrong_shapes_are_refused(tmp_path: Path) -> None:
    with FeatureWriter(tmp_path, header()) as writer:
        with pytest.raises(DataError, match="no tiles"):
            writer.append("a", np.empty((0, 4)), None, fingerprint="")
        with pytest.raises(ValueError, match="expected \\(n, 4\\)"):
            writer.append("a", np.zeros((2, 3)), None, fingerprint="")
        with pytest.raises(ValueError, match="1 positions for 2 tiles"):
            writer.append("a", np.zeros((2, 4)), np.zeros((1, 2), np.int64), fingerprint="")


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize("change", [{"dtype": "float16"}, {"dim": 5}])
def test_rows_of_another_kind_are_not_appended(tmp_path: Path, finished: bool, change: dict[str, object]) -> None:
    with FeatureWriter(tmp_path, header()) as writer:
        _append(writer, "a")
        if finished:
            writer.finish()
    with pytest.raises(DataError, match=next(iter(change))), FeatureWriter(tmp_path, header(**change)):  # type: ignore[arg-type]
        pass
    with FeatureWriter(tmp_path, header()) as writer:  # the refusal let go of the lock and harmed nothing
        assert writer.has("a", "a")


def test_a_second_writer_waits_for_the_first(tmp_path: Path) -> None:
    order = []

    def second() -> None:
        with FeatureWriter(tmp_path, header()) as writer:
            order.append(list(writer.entries))

    with FeatureWriter(tmp_path, header()) as writer:
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.2)
        assert thread.is_alive()
        _append(writer, "a")
        order.append(["first"])
    thread.join(10)
    assert order == [["first"], ["a"]]
