"""The card and README of a dataset that a user makes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.datasets.card import Erratum


def card_of(
    *,
    name: str,
    classes: Sequence[str] | None,
    intervals: int | None = None,
    counts: dict[str, int],
    patterns: Sequence[str],
    root: Path,
    table: str,
    mpp: float | None,
    folds: int,
    errata: Sequence[Erratum] = (),
    distinct_ids: bool = False,
) -> dict[str, object]:
    """A card, ready to be written as YAML.

    Args:
        name: dataset name.
        classes: class names in their order; None for a dataset of survival.
        intervals: of time, for a dataset of survival.
        counts: slides, patients and slides per class.
        patterns: patterns that find the slides below ``root``.
        root: folder with the slides.
        table: name of the label table that was given.
        mpp: declared resolution, if any.
        folds: number of folds.
        errata: what was changed or left out in the label table.
        distinct_ids: whether ids that differ in spelling alone are different ones.
    """
    source: dict[str, object] = {"kind": "slides", "layouts": {"folder": list(patterns)}, "root": str(root)}
    if mpp is not None:
        source["mpp"] = mpp
    return {
        "name": name,
        "title": f"{name} (made from a folder of slides)",
        "description": f"{counts['slides']} slides of {counts['patients']} patients, labels from {table}.",
        "licence": "not stated; fill in before results are shared",
        "get": f"The slides were in {root} when the dataset was made.",
        **({"task": "survival", "intervals": intervals} if classes is None else {"classes": list(classes)}),
        "counts": counts,
        "source": source,
        "protocols": {
            "cv": {
                "title": f"{folds}-fold cross-validation by patient, stratified; the next fold validates",
                "splits": "splits/cv.csv",
                "note": f"Epoch {'and threshold come' if classes is not None else 'comes'} from the validation slides.",
            }
        },
        "default_protocol": "cv",
        "inputs": [
            {"kind": "features", "encoder": "resnet50.tv_in1k@layer3", "mpp": [0.5], "tile_px": 256},
            {"kind": "tiles"},
        ],
        **({"errata": [erratum.model_dump(mode="json") for erratum in errata]} if errata else {}),
        **({"distinct_ids": True} if distinct_ids else {}),
    }


def readme_of(card: dict[str, object], table: str, seed: int, errata: Sequence[Erratum] = ()) -> str:
    """README.md of a new dataset."""
    changes = "".join(f"- {one.what} {one.action} ({one.source})\n" for one in errata)
    truth = "time and event" if card.get("task") == "survival" else "class"
    return f"""# {card["name"]}

{card["description"]}

- `card.yaml`: what the harness knows about the dataset. Fill in title, description and licence.
- `labels.csv`: slide, patient and {truth}, taken from {table}.
- `splits/cv.csv`: fixed folds, made with seed {seed}. Results name the SHA-256 of this file: changing it makes another
  benchmark.

Check the data with `bench datasets verify PATH`, run a method with `bench run --method abmil --dataset PATH`, where
PATH is this folder. With its parent folder in `$BENCH_DATASETS`, the name {card["name"]} is enough.
{f"{chr(10)}## Changes to the labels{chr(10)}{chr(10)}{changes}" if changes else ""}"""
