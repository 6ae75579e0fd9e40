"""``bench features get`` against a hub on this machine, from the card to a run."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from support.fake_hub import COMMIT, dataset_repo, fake_hub

from harness.core.resources import package_data
from harness.datasets.dataset import load_dataset

SLIDES = [f"{'normal' if i % 2 else 'tumor'}_{i:03d}" for i in range(1, 13)]
REPO = "somebody/features"
OTHER = "1" * 40


def rows(number: int, width: int = 1024) -> np.ndarray:
    values = np.random.default_rng(number).normal(size=(5, width)).astype(np.float32)
    return values + 2 * (number % 2)


def saved(array: np.ndarray) -> bytes:
    content = io.BytesIO()
    torch.save(torch.from_numpy(array), content)
    return content.getvalue()


def npy(array: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


def coordinates(number: int) -> bytes:
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file["coords"] = (number + np.arange(10)).reshape(5, 2) * 512
        file["coords"].attrs.update(patch_size=256, patch_level=0)
    return content.getvalue()


FILES = {f"camelyon/uni/pt_files/{slide}.pt": saved(rows(i)) for i, slide in enumerate(SLIDES)}
FILES |= {f"camelyon/patches/{slide}.h5": coordinates(i) for i, slide in enumerate(SLIDES[:-1])}
FILES |= {"camelyon/uni/pt_files/of_another_cohort.pt": b"x" * 100, "README.md": b"no features"}
SETS = {
    "small": {
        "title": "A set",
        "hub": REPO,
        "files": ["camelyon/uni/pt_files/{slide}.pt"],
        "beside": ["camelyon/patches/{slide}.h5"],
        "format": "clam",
        "encoder": "uni",
        "licence": "open",
        "dim": 1024,
    },
    "archive": {
        "title": "An archive",
        "hub": REPO,
        "files": ["**.tar.gz"],
        "members": ["features_UNI/*.npy", "coords/*.npy"],
        "format": "torchmil",
        "licence": "open",
    },
    "cohort": {"title": "One file", "hub": REPO, "files": ["C16/all_*.h5"], "format": "cohort", "licence": "open"},
    "own": {
        "title": "Own slides",
        "hub": REPO,
        "files": ["**.parquet"],
        "format": "parquet",
        "licence": "open",
        "own_slides": True,
    },
}


@pytest.fixture(autouse=True)
def dataset(bench: Callable, tmp_path: Path) -> Path:
    """A dataset of slides that nobody has, whose card names sets."""
    folder = tmp_path / "tiny"
    (folder / "splits").mkdir(parents=True)
    lines = [f"{slide},{slide},{slide.partition('_')[0]}" for slide in SLIDES]
    (folder / "labels.csv").write_text("\n".join(["slide,patient,label", *lines]) + "\n")
    parts = ["train"] * 6 + ["val"] * 2 + ["test"] * 4
    lines = [f"0,0,{slide},{part}" for slide, part in zip(SLIDES, parts, strict=True)]
    (folder / "splits" / "all.csv").write_text("\n".join(["repeat,fold,slide,part", *lines]) + "\n")
    (folder / "splits" / "most.csv").write_text("\n".join(["repeat,fold,slide,part", *lines[:-1]]) + "\n")
    card = yaml.safe_load((package_data("datasets") / "camelyon16" / "card.yaml").read_text())
    for field in ("errata", "presets", "site"):
        card.pop(field)
    protocols = {name: {"title": name, "splits": f"splits/{name}.csv"} for name in ("all", "most")}
    card |= {"name": "tiny", "counts": {"slides": 12}, "protocols": protocols, "default_protocol": "all"}
    card |= {"feature_sets": SETS}
    (folder / "card.yaml").write_text(yaml.safe_dump(card))
    return folder


@pytest.fixture
def get(bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Runs ``bench features get`` on a repository with these files."""

    monkeypatch.setattr("harness.features.hub._WAITS", (0.0, 0.0))

    def run(words: str, files: dict[str, bytes] = FILES, *, commit: str = COMMIT, **faults):
        with (
            monkeypatch.context() as patch,
            fake_hub(patch, tmp_path / "hub", dataset_repo(REPO, files, commit=commit), **faults) as asked,
        ):
            done = bench(f"features get ./tiny --set {words}")
        return done, [one for one in asked if one.startswith("GET") and "/resolve/" in one]

    return run


def folder_of(name: str, commit: str = COMMIT) -> Path:
    return Path("cache") / "tiny" / "fetched" / name / commit[:12]


def test_only_the_files_of_the_slides_are_fetched_and_a_method_runs_on_them(bench, get) -> None:
    done, asked = get("small")
    assert done.code == 0, done.err
    assert len(asked) == 12 + 11
    assert COMMIT in done.out + done.err, "the commit that is kept is said"
    assert "12 of 12 slides have features" in done.out
    # Without a hub from here on.
    run = bench("run --method mean_pool --dataset ./tiny --features small --set epochs=1 --device cpu")
    assert run.code == 0, run.err
    (study,) = Path("runs/studies").glob("*/study.json")
    config = json.loads(study.read_text())["config"]
    assert config["feature_set"] == {"name": "small", "hub": REPO, "commit": COMMIT}
    assert config["input"]["encoder"] == "uni"


def test_what_is_here_is_not_fetched_again(bench, get) -> None:
    assert get("small")[0].code == 0
    done, asked = get("small")
    assert (done.code, asked) == (0, [])
    assert COMMIT[:12] in bench("features get ./tiny").out


def test_a_dry_run_fetches_nothing(get) -> None:
    done, asked = get("small --dry-run")
    assert (done.code, asked) == (0, [])
    assert "23 files" in done.out
    assert not (folder_of("small")).exists()


def test_slides_without_features_are_named_with_the_protocols_that_can_run(bench, get) -> None:
    done, _ = get("small", {path: content for path, content in FILES.items() if SLIDES[-1] not in path})
    assert done.code == 0
    assert f"1 of 12 slides have no file: {SLIDES[-1]}" in done.err
    assert "--protocol most" in done.out
    problem, _, _ = bench("run --method mean_pool --dataset ./tiny --features small --set epochs=1").check_three_lines()
    assert SLIDES[-1] in problem


@pytest.mark.parametrize(
    ("status", "word", "problem", "fix"),
    [
        (
            403,
            "GatedRepo",
            "behind an agreement",
            "accept the terms on https://huggingface.co/datasets/somebody/features",
        ),
        (401, "GatedRepo", "behind an agreement", "hf auth login"),
        (401, "RepoNotFound", "not for you", "hf auth login"),
        (404, "RepoNotFound", "not there", "huggingface.co/datasets/somebody/features"),
        (404, "RevisionNotFound", "no such revision", "--revision"),
        (500, "", "cannot be fetched", "run the command again"),
    ],
)
def test_refusals_of_the_hub(get, status: int, word: str, problem: str, fix: str) -> None:
    done, _ = get("small", refusals={"api/": (status, word)})
    lines = done.check_three_lines()
    assert problem in lines[0] and fix in lines[2]


def test_files_that_are_gated_though_the_list_is_not(get) -> None:
    done, _ = get("small", refusals={"datasets/": (403, "GatedRepo")})
    assert "behind an agreement" in done.err


def test_a_layout_that_has_changed(get) -> None:
    done, _ = get("small", {"elsewhere/a.pt": b"x"})
    assert "has no camelyon/uni/pt_files/{slide}.pt" in done.check_three_lines()[0]


def test_a_lost_connection_is_taken_up_again(get, tmp_path: Path) -> None:
    path = f"datasets/{REPO}/resolve/{COMMIT}/camelyon/uni/pt_files/{SLIDES[0]}.pt"
    done, _ = get("small", dropped={path: 1})
    assert done.code == 0, done.err
    assert (folder_of("small") / f"camelyon/uni/pt_files/{SLIDES[0]}.pt").read_bytes() == FILES[
        f"camelyon/uni/pt_files/{SLIDES[0]}.pt"
    ]


def test_a_hub_that_hangs_up_is_asked_again(get) -> None:
    files = f"datasets/{REPO}/resolve/{COMMIT}/camelyon/uni/pt_files/{SLIDES[0]}.pt"
    listing = f"api/datasets/{REPO}/tree/{COMMIT}/camelyon/uni/pt_files"
    done, _ = get("small", hung_up={files: 2, listing: 2})
    assert done.code == 0, done.err
    done, _ = get("small --revision main", commit=OTHER, hung_up={files.replace(COMMIT, OTHER): 1_000})
    assert done.code == 2 and "run the command again" in done.err, "patience has an end"


@pytest.mark.parametrize(("change", "words"), [(lambda c: c[:-1] + b"!", "SHA-256"), (lambda c: c + b"more", "bytes")])
def test_a_file_that_is_not_what_the_hub_lists_is_refused(
    get, monkeypatch: pytest.MonkeyPatch, change: Callable[[bytes], bytes], words: str
) -> None:
    name = f"camelyon/uni/pt_files/{SLIDES[0]}.pt"
    served = dataset_repo(REPO, FILES) | {f"datasets/{REPO}/resolve/{COMMIT}/{name}": change(FILES[name])}
    monkeypatch.setitem(globals(), "dataset_repo", lambda *_, **__: served)
    done, _ = get("small")
    assert words in done.err and SLIDES[0] in done.err
    assert not (folder_of("small").parent / "set.json").exists()


def test_what_was_interrupted_goes_on(get) -> None:
    last = f"datasets/{REPO}/resolve/{COMMIT}/camelyon/patches/{SLIDES[-2]}.h5"
    done, before = get("small", refusals={last: (404, "EntryNotFound")})
    assert done.code != 0 and SLIDES[-2] in done.err
    assert not (folder_of("small").parent / "set.json").exists()
    done, asked = get("small")
    assert done.code == 0, done.err
    assert len(asked) < len(before) and any(one.endswith(f"{SLIDES[-2]}.h5") for one in asked)


def test_a_file_that_was_damaged_here_is_fetched_again(get, tmp_path: Path) -> None:
    assert get("small")[0].code == 0
    path = folder_of("small") / f"camelyon/uni/pt_files/{SLIDES[0]}.pt"
    whole = path.read_bytes()
    path.resolve().write_bytes(whole[:-1] + b"!")
    done, asked = get("small")
    assert done.code == 0 and len(asked) == 1
    assert path.read_bytes() == whole


def test_another_commit_is_another_folder_and_main_does_not_move_by_itself(get) -> None:
    assert get("small")[0].code == 0
    changed = FILES | {f"camelyon/uni/pt_files/{SLIDES[0]}.pt": saved(rows(99))}
    done, _ = get("small --revision main", changed, commit=OTHER)
    assert done.code == 0, done.err
    assert folder_of("small", OTHER).is_dir()
    about = json.loads((folder_of("small").parent / "set.json").read_text())
    assert about["commit"] == OTHER


def test_a_copy_of_the_hubs_cache_is_enough(bench, get, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert get("small")[0].code == 0
    shutil.rmtree("cache")
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    done = bench(f"features get ./tiny --set small --revision {COMMIT}")
    assert done.code == 0, done.err
    assert "12 of 12 slides have features" in done.out
    assert "hub cannot be reached" in bench(f"features get ./tiny --set small --revision {OTHER}").err


def test_archives_are_unpacked(bench, get) -> None:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for i, slide in enumerate(SLIDES):
            for folder, data in (
                ("features/features_UNI", rows(i)),
                ("coords", np.ones((5, 2))),
                ("patch_labels", np.ones(5)),
            ):
                member = tarfile.TarInfo(f"patches_512/{folder}/{slide}.npy")
                member.size = len(npy(data))
                archive.addfile(member, io.BytesIO(npy(data)))
    done, _ = get("archive", {"all.tar.gz": content.getvalue()})
    assert done.code == 0, done.err
    assert "12 of 12 slides have features" in done.out
    assert not (folder_of("archive") / "patches_512" / "patch_labels").exists()


def test_archives_that_lead_out_of_their_folder_are_refused(get, tmp_path: Path) -> None:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        member = tarfile.TarInfo("../../../../features_UNI/evil.npy")
        member.size = 1
        archive.addfile(member, io.BytesIO(b"x"))
    done, _ = get("archive", {"all.tar.gz": content.getvalue()})
    assert "cannot be unpacked" in done.err
    assert not list(tmp_path.rglob("evil.npy"))


def test_a_file_of_the_whole_cohort(get) -> None:
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for i, slide in enumerate(SLIDES):
            file[f"{slide}/feat"] = rows(i).astype(np.float16)
    done, asked = get("cohort", {"C16/all_x.h5": content.getvalue(), "C16/other.h5": b"x"})
    assert (done.code, len(asked)) == (0, 1), done.err
    assert "12 of 12 slides have features" in done.out


def test_a_set_with_slides_of_its_own_becomes_a_dataset(bench, get) -> None:
    def table(count: int, start: int) -> bytes:
        content = io.BytesIO()
        features = [rows(start + i).tolist() for i in range(count)]
        pq.write_table(pa.table({"features": features, "label": [i % 2 for i in range(count)]}), content)
        return content.getvalue()

    done, _ = get("own", {"data/Phikon_train-0.parquet": table(12, 0), "data/Phikon_test-0.parquet": table(6, 50)})
    assert done.code == 0, done.err
    made = load_dataset(Path("tiny-own"))
    (fold,) = made.splits("given").folds
    assert len(fold.test) == 6 and all("test" in slide for slide in fold.test)
    assert "names its slides in its own way" in bench("run --method mean_pool --dataset ./tiny --features own").err


def test_names_that_are_not_there(bench) -> None:
    assert "did you mean 'small'" in bench("features get ./tiny --set smal").check_three_lines()[2]
    assert "cohort" in bench("features get ./tiny").out
    problem, _, fix = bench("run --method mean_pool --dataset ./tiny --features small").check_three_lines()
    assert "have not been fetched" in problem and "bench features get tiny --set small" in fix
    assert "unknown feature set" in bench("run --method mean_pool --dataset ./tiny --features smal").err


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("files", ["../a"]),
        ("files", ["{slide}/a.pt"]),
        ("beside", ["a.h5"]),
        ("revision", "main"),
        ("hub", "x"),
        ("dim", "8"),
    ],
)
def test_cards_with_wrong_sets_are_refused(bench, dataset: Path, field: str, value: object) -> None:
    card = yaml.safe_load((dataset / "card.yaml").read_text())
    card["feature_sets"]["small"][field] = value
    (dataset / "card.yaml").write_text(yaml.safe_dump(card))
    assert "feature_sets.small" in bench("datasets show ./tiny").check_three_lines()[1]


def test_the_sets_of_camelyon16_are_declared() -> None:
    sets = load_dataset(package_data("datasets") / "camelyon16").card.feature_sets
    assert {"cpath-uni", "aem-lunit", "torchmil-uni", "owkin-phikon"} <= sets.keys()
    assert sets["cpath-uni"].tile_px is None and sets["cpath-uni"].mpp is None
