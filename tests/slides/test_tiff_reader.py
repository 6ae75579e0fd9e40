from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from harness.core.errors import DataError
from harness.slides.reader import open_slide

TILED, STRIPS = {"tile": (64, 64)}, {"rowsperstrip": 16}
HOW = pytest.mark.parametrize("how", [TILED, STRIPS], ids=["tiled", "strips"])


def _ramp(width: int = 200, height: int = 144) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 // width, y * 255 // height, (x + 2 * y) % 256], -1).astype(np.uint8)


def _write(path: Path, picture: np.ndarray, **options: Any) -> Path:
    tifffile.imwrite(path, picture, **({"metadata": None, "photometric": "rgb", "software": False} | options))
    return path


def _pixels(path: Path) -> np.ndarray:
    with open_slide(path, mpp=0.5) as slide:
        slide.check()
        return slide.read_region(0, 0, slide.width, slide.height, slide.width, slide.height)


@HOW
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bigtiff": True},
        {"byteorder": ">"},
        {"planarconfig": "separate"},
        {"compression": "lzw"},
        {"compression": "deflate", "predictor": True},
        {"compression": "zstd"},
        {"compression": "jpegxl"},
    ],
    ids=str,
)
def test_rgb_however_it_is_stored(tmp_path: Path, how: dict[str, Any], options: dict[str, Any]) -> None:
    picture = _ramp()
    stored = np.moveaxis(picture, -1, 0).copy() if "planarconfig" in options else picture
    if options.get("compression") == "jpegxl":
        options = options | {"compressionargs": {"lossless": True}}
    np.testing.assert_array_equal(_pixels(_write(tmp_path / "a.tif", stored, **how, **options)), picture)


@HOW
@pytest.mark.parametrize(("photometric", "sign"), [("minisblack", 1), ("miniswhite", -1)])
def test_one_channel(tmp_path: Path, how: dict[str, Any], photometric: str, sign: int) -> None:
    grey = _ramp()[..., 2]
    expected = grey if sign > 0 else 255 - grey
    pixels = _pixels(_write(tmp_path / "a.tif", grey, photometric=photometric, **how))
    np.testing.assert_array_equal(pixels, np.stack([expected] * 3, -1))


@pytest.mark.parametrize("depth", [255, 65535])
def test_palette_of_either_depth(tmp_path: Path, depth: int) -> None:
    index = _ramp()[..., 0]
    table = np.stack([np.arange(256)[::-1], np.arange(256), np.full(256, 7)])
    stored = (table * (depth // 255)).astype(np.uint16)
    path = _write(tmp_path / "a.tif", index, photometric="palette", colormap=stored, **STRIPS)
    np.testing.assert_array_equal(_pixels(path), table.T[index])


def test_two_colours(tmp_path: Path) -> None:
    bits = _ramp()[..., 0] > 100
    Image.fromarray(bits).save(tmp_path / "a.tif", compression="group4")
    np.testing.assert_array_equal(_pixels(tmp_path / "a.tif"), np.stack([bits * np.uint8(255)] * 3, -1))


def test_cmyk_is_converted(tmp_path: Path) -> None:
    picture = Image.fromarray(_ramp()).convert("CMYK")
    picture.save(tmp_path / "a.tif")
    np.testing.assert_allclose(_pixels(tmp_path / "a.tif"), np.asarray(picture.convert("RGB")), atol=1)


@pytest.mark.parametrize("subsampling", [0, 2])
def test_jpeg_strips(tmp_path: Path, subsampling: int) -> None:
    y, x = np.mgrid[:144, :200]
    picture = np.stack([120 + x // 2, 200 - y // 2, 150 + (x + y) // 10], -1).astype(np.uint8)
    path = tmp_path / "a.tif"
    Image.fromarray(picture).convert("YCbCr").save(path, compression="jpeg", quality=95, subsampling=subsampling)
    assert np.abs(_pixels(path).astype(int) - picture).max() < 12


@HOW
@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha", "unspecified"])
def test_a_fourth_channel_is_transparency_only_where_the_file_says_so(
    tmp_path: Path, how: dict[str, Any], kind: str
) -> None:
    picture = _ramp()
    alpha = picture[..., :1]
    stored = np.minimum(picture, alpha) if kind == "assocalpha" else picture
    path = _write(tmp_path / "a.tif", np.concatenate([stored, alpha], -1), extrasamples=[kind], **how)
    share = alpha / 255
    expected = {
        "unassalpha": picture * share + 255 * (1 - share),
        "assocalpha": 255.0 - alpha + stored,
        "unspecified": picture,
    }[kind]
    # OpenSlide goes through premultiplied colours, which are coarse where almost nothing is opaque.
    np.testing.assert_allclose(_pixels(path), expected, atol=2)


@HOW
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_image_is_turned_back(tmp_path: Path, how: dict[str, Any], orientation: int) -> None:
    picture = _ramp()
    path = _write(tmp_path / "a.tif", picture, extratags=[(274, 3, 1, orientation, True)], **how)
    image = Image.fromarray(picture)
    image.getexif()[274] = orientation
    np.testing.assert_array_equal(_pixels(path), np.asarray(ImageOps.exif_transpose(image)))


REFUSED: dict[str, tuple[Callable[[np.ndarray], np.ndarray], dict[str, Any], str]] = {
    "16 bit rgb": (lambda a: a.astype(np.uint16) * 16, {}, "16 bits"),
    "16 bit grey": (lambda a: a[..., 0].astype(np.uint16), {"photometric": "minisblack"}, "16 bits"),
    "float": (lambda a: a[..., 0] / np.float32(255), {"photometric": "minisblack"}, "floating-point"),
    "signed": (lambda a: a[..., 0].astype(np.int8), {"photometric": "minisblack"}, "signed"),
    "two channels": (
        lambda a: a[..., :2],
        {"photometric": "minisblack", "planarconfig": "contig", "extrasamples": ["unspecified"]},
        "2 channels",
    ),
    "five channels": (
        lambda a: np.concatenate([a, a[..., :2]], -1),
        {"extrasamples": ["unspecified", "unspecified"]},
        "5 channels",
    ),
    "cielab": (lambda a: a, {"photometric": "cielab"}, "CIELAB"),
}


@HOW
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_8_bit_colour_is_refused_by_name(tmp_path: Path, how: dict[str, Any], name: str) -> None:
    change, options, words = REFUSED[name]
    path = _write(tmp_path / "a.tif", change(_ramp()), **options, **how)
    with pytest.raises(DataError, match=words) as caught:
        open_slide(path, mpp=0.5)
    assert "RGB" in caught.value.fix
    assert "download" not in str(caught.value)


@HOW
@pytest.mark.parametrize("main_first", [True, False])
def test_of_several_pages_the_largest_is_the_slide(tmp_path: Path, how: dict[str, Any], main_first: bool) -> None:
    picture = _ramp()
    label = np.full((50, 40, 3), (9, 200, 9), np.uint8)
    pages = [picture, picture[::2, ::2], picture[::4, ::4], label]
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as tiff:
        for page in pages if main_first else pages[::-1]:
            tiff.write(
                page, photometric="rgb", metadata=None, resolution=(2e4, 2e4), resolutionunit="CENTIMETER", **how
            )
    with open_slide(path) as slide:
        assert (slide.width, slide.height, slide.mpp) == (200, 144, pytest.approx(0.5))
        assert slide.overview(20, 14)[..., 0].std() > 20
    np.testing.assert_array_equal(_pixels(path), picture)


def test_a_label_that_is_flagged_as_a_level_is_not_read_as_one(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(np.full((640, 640, 3), 200, np.uint8), photometric="rgb", metadata=None, **TILED)
        label = np.full((64, 200, 3), (9, 200, 9), np.uint8)
        tiff.write(label, photometric="rgb", metadata=None, subfiletype=1, **TILED)
    with open_slide(path, mpp=0.5) as slide:
        slide.check()
        assert (slide.overview(40, 40) == 200).all()


@HOW
@pytest.mark.parametrize("options", [{"imagej": True}, {"ome": True}, {}], ids=["imagej", "ome", "plain"])
def test_a_stack_of_channels_is_no_slide(tmp_path: Path, how: dict[str, Any], options: dict[str, Any]) -> None:
    how = STRIPS if options.get("imagej") else how  # ImageJ writes no tiles
    path = tmp_path / ("a.ome.tif" if options.get("ome") else "a.tif")
    with tifffile.TiffWriter(path, **options) as tiff:
        tiff.write(np.moveaxis(_ramp(), -1, 0), photometric="minisblack", metadata={"axes": "CYX"}, **how)
    with pytest.raises(DataError, match="3 images of one size") as caught:
        open_slide(path)
    assert "download" not in str(caught.value)


def test_a_strip_tiff_cut_short_is_called_truncated(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.tif", _ramp(), **STRIPS)
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(DataError, match="truncated"):
        open_slide(path, mpp=0.5)


def test_strips_that_cannot_be_decoded_are_named(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.tif", _ramp(), compression="deflate", **STRIPS)
    with tifffile.TiffFile(path) as tiff:
        start = tiff.pages[0].dataoffsets[3]
    data = bytearray(path.read_bytes())
    data[start : start + 40] = struct.pack("40B", *range(40))
    path.write_bytes(data)
    with open_slide(path, mpp=0.5) as slide, pytest.raises(DataError, match="cannot be decoded"):
        slide.check()


@HOW
@pytest.mark.parametrize(
    ("options", "mpp"),
    [
        ({"resolution": (2e4, 2e4), "resolutionunit": "CENTIMETER"}, 0.5),
        ({"resolution": (50800, 50800), "resolutionunit": "INCH"}, 0.5),
        ({"resolution": (2e4, 2e4), "resolutionunit": "NONE"}, None),
        ({"resolution": (72, 72), "resolutionunit": "INCH"}, None),
        ({"resolution": (96, 96), "resolutionunit": "INCH"}, None),
        ({"resolution": (1, 1), "resolutionunit": "INCH"}, None),
        ({"resolution": (2e4, 4e4), "resolutionunit": "CENTIMETER"}, None),
        ({"description": "Aperio Image Library v11\r\n200x144 (64x64) RGB|AppMag = 40|MPP = 0.5"}, 0.5),
        ({"description": "ImageJ=1.54\nunit=um\n", "resolution": (2, 2), "resolutionunit": "NONE"}, 0.5),
        ({"description": '<OME><Pixels SizeX="200" SizeY="144" SizeC="3" PhysicalSizeX="0.5"/></OME>'}, 0.5),
        (
            {
                "description": '<OME><Pixels SizeX="200" SizeY="144" SizeC="3" PhysicalSizeX="0.25"/></OME>',
                "resolution": (2e4, 2e4),
                "resolutionunit": "CENTIMETER",
            },
            None,
        ),
    ],
)
def test_the_resolution_is_read_from_strips_as_from_tiles(
    tmp_path: Path, how: dict[str, Any], options: dict[str, Any], mpp: float | None
) -> None:
    with open_slide(_write(tmp_path / "a.tif", _ramp(), **options, **how)) as slide:
        if mpp is None:
            with pytest.raises(DataError) as caught:
                slide.need_mpp()
            assert "--mpp" in caught.value.fix
        else:
            assert slide.need_mpp() == pytest.approx(mpp)
            assert slide.mpp_source


def test_ome_tiff_of_strips_states_its_resolution(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    size = {f"PhysicalSize{axis}{end}": value for axis in "XY" for end, value in (("", 250), ("Unit", "nm"))}
    tifffile.imwrite(path, _ramp(), ome=True, photometric="rgb", metadata={"axes": "YXS"} | size)
    with open_slide(path, mpp=0.5) as slide:
        assert (slide.mpp, slide.mpp_source) == (0.25, "ome.PhysicalSizeX")
        assert "0.5 was not used" in slide.resolution.note
