"""``.pt`` files: plain tensors and dictionaries, eva's lists, slide2vec, slideflow; nothing is unpickled."""

from __future__ import annotations

import json
import pickle
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from features.formats.conftest import names, read

from harness.core.errors import DataError
from harness.features.formats.base import Options
from harness.features.formats.detect import detect
from harness.features.formats.ptfile import only_record, read_pt


def save(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path)
    return path


def test_plain_tensors_and_dictionaries(tmp_path: Path) -> None:
    rows = torch.randn(4, 6)
    save(tmp_path / "a.pt", rows)
    save(tmp_path / "b.pt", rows.bfloat16())
    save(tmp_path / "c.pt", {"features": rows, "coords": torch.arange(8).reshape(4, 2), "encoder": "uni"})
    save(tmp_path / "d.pt", rows[None].requires_grad_())
    found = detect(tmp_path)
    assert (found.name, names(found)) == ("plain", ["a", "b", "c", "d"])
    for slide in "acd":
        np.testing.assert_array_equal(read(tmp_path, slide).features, rows.numpy())
    np.testing.assert_allclose(read(tmp_path, "b").features, rows.numpy(), rtol=0.01)
    assert read(tmp_path, "c").facts.encoder == "uni"
    np.testing.assert_array_equal(read(tmp_path, "c").coords, np.arange(8).reshape(4, 2))


def test_eva_keeps_lists_and_no_order(tmp_path: Path) -> None:
    rows = torch.randn(4, 6)
    save(tmp_path / "embeddings" / "S1.pt", list(rows))
    (tmp_path / "manifest.csv").write_text("origin,embeddings,target,split\nS1.tif,embeddings/S1.pt,1,train\n")
    found = detect(tmp_path)
    assert (found.name, found.label_files) == ("eva", (tmp_path / "manifest.csv",))
    slide = found.read(found.files[0])
    np.testing.assert_array_equal(slide.features, rows.numpy())
    assert slide.coords is None
    assert "order" in slide.notes[0]
    save(tmp_path / "embeddings" / "S2.pt", [*rows, torch.ones(3)])
    with pytest.raises(DataError, match="shapes"):
        read(tmp_path, "S2")


def test_slide2vec(tmp_path: Path) -> None:
    rows = torch.randn(4, 6)
    about = {"encoder_name": "uni2", "feature_dim": 6, "num_tiles": 4, "requested_spacing_um": 0.5}
    about |= {"requested_tile_size_px": 224, "tile_size_lv0": 448, "artifact_type": "tile_embeddings"}
    place = tmp_path / "tile_embeddings"
    save(place / "S1.pt", rows)
    (place / "S1.meta.json").write_text(json.dumps(about))
    np.savez(place / "S2.npz", features=rows.numpy()[::-1], tile_index=[3, 2, 1, 0])
    (place / "S2.meta.json").write_text(json.dumps(about))
    (tmp_path / "tiles").mkdir()
    for slide in ("S1", "S2"):
        np.savez(tmp_path / "tiles" / f"{slide}.coordinates.npz", x=[0, 1, 2, 3], y=[5, 6, 7, 8], tile_index=range(4))
    assert (detect(tmp_path).name, names(detect(tmp_path))) == ("slide2vec", ["S1", "S2"])
    slide = read(tmp_path, "S1")
    assert slide.facts.stated() == {"encoder": "uni2", "tile_px": 224, "mpp": 0.5}
    np.testing.assert_array_equal(slide.coords, [[0, 5], [1, 6], [2, 7], [3, 8]])
    np.testing.assert_array_equal(read(tmp_path, "S2").coords, [[3, 8], [2, 7], [1, 6], [0, 5]])
    (place / "S1.meta.json").write_text(json.dumps(about | {"num_tiles": 5}))
    with pytest.raises(DataError, match=r"5 .* 4"):
        read(tmp_path, "S1")


def test_slideflow_gives_centres(tmp_path: Path) -> None:
    save(tmp_path / "S1.pt", torch.randn(3, 6))
    np.savez(tmp_path / "S1.index.npz", np.array([[100, 100], [300, 100], [100, 300]]))
    (tmp_path / "bags_config.json").write_text(
        json.dumps({"tile_px": 200, "tile_um": 100, "extractor": {"class": "uni"}})
    )
    slide = read(tmp_path, "S1")
    np.testing.assert_array_equal(slide.coords, [[0, 0], [200, 0], [0, 200]])
    assert slide.facts.stated() == {"encoder": "uni", "tile_px": 200, "mpp": 0.5}


class Harm:
    def __reduce__(self):
        return (Path.touch, (Path("harm-was-done"),))


@pytest.mark.parametrize("opt_in", [False, True])
def test_a_pickle_runs_nothing(tmp_path: Path, monkeypatch, opt_in: bool) -> None:
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "set" / "a.pt", torch.randn(3, 4))
    save(tmp_path / "set" / "b.pt", {"features": Harm()})
    (tmp_path / "set" / "c.pt").write_bytes(pickle.dumps(Harm()))
    for slide in "bc":
        with pytest.raises(DataError, match=r"pickle|cannot be read"):
            read(tmp_path / "set", slide, pickled_arrays=opt_in)
    assert not (tmp_path / "harm-was-done").exists()


def test_pickled_arrays_are_read_on_request_alone(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    save(tmp_path / "a.pt", rows)
    with pytest.raises(DataError, match="pickled NumPy array") as refused:
        read(tmp_path, "a")
    assert "--pickled-arrays" in refused.value.fix
    np.testing.assert_array_equal(read(tmp_path, "a", pickled_arrays=True).features, rows)
    save(tmp_path / "b.pt", np.array([Path("x")], dtype=object))
    with pytest.raises(DataError):
        read(tmp_path, "b", pickled_arrays=True)


def test_only_pickles_are_said_to_be_pickles(tmp_path: Path) -> None:
    (tmp_path / "cohort.pkl").write_bytes(pickle.dumps({"S1": [1]}))
    with pytest.raises(DataError, match="pickles"):
        detect(tmp_path)


def test_damaged_files_are_refused_by_name(tmp_path: Path) -> None:
    save(tmp_path / "a.pt", torch.randn(100, 40))
    for name, content in (("b.pt", (tmp_path / "a.pt").read_bytes()[:-3000]), ("c.pt", b""), ("d.pt", b"zz" * 40)):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError) as refused:
            read(tmp_path, name[0])
        assert refused.value.place.endswith(name)
    save(tmp_path / "e.pt", {"logits": torch.ones(3, 4)})
    with pytest.raises(DataError, match="logits"):
        read(tmp_path, "e")


def test_a_tensor_that_repeats_one_row_takes_no_memory(tmp_path: Path) -> None:
    save(tmp_path / "a.pt", torch.ones(1, 4).expand(10**9, 4))
    with pytest.raises(DataError, match="unpack"):
        read(tmp_path, "a")


def test_an_archive_that_unpacks_to_far_more_is_not_loaded(tmp_path: Path, monkeypatch) -> None:
    plain = save(tmp_path / "plain" / "a.pt", torch.zeros(70 << 18))
    (tmp_path / "set").mkdir()
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(tmp_path / "set" / "a.pt", "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("it was loaded"))
    with pytest.raises(DataError, match="unpack"):
        read_pt(tmp_path / "set" / "a.pt", Options())


def test_pickled_arrays_are_read_in_several_threads(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    path, options = save(tmp_path / "a.pt", rows), Options(pickled_arrays=True)
    with ThreadPoolExecutor(8) as pool:
        for slide in pool.map(lambda _: read_pt(path, options), range(200)):
            np.testing.assert_array_equal(slide.features, rows)


def test_a_tensor_in_whatever_layout_is_its_rows(tmp_path: Path) -> None:
    rows = torch.randn(5, 6)
    whole = {name: save(tmp_path / f"{name}.pt", content) for name, content in (("f4", rows), ("f2", rows.half()))}
    other = {
        "rows of a larger tensor": save(tmp_path / "cut.pt", torch.randn(9, 6)[2:7]),
        "columns first": save(tmp_path / "turned.pt", torch.randn(6, 5).T),
        "float64": save(tmp_path / "double.pt", rows.double()),
        "two tensors": save(tmp_path / "two.pt", {"features": rows, "coords": torch.zeros(5, 2)}),
    }
    swapped = tmp_path / "swapped.pt"
    with zipfile.ZipFile(whole["f4"]) as source, zipfile.ZipFile(swapped, "w") as target:
        for one in source.infolist():
            data = source.read(one)
            data = b"big" if one.filename.endswith("byteorder") else data
            target.writestr(one, rows.numpy().astype(">f4").tobytes() if "/data/" in one.filename else data)
    other["byte order"] = swapped
    wanted = {path: torch.load(path, weights_only=True) for path in (*whole.values(), *other.values())}
    for path, content in wanted.items():
        features = content["features"] if isinstance(content, dict) else content
        np.testing.assert_array_equal(read_pt(path, Options()).features, features.float().numpy())
    torch.testing.assert_close(wanted[swapped], rows)
    assert only_record(whole["f4"]) is not None
    assert only_record(swapped) is None and only_record(other["two tensors"]) is None
