from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.slides.resolution import PLAUSIBLE_MPP, find_resolution

OPENSLIDE = {"openslide.mpp-x": "0.25", "openslide.mpp-y": "0.2502"}


def test_what_the_file_says_is_taken_and_named() -> None:
    found = find_resolution(OPENSLIDE)
    assert found.mpp == pytest.approx(0.2501)
    assert (found.source, found.note, found.problem) == ("openslide.mpp-x", "", "")


@pytest.mark.parametrize(("unit", "per_unit"), [("inch", 50800.0), ("centimeter", 20000.0)])
def test_tiff_tags_stand_in(unit: str, per_unit: float) -> None:
    tags = {"tiff.XResolution": str(per_unit), "tiff.YResolution": str(per_unit), "tiff.ResolutionUnit": unit}
    found = find_resolution(tags)
    assert found.mpp == pytest.approx(0.5)
    assert found.source == "tiff.XResolution"


def test_tiff_tags_without_a_physical_unit_say_nothing() -> None:
    tags = {"tiff.XResolution": "20000", "tiff.YResolution": "20000", "tiff.ResolutionUnit": "none"}
    assert find_resolution(tags).mpp is None


def test_aperio_header_with_a_decimal_comma() -> None:
    found = find_resolution({"aperio.MPP": "0,2520"})
    assert (found.mpp, found.source) == (0.252, "aperio.MPP")


@pytest.mark.parametrize("dpi", [72, 96, 150, 300, 600])
def test_the_dots_per_inch_of_a_printer_are_not_believed(dpi: int) -> None:
    found = find_resolution({"tiff.XResolution": str(dpi), "tiff.YResolution": str(dpi), "tiff.ResolutionUnit": "inch"})
    assert found.mpp is None
    assert "cannot be believed" in found.problem
    assert "0.1 to 2.0" in found.problem


def test_a_declaration_fills_the_gap_but_never_overrules_the_file() -> None:
    assert find_resolution({}, 0.5).mpp == 0.5
    assert find_resolution({}, 0.5).source == "declared"
    overruled = find_resolution(OPENSLIDE, 0.5)
    assert overruled.mpp == pytest.approx(0.2501)
    assert "0.5 was not used" in overruled.note
    assert find_resolution(OPENSLIDE, 0.25).note == ""


def test_a_declaration_may_be_outside_the_plausible_range_and_what_it_replaces_is_noted() -> None:
    found = find_resolution({"openslide.mpp-x": "352.8"}, 3.5)
    assert (found.mpp, found.source) == (3.5, "declared")
    assert "352.8" in found.note


def test_pixels_that_are_not_square_are_refused() -> None:
    assert "not square" in find_resolution({"openslide.mpp-x": "0.25", "openslide.mpp-y": "0.5"}).problem


def test_the_objective_only_hints() -> None:
    found = find_resolution({"openslide.objective-power": "40"})
    assert found.mpp is None
    assert "40x" in found.hint
    assert "0.25" in found.hint


@pytest.mark.parametrize("declared", [0.0, -0.5, float("nan"), float("inf")])
def test_a_declaration_that_is_no_resolution(declared: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        find_resolution({}, declared)


@given(
    st.dictionaries(
        st.sampled_from(["openslide.mpp-x", "openslide.mpp-y", "aperio.MPP", "tiff.XResolution", "tiff.YResolution"]),
        st.one_of(st.text(max_size=6), st.floats().map(str), st.floats(0.01, 5).map(str)),
    )
)
def test_whatever_a_file_says_the_result_is_plausible_or_refused(properties: dict[str, str]) -> None:
    found = find_resolution(properties)
    assert (found.mpp is None) == bool(found.problem)
    assert found.mpp is None or PLAUSIBLE_MPP[0] <= found.mpp <= PLAUSIBLE_MPP[1]
