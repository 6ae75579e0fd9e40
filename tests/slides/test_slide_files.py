from __future__ import annotations

from pathlib import Path

from harness.slides.files import slide_files


def test_a_plain_slide_is_one_file(tmp_path: Path) -> None:
    assert slide_files(tmp_path / "a.svs") == [tmp_path / "a.svs"]


def test_mirax_has_a_folder_of_data_files(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name in ("a.mrxs", "a/Data0001.dat", "a/Slidedat.ini", "b.mrxs"):
        (tmp_path / name).write_text("")
    assert slide_files(tmp_path / "a.mrxs") == [
        tmp_path / name for name in ("a.mrxs", "a/Data0001.dat", "a/Slidedat.ini")
    ]


def test_hamamatsu_names_its_images(tmp_path: Path) -> None:
    text = (
        "[Virtual Microscope Specimen]\nNoLayers=1\nImageFile=a(0,0).jpg\nImageFile(1,0)=a(1,0).jpg\nMapFile=gone.jpg\n"
    )
    (tmp_path / "a.vms").write_text(text)
    for name in ("a(0,0).jpg", "a(1,0).jpg", "other.jpg"):
        (tmp_path / name).write_text("")
    assert slide_files(tmp_path / "a.vms") == [tmp_path / name for name in ("a.vms", "a(0,0).jpg", "a(1,0).jpg")]
