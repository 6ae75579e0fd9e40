"""The card and README of a dataset that a user makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.datasets.card import Erratum
from harness.datasets.new_task import Predicted

if TYPE_CHECKING:
    from harness.datasets.given_splits import GivenSplits
    from harness.datasets.label_columns import Columns
    from harness.datasets.new_labels import NewDataset


def card_of(
    options: NewDataset,
    predicted: Predicted,
    columns: Columns,
    *,
    about: Mapping[str, str],
    counts: Mapping[str, int],
    source: Mapping[str, object],
    inputs: Sequence[Mapping[str, object]],
    given: GivenSplits | None,
    errata: Sequence[Erratum] = (),
) -> dict[str, object]:
    """A card, ready to be written as YAML.

    Args:
        options: name, table and folds.
        predicted: the task.
        columns: of the table.
        about: ``title``, ``licence`` and ``get``.
        counts: slides, patients and slides per class.
        source: the source's part.
        inputs: what methods can read.
        given: the splits that were given; None where folds were made.
        errata: what was changed or left out in the label table.
    """
    protocol = "cv" if given is None else "given"
    return {
        "name": options.name,
        "title": about["title"],
        "description": f"{counts['slides']} slides of {counts['patients']} patients, labels from {options.table_name}.",
        "licence": about["licence"],
        "get": about["get"],
        **predicted.card_fields,
        "counts": dict(counts),
        "source": dict(source),
        **({"reports": {"column": columns.report}} if columns.report else {}),
        **({"site": columns.site} if columns.site else {}),
        "protocols": {protocol: _protocol(options, predicted, protocol, given)},
        "default_protocol": protocol,
        "inputs": [dict(one) for one in inputs],
        **({"errata": [erratum.model_dump(mode="json") for erratum in errata]} if errata else {}),
        **({"distinct_ids": True} if options.distinct_ids else {}),
    }


def _protocol(options: NewDataset, predicted: Predicted, name: str, given: GivenSplits | None) -> dict[str, object]:
    note = f"Epoch {'and threshold come' if predicted.task.thresholded else 'comes'} from the validation slides."
    found: dict[str, object] = {"title": "", "splits": f"splits/{name}.csv", "note": note}
    if given is None:
        title = f"{options.folds}-fold cross-validation by patient, stratified; the next fold validates"
        return found | {"title": title}
    title = f"{len(given.folds)} fold{'s' * (len(given.folds) > 1)} as given ({given.kind})"
    found |= {"title": title, "note": " ".join([note, *given.notes, *([given.leaks] if given.leaks else ())])}
    return found | ({"ranked": False, "allow_leaks": True} if given.leaks else {})


def slides_about(options: NewDataset, root: Path) -> dict[str, str]:
    """Title, licence and origin of a dataset of slides."""
    return {
        "title": f"{options.name} (made from a folder of slides)",
        "licence": "not stated; fill in before results are shared",
        "get": f"The slides were in {root} when the dataset was made.",
    }


def readme_of(
    card: Mapping[str, Any], predicted: Predicted, columns: Columns, options: NewDataset, *, about: str = ""
) -> str:
    """README.md of a new dataset.

    Args:
        card: as it is written.
        predicted: the task.
        columns: of the table.
        options: table and seed.
        about: a paragraph on the data.
    """
    errata: Sequence[Mapping[str, Any]] = card.get("errata", ())
    changes = "".join(f"- {one['what']} {one['action']} ({one['source']})\n" for one in errata)
    truth = ", ".join(("slide", "patient", *predicted.task.truth))
    carried = f" Its other columns were carried over: {', '.join(columns.extra)}." if columns.extra else ""
    made = f", made with seed {options.seed}" if card["default_protocol"] == "cv" else ""
    return f"""# {card["name"]}

{card["description"]}

- `card.yaml`: what the harness knows about the dataset. Fill in title, description and licence.
- `labels.csv`: {truth}, taken from {options.table_name}.{carried}
- `splits/{card["default_protocol"]}.csv`: fixed folds{made}. Results name the SHA-256 of this file: changing it makes
  another benchmark.
{about and f"{chr(10)}{about}{chr(10)}"}
Check the data with `bench datasets verify PATH --open`, run a method with `bench run --method abmil --dataset PATH`,
where PATH is this folder. With its parent folder in `$BENCH_DATASETS`, the name {card["name"]} is enough.
{f"{chr(10)}## Changes to the labels{chr(10)}{chr(10)}{changes}" if changes else ""}"""
