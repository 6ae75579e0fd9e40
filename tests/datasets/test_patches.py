from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.core.errors import DataError
from harness.datasets import content
from harness.datasets import patches as module
from harness.datasets.dataset import Dataset, load_dataset
from harness.datasets.patches import instance_labels_of, open_patches

SOURCE = {
    "kind": "patches",
    "tables": ["main.csv", "more.csv"],
    "images": ["pics/{image}"],
    "archive": "pics.tar.gz",
    "columns": {"image": "Name", "slide": "P", "patient": "P", "instance_label": "Bad"},
    "slide_id": "tiny_{slide:0>2}",
    "tile_px": 5,
}
LABELS = "slide,patient,label,tiles\ntiny_02,2,tumor,3\ntiny_01,1,normal,2\n"
MAIN = "Name,P,Bad\na.png,1,0\nb.png,2,1\n"
MORE = "P,Bad,Name\n2,0,c.png\n1,0,d.png\n2,1,e.png\n"
RNG = np.random.default_rng(1)
PIXELS = {name: RNG.integers(0, 256, (5, 5, 3), np.uint8) for name in ("a.png", "b.png", "c.png", "d.png", "e.png")}


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def _pack(root: Path, archive: Path) -> None:
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(root / "Pics", "pics")


@pytest.fixture
def dataset(write) -> Dataset:
    return load_dataset(write(labels=LABELS, card={"source": SOURCE}))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    (folder / "Pics").mkdir(parents=True)
    for name, pixels in PIXELS.items():
        (folder / "Pics" / name.upper()).write_bytes(png(pixels))
    (folder / "main.csv").write_text(MAIN, encoding="utf-8")
    (folder / "more.csv").write_text(MORE, encoding="utf-8")
    return folder


def pack(root: Path, *, prefix: str = "./release/pics/", leave_out: tuple[str, ...] = ()) -> None:
    """Move the images into the archive."""
    with tarfile.open(root / "pics.tar.gz", "w:gz") as tar:
        for name, pixels in PIXELS.items():
            for member, content in ((f"{prefix}._{name}", b"resource fork"), (f"{prefix}{name}", png(pixels))):
                if name not in leave_out:
                    about = tarfile.TarInfo(member)
                    about.size = len(content)
                    tar.addfile(about, io.BytesIO(content))
    for path in (root / "Pics").iterdir():
        path.unlink()


def refusal(dataset: Dataset, root: Path | None, cache: Path) -> DataError:
    with pytest.raises(DataError) as error:
        open_patches(dataset, root, cache)
    assert list(cache.glob("patches/.*")) == [], "half-built folders are removed"
    return error.value


def test_bags_hold_their_patches_in_the_order_of_the_tables(dataset: Dataset, root: Path, tmp_path: Path) -> None:
    patches = open_patches(dataset, root, tmp_path / "cache")
    assert patches.slides == ("tiny_02", "tiny_01")
    assert np.array_equal(patches.bag("tiny_02"), np.stack([PIXELS[name] for name in ("b.png", "c.png", "e.png")]))
    assert np.array_equal(patches.bag("tiny_01"), np.stack([PIXELS[name] for name in ("a.png", "d.png")]))
    labels = instance_labels_of(patches)
    assert labels("tiny_02").tolist() == [1, 0, 1]
    assert labels("tiny_01").tolist() == [0, 0]


def test_labels_are_no_part_of_what_methods_get(dataset: Dataset, root: Path, tmp_path: Path) -> None:
    patches = open_patches(dataset, root, tmp_path / "cache")
    assert set(vars(patches)) == {"folder", "slides", "tiles", "offsets", "fingerprints"}


@pytest.mark.parametrize("prefix", ["pics/", "./release/Pics/", "/abs/../pics/"])
def test_folder_and_archive_give_the_same(dataset: Dataset, root: Path, tmp_path: Path, prefix: str) -> None:
    first = open_patches(dataset, root, tmp_path / "one")
    pack(root, prefix=prefix)
    second = open_patches(dataset, root, tmp_path / "two")
    assert np.array_equal(first.tiles, second.tiles)
    assert first.fingerprints == second.fingerprints
    assert not (root / "pics").exists()


def test_built_once_until_the_source_changes(dataset: Dataset, root: Path, tmp_path: Path, monkeypatch) -> None:
    built = []
    build = module._build
    monkeypatch.setattr(module, "_build", lambda *args: built.append(args) or build(*args))
    first = open_patches(dataset, root, tmp_path)
    assert open_patches(dataset, root, tmp_path).folder == first.folder
    assert len(built) == 1
    (root / "Pics/A.PNG").write_bytes(png(PIXELS["a.png"][::-1]))
    second = open_patches(dataset, root, tmp_path)
    assert len(built) == 2
    assert second.fingerprints["tiny_01"] != first.fingerprints["tiny_01"]
    assert second.fingerprints["tiny_02"] == first.fingerprints["tiny_02"]


@pytest.fixture
def exact(monkeypatch) -> None:
    monkeypatch.setattr(content, "_COARSE_NS", 0)


def _rewrite(path: Path, data: bytes) -> None:
    """Other bytes under the same modification time."""
    before = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("packed", [False, True])
def test_a_change_that_keeps_size_and_time_is_noticed(dataset: Dataset, root: Path, tmp_path: Path, packed) -> None:
    image, archive = root / "Pics/A.PNG", root / "pics.tar.gz"
    old, new = png(PIXELS["a.png"]), png(PIXELS["a.png"][::-1])
    longest = max(len(old), len(new)) + 1000
    image.write_bytes(old.ljust(longest, b"\0"))
    if packed:
        _pack(root, archive)
        image.rename(root / "elsewhere")
    first = open_patches(dataset, root, tmp_path)
    if packed:
        size = archive.stat().st_size
        (root / "elsewhere").rename(image)
        image.write_bytes(new.ljust(longest, b"\0"))
        _pack(root, archive)
        image.unlink()
        archive.write_bytes(archive.read_bytes().ljust(size, b"\0"))
    else:
        _rewrite(image, new.ljust(longest, b"\0"))
    second = open_patches(dataset, root, tmp_path)
    assert second.fingerprints["tiny_01"] != first.fingerprints["tiny_01"]


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("name", ["tiles.npy", "instance_labels.npy", "manifest.json"])
def test_a_changed_byte_of_the_cache_is_noticed(dataset: Dataset, root: Path, tmp_path: Path, name: str) -> None:
    first = open_patches(dataset, root, tmp_path)
    open_patches(dataset, root, tmp_path)
    before, file = np.array(first.tiles), first.folder / name
    data = bytearray(file.read_bytes())
    at = data.index(b'"offsets": [') + 40 if name == "manifest.json" else len(data) - 3
    digits = [k for k in range(at, len(data)) if chr(data[k]).isdigit()] if name == "manifest.json" else [at]
    data[digits[0]] ^= 1
    _rewrite(file, bytes(data))
    again = open_patches(dataset, root, tmp_path)
    assert np.array_equal(again.tiles, before)
    assert again.offsets.tolist() == first.offsets.tolist()


@pytest.mark.parametrize("name", ["tiles.npy", "instance_labels.npy", "manifest.json"])
@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_damaged_cache_is_built_anew(dataset: Dataset, root: Path, tmp_path: Path, name: str, damage: str) -> None:
    first = open_patches(dataset, root, tmp_path)
    before, file = np.array(first.tiles), first.folder / name
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:-7])
    else:
        file.unlink()
    again = open_patches(dataset, root, tmp_path)
    assert np.array_equal(again.tiles, before)
    assert json.loads((again.folder / "manifest.json").read_text())["dataset"] == "tiny"


def test_an_interrupted_build_leaves_nothing(dataset: Dataset, root: Path, tmp_path: Path, monkeypatch) -> None:
    def interrupted(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "write_json", interrupted)
    with pytest.raises(KeyboardInterrupt):
        open_patches(dataset, root, tmp_path / "cache")
    assert list((tmp_path / "cache/patches").iterdir()) == []


def test_what_a_killed_build_left_is_swept_away_after_a_day(dataset: Dataset, root: Path, tmp_path: Path) -> None:
    first = open_patches(dataset, root, tmp_path).folder
    (first / "manifest.json").unlink()
    old, young = (first.with_name(f".{first.name}.{pid}.tmp") for pid in (1, 2))
    old.mkdir()
    young.mkdir()
    os.utime(old, (0, 0))
    open_patches(dataset, root, tmp_path)
    assert not old.exists()
    assert young.exists()


def test_a_faster_process_wins(dataset: Dataset, root: Path, tmp_path: Path, monkeypatch) -> None:
    take = module._take_place

    def late(building: Path, folder: Path, key: str) -> None:
        monkeypatch.setattr(module, "_take_place", take)
        open_patches(dataset, root, tmp_path / "cache")
        take(building, folder, key)

    monkeypatch.setattr(module, "_take_place", late)
    assert len(open_patches(dataset, root, tmp_path / "cache").tiles) == 5
    assert len(list((tmp_path / "cache/patches").iterdir())) == 1


def test_no_data_root(dataset: Dataset, tmp_path: Path) -> None:
    error = refusal(dataset, None, tmp_path / "cache")
    assert error.place == "--data-root"
    assert "example.org" in error.fix
    assert "not a folder" in refusal(dataset, tmp_path / "no", tmp_path / "cache").problem


def test_missing_table(dataset: Dataset, root: Path, tmp_path: Path) -> None:
    (root / "more.csv").unlink()
    error = refusal(dataset, root, tmp_path / "cache")
    assert error.problem == "1 of 2 tables of tiny are missing: more.csv"
    assert "example.org" in error.fix


def test_missing_images_in_a_folder(dataset: Dataset, root: Path, tmp_path: Path) -> None:
    (root / "Pics/C.PNG").unlink()
    error = refusal(dataset, root, tmp_path / "cache")
    assert error.problem == "1 of 5 patches of tiny are missing: c.png"
    assert "pics/{image}, pics.tar.gz" in error.place


def test_missing_images_in_an_archive(dataset: Dataset, root: Path, tmp_path: Path) -> None:
    pack(root, leave_out=("b.png", "d.png"))
    error = refusal(dataset, root, tmp_path / "cache")
    assert error.problem == "2 of 5 patches of tiny are missing: b.png, d.png"
    assert "pics.tar.gz" in error.place


@pytest.mark.parametrize("keep", [0, 30, 0.5])
def test_a_damaged_archive(dataset: Dataset, root: Path, tmp_path: Path, keep: float) -> None:
    pack(root)
    content = (root / "pics.tar.gz").read_bytes()
    (root / "pics.tar.gz").write_bytes(content[: int(len(content) * keep) if isinstance(keep, float) else keep])
    assert "pics.tar.gz" in refusal(dataset, root, tmp_path / "cache").place


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "cannot be decoded"), (b"text", "cannot be decoded"), (png(PIXELS["b.png"])[:60], "cannot be decoded"),
     (png(PIXELS["b.png"][:4]), "5 x 4 pixels, the card says 5 x 5")],
)  # fmt: skip
def test_a_bad_image_is_named(dataset: Dataset, root: Path, tmp_path: Path, content: bytes, words: str) -> None:
    (root / "Pics/B.PNG").write_bytes(content)
    error = refusal(dataset, root, tmp_path / "cache")
    assert words in error.problem
    assert "B.PNG" in error.place


@pytest.mark.parametrize(
    ("labels", "main", "words"),
    [
        (LABELS, MAIN + "A.png,1,0\n", "image A.png is listed twice"),
        (LABELS, MAIN.replace("a.png,1,0", "a.png,1,x"), "'x' is not a number"),
        (LABELS, MAIN + "f.png,3,0\n", "hold also tiny_03"),
        (LABELS, MAIN + "f.png,2,0\n", "tiny_02 has 4 patches, 3 in the release"),
        (LABELS + "tiny_07,7,normal,1\n", MAIN, "lack tiny_07"),
        (LABELS.replace("tiny_01,1,", "tiny_01,5,"), MAIN, "of patient 5 in the label table, of 1 here"),
        (LABELS, MAIN.replace("Bad", "bad"), "no column 'Bad'"),
    ],
)
def test_tables_that_disagree(write, root: Path, tmp_path: Path, labels: str, main: str, words: str) -> None:
    (root / "main.csv").write_text(main, encoding="utf-8")
    dataset = load_dataset(write("again/tiny", labels=labels, card={"source": SOURCE}))
    assert words in refusal(dataset, root, tmp_path / "cache").problem


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("1,0,d.png", "1.0,0,d.png", "hold also tiny_1.0"),
        ("1,0,d.png", "NA,0,d.png", "1 of 3 lines have no slide: 'NA'"),
        ("1,0,d.png", f"1,{'9' * 5000},d.png", "is not a number"),
        ("P,Bad,Name\n", "P;Bad;Name\n", "1 cells where the header has"),
    ],
)
def test_tables_in_another_spelling(
    dataset: Dataset, root: Path, tmp_path: Path, old: str, new: str, words: str
) -> None:
    (root / "more.csv").write_text(MORE.replace(old, new), encoding="utf-8")
    assert words in str(refusal(dataset, root, tmp_path / "cache"))
