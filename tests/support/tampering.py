"""A small runs folder that is as a run left it, with its dataset, and ways to tamper with it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from harness.core.hashing import sha256_file
from harness.datasets.dataset import Dataset, load_dataset
from harness.results.store import RunStore
from harness.results.stored_scores import store_scores
from harness.results.summary import summarise
from harness.verification.identity import study_id_of, unit_id_of
from support.evidence import fill, predictions, scores_of

FOLDS = 3


def write_dataset(folder: Path, *, name: str = "toy", n: int = 24) -> Dataset:
    """The dataset whose slides :func:`support.evidence.predictions` predicts, with a protocol that is not ranked."""
    folder.mkdir(parents=True)
    rows = [f"slide_{k},patient_{k // 2},{'yes' if (k + k // 2) % 2 else 'no'}" for k in range(n)]
    (folder / "labels.csv").write_text("\n".join(["slide,patient,label", *rows, ""]))
    lines = ["repeat,fold,slide,part"]
    for fold in range(FOLDS):
        lines += [f"0,{fold},slide_{k},{'test' if k // 2 % FOLDS == fold else 'train'}" for k in range(n)]
    (folder / "splits.csv").write_text("\n".join([*lines, ""]))
    card = {
        "name": name,
        "title": "Toy",
        "description": "Drawn for tests.",
        "licence": "none",
        "get": "It is drawn by the tests.",
        "classes": ["no", "yes"],
        "counts": {"slides": n},
        "source": {"kind": "features", "file": "features.npz", "dim": 4},
        "protocols": {
            "cv3": {"title": "three folds", "splits": "splits.csv"},
            "open": {"title": "to choose by", "splits": "splits.csv", "ranked": False},
        },
        "default_protocol": "cv3",
        "inputs": [{"kind": "features"}],
    }
    (folder / "card.yaml").write_text(yaml.safe_dump(card))
    return load_dataset(folder)


@dataclass(frozen=True)
class Books:
    """A runs folder with two honest studies of two seeds each, and the dataset that they are on."""

    store: RunStore
    dataset: Dataset

    @property
    def units(self) -> list[Path]:
        """The folders of the units of the weaker study, by seed and fold."""
        study = self.store.study(self.study)
        records = sorted(study.records, key=lambda one: (one.spec["seed"], one.spec["fold"]))
        return [self.store.unit_folder(one.unit_id) for one in records]

    @property
    def study(self) -> str:
        """Id of the weaker study, which is tampered with."""
        return next(path.name for path in sorted((self.store.root / "studies").iterdir()) if "abmil" in path.name)

    @property
    def plan(self) -> Path:
        """Its study.json."""
        return self.store.study_folder(self.study) / "study.json"

    @property
    def log(self) -> Path:
        """The access log."""
        return self.store.root / "test_accesses.jsonl"


def make_books(folder: Path) -> Books:
    """Write it."""
    dataset = write_dataset(folder / "datasets" / "toy")
    store = RunStore(folder / "runs")
    split = dataset.splits("cv3").sha256
    for method, signal in (("abmil", 0.1), ("max_pool", 0.3)):
        made = fill(store, method=method, seeds=2, signal=signal, split_sha256=split, honest=True)
        store_scores(store, summarise(store, store.study(made[0].study_id), resamples=20))
    return Books(store, dataset)


def edit(path: Path, change: Callable[[Any], Any]) -> None:
    """Change a JSON file."""
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def edit_table(unit: Path, change: Callable[[Any], Any], *, rehash: bool = False) -> None:
    """Change the table of predictions of a unit; with ``rehash`` its record states the new hash."""
    path = unit / "predictions.parquet"
    frame = pq.read_table(path).to_pandas()
    pq.write_table(pa.Table.from_pandas(change(frame), preserve_index=False), path)
    if rehash:
        edit(unit / "record.json", lambda record: record["files"].update({path.name: sha256_file(path)}))


def perfect(frame: Any) -> Any:
    """Predictions that are all right."""
    label = frame["label"].to_numpy()
    return frame.assign(p_no=1.0 * (label == 0), p_yes=1.0 * (label == 1), predicted=label)


def score_again(unit: Path) -> None:
    """Make the scores of a record those of its table."""
    frame = pq.read_table(unit / "predictions.parquet").to_pandas()
    spec = json.loads((unit / "record.json").read_text())["spec"]
    rows = predictions(fold=spec["fold"], seed=spec["seed"], folds=FOLDS)
    columns = {"label": frame["label"].to_numpy()}
    rows = replace(
        rows,
        truth=replace(rows.truth, columns=columns),
        probabilities=frame[["p_no", "p_yes"]].to_numpy(),
        decision={"predicted": frame["predicted"].to_numpy(), "threshold": frame["threshold"].to_numpy()},
    )
    edit(unit / "record.json", lambda record: record.update(scores=scores_of(rows)))


def copy_unit(books: Books, unit: Path, *, seed: int | None = None, honest_name: bool = False) -> Path:
    """Copy a unit's folder under another name; with ``honest_name`` the name is the hash of the changed spec."""
    record = json.loads((unit / "record.json").read_text())
    if seed is not None:
        record["spec"]["seed"] = seed
    name = unit_id_of(record["spec"]) if honest_name else f"{unit.name[:-4]}{seed or 0:04d}"
    target = unit.with_name(name)
    shutil.copytree(unit, target)
    edit(target / "record.json", lambda one: one.update(record, unit_id=name, study_id=study_id_of(record["spec"])))
    if honest_name:
        edit_table(target, lambda frame: frame.assign(seed=seed), rehash=True)
    edit(books.plan, lambda plan: plan["units"].append(name))
    return target


def log_lines(books: Books) -> list[dict[str, Any]]:
    """The lines of the access log."""
    return [json.loads(line) for line in books.log.read_text().splitlines()]


def write_log(books: Books, lines: list[dict[str, Any]]) -> None:
    """Replace the access log."""
    books.log.write_text("".join(json.dumps(line) + "\n" for line in lines))
