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


def _ome(size: str, more: str = "") -> dict[str, str]:
    image = f'<Image ID="Image:0"><Pixels SizeX="900" SizeY="600" SizeC="3" {size}/></Image>{more}'
    return {"tiff.ImageDescription": f'<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://x">{image}</OME>'}


@pytest.mark.parametrize(
    "size",
    [
        'PhysicalSizeX="0.25" PhysicalSizeY="0.25"',
        'PhysicalSizeX="0.25" PhysicalSizeXUnit="\u00b5m" PhysicalSizeY="250" PhysicalSizeYUnit="nm"',
        'PhysicalSizeX="0.00025" PhysicalSizeXUnit="mm"',
        'PhysicalSizeX="0.25" PhysicalSizeXUnit="\u03bcm"',
        'PhysicalSizeY="0.000025" PhysicalSizeYUnit="cm"',
    ],
)
def test_ome_xml_in_any_unit(size: str) -> None:
    found = find_resolution(_ome(size), size=(900, 600))
    assert (found.mpp, found.source) == (pytest.approx(0.25), "ome.PhysicalSizeX")


@pytest.mark.parametrize("unit", ["pixel", "reference frame", "km", ""])
def test_ome_xml_without_a_unit_of_length_says_nothing(unit: str) -> None:
    properties = _ome(f'PhysicalSizeX="0.25" PhysicalSizeXUnit="{unit}" PhysicalSizeYUnit="{unit}"')
    assert find_resolution(properties).mpp is None


def test_ome_xml_speaks_of_images_of_its_own_size_alone() -> None:
    label = '<Image ID="Image:1"><Pixels SizeX="90" SizeY="60" SizeC="3" PhysicalSizeX="1.5"/></Image>'
    both = _ome('PhysicalSizeX="0.25"', label)
    assert find_resolution(both, size=(900, 600)).mpp == 0.25
    assert find_resolution(both, size=(90, 60)).mpp == 1.5
    assert find_resolution(both, size=(450, 300)).mpp is None


@pytest.mark.parametrize("text", ["<OME", "<OME><Pixels SizeX='1'", '<!DOCTYPE a [<!ENTITY b "c">]><OME>&b;</OME>'])
def test_damaged_xml_says_nothing(text: str) -> None:
    assert find_resolution({"tiff.ImageDescription": text}).mpp is None


@pytest.mark.parametrize(
    ("unit", "per_unit"), [("um", 4.0), ("micron", 4.0), ("\\u00B5m", 4.0), ("mm", 4000.0), ("cm", 4e4), ("nm", 0.004)]
)
def test_imagej_writes_pixels_per_unit(unit: str, per_unit: float) -> None:
    tags = {"tiff.XResolution": str(per_unit), "tiff.YResolution": str(per_unit), "tiff.ResolutionUnit": "none"}
    found = find_resolution(tags | {"tiff.ImageDescription": f"ImageJ=1.53t\nunit={unit}\nmin=0.0\n"})
    assert (found.mpp, found.source) == (pytest.approx(0.25), "imagej.unit")


@pytest.mark.parametrize("description", ["ImageJ=1.53t\nunit=pixel\n", "ImageJ=1.53t\n", "unit=um\n"])
def test_imagej_without_a_unit_of_length_says_nothing(description: str) -> None:
    tags = {"tiff.XResolution": "4", "tiff.YResolution": "4", "tiff.ResolutionUnit": "none"}
    assert find_resolution(tags | {"tiff.ImageDescription": description}).mpp is None


def test_aperio_description_of_a_file_that_openslide_does_not_read() -> None:
    text = "Aperio Image Library v11.2.1 \r\n46000x32914 (240x240) JPEG/RGB Q=30|AppMag = 20|MPP = 0.4990|Left = 25.7"
    found = find_resolution({"tiff.ImageDescription": text})
    assert (found.mpp, found.source) == (0.499, "aperio.MPP")


def test_dicom_falls_back_on_the_imaged_volume() -> None:
    volume = {"dicom.ImagedVolumeWidth": "1", "dicom.ImagedVolumeHeight": "0.5"}
    size = {"dicom.TotalPixelMatrixColumns": "2000", "dicom.TotalPixelMatrixRows": "1000"}
    assert find_resolution(volume | size).mpp == 0.5
    assert find_resolution(volume).mpp is None
    assert find_resolution(volume | size | OPENSLIDE).problem


def _contradicting(factor: float) -> dict[str, str]:
    return _ome('PhysicalSizeX="0.25"') | {"openslide.mpp-x": str(0.25 * factor), "openslide.mpp-y": str(0.25 * factor)}


def test_a_file_that_contradicts_itself_needs_a_declaration() -> None:
    refused = find_resolution(_contradicting(2.0))
    assert refused.mpp is None
    assert "contradicts itself" in refused.problem
    assert "ome.PhysicalSizeX gives 0.25" in refused.problem
    assert "openslide.mpp-x gives 0.5" in refused.problem
    declared = find_resolution(_contradicting(2.0), 0.25)
    assert (declared.mpp, declared.source) == (0.25, "declared")
    assert "contradicts itself" in declared.note


def test_a_small_contradiction_is_a_note_and_an_implausible_statement_no_contradiction() -> None:
    assert find_resolution(_contradicting(1.001)).note == ""
    close = find_resolution(_contradicting(1.03))
    assert close.source == "openslide.mpp-x"
    assert "ome.PhysicalSizeX gives 0.25" in close.note
    tags = {"tiff.XResolution": "72", "tiff.YResolution": "72"}
    assert find_resolution(_ome('PhysicalSizeX="0.25"') | tags).mpp == 0.25


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
