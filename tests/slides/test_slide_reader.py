from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.core.errors import DataError
from harness.slides.reader import open_slide

Make = Callable[..., Path]


def _random(width: int, height: int) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_a_region_at_full_resolution_is_the_pixels_themselves_in_rgb_order(make_slide: Make) -> None:
    picture = _random(300, 200)
    with open_slide(make_slide("a.tif", picture)) as slide:
        assert (slide.width, slide.height, slide.vendor) == (300, 200, "generic-tiff")
        assert slide.mpp == pytest.approx(0.5)
        region = slide.read_region(37, 11, 150, 120, 150, 120)
    np.testing.assert_array_equal(region, picture[11:131, 37:187])
    assert region.flags.writeable


def test_a_coarser_region_comes_from_the_nearest_finer_level(make_slide: Make) -> None:
    # The levels have colours of their own, so that the level read shows.
    path = make_slide("a.tif", np.full((512, 512, 3), 255, np.uint8), downsamples=(1, 2, 4))
    with open_slide(path) as slide:
        levels = {size: slide.level_for(256, 256, size, size) for size in (256, 200, 128, 127, 100, 64, 63, 10)}
    assert levels == {256: 0, 200: 0, 128: 1, 127: 1, 100: 1, 64: 2, 63: 2, 10: 2}


@pytest.mark.parametrize(("tile_px", "downsample"), [(27, 4.016), (64, 4.016), (256, 4.016), (224, 16.06)])
def test_rounding_of_the_side_does_not_cost_a_level(make_slide: Make, tile_px: int, downsample: float) -> None:
    with open_slide(make_slide("a.tif", _random(64, 64), downsamples=(1,))) as slide:
        slide.level_downsamples = (1.0, 2.0, downsample)
        side = round(tile_px * downsample)
        assert slide.level_for(side, side, tile_px, tile_px) == 2
        assert slide.level_for(round(side * 0.97), side, tile_px, tile_px) == 1


def test_resizing_is_antialiased(make_slide: Make) -> None:
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::2] = 255
    with open_slide(make_slide("a.tif", stripes, downsamples=(1,))) as slide:
        coarse = slide.read_region(0, 0, 256, 256, 32, 32)
    assert np.abs(coarse[1:-1, 1:-1].astype(int) - 127).max() <= 8


def test_outside_of_the_slide_is_white(make_slide: Make) -> None:
    with open_slide(make_slide("a.tif", np.zeros((100, 100, 3), np.uint8), downsamples=(1,))) as slide:
        region = slide.read_region(-20, 60, 80, 80, 80, 80)
    assert (region[:40, 20:] == 0).all()
    assert (region[:, :20] == 255).all()
    assert (region[40:] == 255).all()


def test_tiles_equal_regions_in_the_order_asked_for_with_any_number_of_threads(make_slide: Make) -> None:
    rng = np.random.default_rng(0)
    coords = rng.integers(-50, 500, (40, 2))
    coords[7] = coords[3]
    with open_slide(make_slide("a.tif", _random(512, 512))) as slide:
        single = slide.read_tiles(coords, 96, 32)
        threaded = slide.read_tiles(coords, 96, 32, workers=3)
        regions = np.stack([slide.read_region(int(x), int(y), 96, 96, 32, 32) for x, y in coords])
        none = slide.read_tiles(coords[:0], 96, 32, workers=3)
    np.testing.assert_array_equal(single, regions)
    np.testing.assert_array_equal(threaded, regions)
    assert none.shape == (0, 32, 32, 3)


def test_an_overview_read_in_pieces_looks_like_the_whole(
    make_slide: Make, draw: Callable[..., np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = draw(500, 400)
    with open_slide(make_slide("a.tif", picture, downsamples=(1,))) as slide:
        whole = slide.thumbnail(4.0)
        monkeypatch.setattr("harness.slides.base._BLOCK", 130)
        pieces = slide.thumbnail(4.0)
    assert whole.shape == pieces.shape == (50, 62, 3)
    reference = np.asarray(Image.fromarray(picture).resize((62, 50), Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(whole - reference).max() <= 1
    assert np.abs(pieces - reference).mean() < 1.0


def test_a_reader_survives_pickling(make_slide: Make) -> None:
    path = make_slide("a.tif", _random(128, 128), mpp=None)
    with open_slide(path, mpp=0.7) as slide, pickle.loads(pickle.dumps(slide)) as again:
        assert (again.mpp, again.mpp_source, again.path) == (0.7, "declared", path)
        np.testing.assert_array_equal(again.read_region(0, 0, 9, 9, 9, 9), slide.read_region(0, 0, 9, 9, 9, 9))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "git-lfs pointer"),
        (b"/annex/objects/SHA256E-s1--0.svs\n", "git-annex pointer"),
        (b"<!DOCTYPE html><html></html>", "web page"),
        (b"II*\x00\x08\x00\x00\x00", "not a slide"),
        (b"nonsense", "not a slide"),
    ],
)
def test_what_is_no_slide_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "x.svs"
    path.write_bytes(content)
    with pytest.raises(DataError, match=words) as caught:
        open_slide(path)
    assert caught.value.place == str(path)
    assert "\n" not in str(caught.value)


def test_missing_files_and_links_to_nowhere(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        open_slide(tmp_path / "x.svs")
    (tmp_path / "y.svs").symlink_to(tmp_path / "gone.svs")
    with pytest.raises(DataError, match="leads nowhere"):
        open_slide(tmp_path / "y.svs")


def test_a_truncated_slide_is_refused_wherever_it_was_cut(make_slide: Make, tmp_path: Path) -> None:
    whole = make_slide("whole.tif", _random(512, 512), compression="jpeg").read_bytes()
    cut = tmp_path / "cut.tif"
    for share in (0.02, 0.3, 0.6, 0.9, 0.999):
        cut.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(DataError), open_slide(cut) as slide:
            slide.check()


def test_a_single_level_slide_that_lost_its_end_says_so(make_slide: Make) -> None:
    path = make_slide("a.tif", _random(512, 512), downsamples=(1,), compression="jpeg")
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 100)
    with pytest.raises(DataError, match="truncated"):
        open_slide(path)


def test_a_slide_that_opens_but_cannot_be_read(make_slide: Make) -> None:
    path = make_slide("a.tif", _random(512, 512), downsamples=(1,), compression="jpeg")
    data = bytearray(path.read_bytes())
    data[len(data) // 4 :] = bytes(len(data) - len(data) // 4)
    path.write_bytes(data)
    with open_slide(path) as slide, pytest.raises(DataError, match="cannot be read at level 0") as caught:
        slide.check()
    assert caught.value.place == str(path)


def test_check_passes_on_the_real_slides(shared: Path) -> None:
    for name in ("CMU-1-Small-Region.svs", "TCGA-CR-7395-01A-01-TS1.svs", "dicom_cmu-1-small-region"):
        with open_slide(shared / "datasets/real/wsi" / name) as slide:
            slide.check()
            assert slide.overview(50, 50).std() > 10


def test_the_aperio_slide_states_its_resolution(shared: Path) -> None:
    with open_slide(shared / "datasets/real/wsi/CMU-1-Small-Region.svs", mpp=0.25) as slide:
        assert (slide.mpp, slide.mpp_source, slide.vendor) == (0.499, "openslide.mpp-x", "aperio")
        assert slide.objective_power == 20
        assert "not used" in slide.resolution.note
        assert slide.thumbnail(8.0).shape == (185, 138, 3)


def test_the_frozen_section_without_resolution_is_refused_with_a_hint(shared: Path) -> None:
    path = shared / "datasets/real/wsi/TCGA-CR-7395-01A-01-TS1.svs"
    with open_slide(path) as slide:
        assert slide.mpp is None
        with pytest.raises(DataError, match="no resolution") as caught:
            slide.thumbnail(8.0)
    assert "--mpp" in caught.value.fix
    with open_slide(path, mpp=0.5) as slide:
        assert (slide.need_mpp(), slide.mpp_source) == (0.5, "declared")


def test_a_printer_resolution_is_refused_with_a_hint(shared: Path) -> None:
    with open_slide(shared / "datasets/real/wsi/pathml_small_HE_levels.tiff") as slide:
        with pytest.raises(DataError, match=r"352\.9") as caught:
            slide.need_mpp()
        assert "--mpp" in caught.value.fix


def test_a_dicom_folder_and_any_one_file_of_it_open_the_same_slide(shared: Path) -> None:
    folder = shared / "datasets/real/wsi/dicom_cmu-1-small-region"
    with open_slide(folder) as by_folder, open_slide(folder / "level-9-frames-0-1.dcm") as by_file:
        assert (by_folder.width, by_folder.height, by_folder.mpp) == (2220, 2967, 0.499)
        assert by_folder.level_downsamples == by_file.level_downsamples
        np.testing.assert_array_equal(by_folder.overview(40, 50), by_file.overview(40, 50))


def test_a_folder_of_two_dicom_series_asks_which(shared: Path, tmp_path: Path) -> None:
    source = shared / "datasets/real/wsi/dicom_cmu-1-small-region/level-5-frames-0-1.dcm"
    shutil.copyfile(source, tmp_path / "a.dcm")
    data = source.read_bytes()
    uid = b"1.2.276.0.7230010.3.1.3.2425734838.4124713.1626788322.499658"
    assert data.count(uid + b"\x00") or uid in data
    at = data.index(b"\x20\x00\x0e\x00UI") + 8
    (tmp_path / "b.dcm").write_bytes(data[:at] + b"9" + data[at + 1 :])
    with pytest.raises(DataError, match="2 DICOM series") as caught:
        open_slide(tmp_path)
    assert "a.dcm, b.dcm" in caught.value.fix


def test_a_folder_without_dicom_files_is_no_slide(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no DICOM slide"):
        open_slide(tmp_path)
