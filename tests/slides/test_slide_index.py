from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import DataError
from harness.slides.index import SlideIndex, index_path, load, safe_name
from harness.slides.scale import Scale


def _index(slide: str = "a") -> SlideIndex:
    return SlideIndex(
        slide=slide,
        path=Path("/data/ü/slide.svs"),
        mpp=0.2431,
        vendor="aperio",
        width=100_000,
        height=90_000,
        fingerprint="f" * 64,
        scales=(Scale(0.5, 256), Scale(2.0, 256)),
        coords=(np.array([[0, 0], [99_000, 5]]), np.zeros((0, 2), np.int64)),
        settings_hash="s" * 64,
        mpp_source="openslide.mpp-x",
        note="colours; 'quoted'\nsecond line",
        tissue_mm2=1.5,
    )


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    index = _index("a/b\n c")
    index.save(tmp_path / "x" / "a.npz")
    again = load(tmp_path / "x" / "a.npz")
    for field in dataclasses.fields(SlideIndex):
        if field.name != "coords":
            assert getattr(again, field.name) == getattr(index, field.name), field.name
    for ours, theirs in zip(index.coords, again.coords, strict=True):
        assert theirs.dtype == np.int64
        np.testing.assert_array_equal(ours, theirs)
    assert again.sides == (527, 2106)


def test_scales_and_grids_must_agree() -> None:
    with pytest.raises(ValueError, match="2 scales, 1 grids"):
        dataclasses.replace(_index(), coords=(np.zeros((0, 2), np.int64),))


def test_a_missing_index_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no tile index") as caught:
        load(tmp_path / "a.npz")
    assert "bench prepare" in caught.value.fix


def test_damage_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    _index().save(path)
    whole = path.read_bytes()
    for content in (b"", b"nonsense", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(DataError, match="damaged"):
            load(path)
    np.savez(path, meta=np.frombuffer(b'{"format": 99}', np.uint8))
    with pytest.raises(DataError, match="another version"):
        load(path)
    np.savez(path, meta=np.array([{"format": 1}], dtype=object))
    with pytest.raises(DataError, match="damaged"):
        load(path)


@given(st.text(max_size=300))
def test_any_id_gives_a_harmless_file_name(slide: str) -> None:
    name = safe_name(slide)
    assert name == Path(name).name
    assert name.isascii()
    assert 1 <= len(name) <= 100
    assert not name.startswith((".", "-"))
    assert index_path(Path("out"), slide).parent == Path("out/index")


@given(st.lists(st.text(alphabet="ab/_.-\n0", max_size=20), unique=True, max_size=40))
def test_different_ids_have_different_names(slides: list[str]) -> None:
    assert len({safe_name(slide) for slide in slides}) == len(slides)


@pytest.mark.parametrize("slide", ["normal_001", "TCGA-CR-7395-01A-01-TS1", "a.b-c_d"])
def test_ordinary_ids_are_kept(slide: str) -> None:
    assert safe_name(slide) == slide


@pytest.mark.parametrize("slide", ["../../etc/passwd", "..", ".hidden", "CON", "nul.txt", "a/b", "a\nb", "", "x" * 300])
def test_hostile_ids_are_not(slide: str) -> None:
    assert safe_name(slide) != slide
    assert safe_name(safe_name(slide)) != safe_name(slide)  # nobody can claim the name of another
