"""A source in one file outside the repository: its part of the card, verification, and a run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from harness.cli.main import app
from harness.core.errors import DataError
from harness.datasets.dataset import load_dataset

PLUGIN = '''
from collections.abc import Iterator
from typing import Literal

import numpy as np
from harness import DataError, FeatureAccess, Finding, Inputs, Source, bag_fingerprint


class NpyFolder(Source):
    """A folder with one ``.npy`` file of features, (n, D), for each slide."""

    kind: Literal["npy"] = "npy"
    folder: str

    def path(self, dataset, slide):
        return dataset.folder / self.folder / f"{slide}.npy"

    def verify(self, dataset, data_root, checked, *, opener=None, compare=None) -> Iterator[Finding]:
        for slide in dataset.slides:
            if not self.path(dataset, slide).is_file():
                yield Finding("missing", slide, f"no file {self.path(dataset, slide)}")
        checked.append(f"npy: {len(dataset.slides)} files")

    def open(self, dataset, opening) -> Inputs:
        bags = {slide: np.load(self.path(dataset, slide), allow_pickle=False) for slide in dataset.slides}
        ends = np.cumsum([len(bag) for bag in bags.values()])
        rows = {slide: (int(end) - len(bag), int(end)) for (slide, bag), end in zip(bags.items(), ends, strict=True)}
        return Inputs(
            dataset=dataset,
            content={slide: bag_fingerprint(bag) for slide, bag in bags.items()},
            access=FeatureAccess(np.concatenate(list(bags.values())), rows),
            hidden=(dataset.folder,),
        )
'''


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """The plugin, with a kind of its own for each test: a process keeps what it has registered."""
    path = tmp_path / "npy_source.py"
    path.write_text(PLUGIN.replace('"npy"', f'"{kind(tmp_path)}"'))
    return path


def kind(folder: Path) -> str:
    return f"npy-{folder.name.replace('_', '-')}"


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Twelve slides of two classes that the first feature tells apart."""
    home, rng = tmp_path / "folder-of-npy", np.random.default_rng(0)
    (home / "bags").mkdir(parents=True)
    slides = [f"s{number:02d}" for number in range(12)]
    for number, slide in enumerate(slides):
        bag = rng.normal(size=(5 + number, 4)).astype(np.float32)
        bag[:, 0] += 3 * (number % 2)
        np.save(home / "bags" / f"{slide}.npy", bag)
    rows = [f"{slide},p{number},{('a', 'b')[number % 2]}" for number, slide in enumerate(slides)]
    (home / "labels.csv").write_text("\n".join(["slide,patient,label", *rows]) + "\n")
    parts = ["train"] * 6 + ["val"] * 2 + ["test"] * 4
    lines = [f"0,0,{slide},{part}" for slide, part in zip(slides, parts, strict=True)]
    (home / "cv.csv").write_text("\n".join(["repeat,fold,slide,part", *lines]) + "\n")
    card = {
        "name": "folder-of-npy",
        "title": "Bags in files",
        "description": "Drawn.",
        "licence": "CC0",
        "get": "It is here.",
        "classes": ["a", "b"],
        "counts": {"slides": 12},
        "source": {"kind": kind(tmp_path), "folder": "bags"},
        "protocols": {"split": {"title": "One split", "splits": "cv.csv"}},
        "default_protocol": "split",
        "inputs": [{"kind": "features"}],
    }
    (home / "card.yaml").write_text(json.dumps(card))
    return home


def test_a_study_runs_on_a_source_from_one_file(plugin: Path, dataset: Path, tmp_path: Path) -> None:
    words = ["run", "--plugin", str(plugin), "--method", "abmil", "--dataset", str(dataset), "--set", "epochs=2"]
    place = ["--out", str(tmp_path / "out"), "--cache", str(tmp_path / "cache")]
    done = CliRunner().invoke(app, [*words, *place], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert list((tmp_path / "out").glob("units/*/predictions.parquet"))


def test_its_files_are_verified(plugin: Path, dataset: Path) -> None:
    words = ["datasets", "verify", str(dataset), "--plugin", str(plugin)]
    assert CliRunner().invoke(app, words, catch_exceptions=False).exit_code == 0
    (dataset / "bags" / "s03.npy").unlink()
    broken = CliRunner().invoke(app, words, catch_exceptions=False)
    assert broken.exit_code == 2
    assert "s03" in broken.output


def test_its_part_of_the_card_is_checked_by_its_model(plugin: Path, dataset: Path) -> None:
    from harness.api.registry import use_plugin

    with pytest.raises(DataError, match="unknown source"):
        load_dataset(dataset)
    assert use_plugin(str(plugin)) == [], "it defines no method"
    assert load_dataset(dataset).card.source.kind.startswith("npy-")
    card = json.loads((dataset / "card.yaml").read_text())
    card["source"]["foldr"] = card["source"].pop("folder")
    (dataset / "card.yaml").write_text(json.dumps(card))
    with pytest.raises(DataError, match="folder") as refused:
        load_dataset(dataset)
    assert refused.value.place.endswith("field source.folder")


def test_a_card_cannot_ask_for_tiles_of_a_source_of_features(plugin: Path, dataset: Path) -> None:
    from harness.api.registry import use_plugin

    use_plugin(str(plugin))
    text = (dataset / "card.yaml").read_text()
    (dataset / "card.yaml").write_text(text.replace('{"kind": "features"}', '{"kind": "tiles"}'))
    with pytest.raises(DataError) as refused:
        load_dataset(dataset)
    assert refused.value.place.endswith("field inputs.0.kind")
