"""The card and README of a dataset that is made of a folder of features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.datasets.card import Erratum

if TYPE_CHECKING:
    from harness.datasets.given_splits import GivenSplits
    from harness.datasets.new_labels import NewDataset
    from harness.sources.feature_folder import FeatureFolder


def feature_card(
    *,
    base: NewDataset,
    source: FeatureFolder,
    classes: Sequence[str] | None,
    intervals: int | None,
    counts: Mapping[str, int],
    errata: Sequence[Erratum],
    given: GivenSplits | None,
) -> dict[str, object]:
    """A card, ready to be written as YAML.

    Args:
        base: name, table and folds.
        source: the features.
        classes: class names; None for a dataset of survival, which has ``intervals``.
        intervals: of time, for survival.
        counts: slides, patients, tiles and slides per class.
        errata: what was changed or left out in the label table.
        given: the splits that were given; None where folds were made.
    """
    settings: dict[str, Any] = {"kind": "features", "encoder": source.encoder}
    settings |= {"mpp": [source.mpp]} if source.mpp else {}
    settings |= {"tile_px": source.tile_px} if source.tile_px else {}
    protocol = "cv" if given is None else "given"
    return {
        "name": base.name,
        "title": f"{base.name} (features by encoder {source.encoder})",
        "description": f"{counts['slides']} slides of {counts['patients']} patients, labels from {base.table_name}.",
        "licence": "not stated; that of the slides and that of the encoder apply",
        "get": f"The features were in {source.folder} when the dataset was made.",
        **({"task": "survival", "intervals": intervals} if classes is None else {"classes": list(classes)}),
        "counts": dict(counts),
        "source": source.model_dump(mode="json", exclude_defaults=True) | {"kind": source.kind},
        "protocols": {protocol: _protocol(base, protocol, given, classes=classes is not None)},
        "default_protocol": protocol,
        "inputs": [settings],
        **({"errata": [one.model_dump(mode="json") for one in errata]} if errata else {}),
        **({"distinct_ids": True} if base.distinct_ids else {}),
    }


def _protocol(base: NewDataset, name: str, given: GivenSplits | None, *, classes: bool) -> dict[str, object]:
    note = f"Epoch {'and threshold come' if classes else 'comes'} from the validation slides."
    if given is None:
        title = f"{base.folds}-fold cross-validation by patient, stratified; the next fold validates"
        return {"title": title, "splits": f"splits/{name}.csv", "note": note}
    title = f"{len(given.folds)} fold{'s' * (len(given.folds) > 1)} as given ({given.kind})"
    return {"title": title, "splits": f"splits/{name}.csv", "note": " ".join([note, *given.notes])}


def feature_readme(card: Mapping[str, Any], table: str, errata: Sequence[Erratum]) -> str:
    """README.md of a new dataset."""
    changes = "".join(f"- {one.what} {one.action} ({one.source})\n" for one in errata)
    truth = "time and event" if card.get("task") == "survival" else "class"
    source = card["source"]
    return f"""# {card["name"]}

{card["description"]}

- `card.yaml`: what the harness knows about the dataset. Fill in title, description and licence.
- `labels.csv`: slide, patient and {truth}, taken from {table}.
- `splits`: fixed folds. Results name the SHA-256 of the file: changing it makes another benchmark.

The features ({source["format"]}, {source["dim"]} columns, encoder {source.get("encoder", "unknown")}) stay in
{source["folder"]}; what is packed of them lies in the cache and is made again when it is missing.

Check the data with `bench datasets verify PATH --open`, run a method with `bench run --method abmil --dataset PATH`,
where PATH is this folder. With its parent folder in `$BENCH_DATASETS`, the name {card["name"]} is enough.
{f"{chr(10)}## Changes to the labels{chr(10)}{chr(10)}{changes}" if changes else ""}"""
