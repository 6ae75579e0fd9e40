"""A study's models as one folder that needs nothing else, with configurations, label map and a README."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.atomic import write_json, write_text
from harness.core.errors import UsageError
from harness.core.reading import read_json
from harness.models.deliver import CONFIGURATION
from harness.models.find import EXPORTED, Found, Models
from harness.results.study_table import interval_text, known

if TYPE_CHECKING:
    from harness.api.card import MethodCard
    from harness.results.summary import Summary

ABOUT, README, PLUGINS = "export.json", "README.md", "plugins"


def export(models: Models, target: Path, *, card: MethodCard, summary: Summary | None, plugins: Sequence[Path]) -> None:
    """Write a study's models to a folder, which is whole or absent.

    Args:
        models: the models.
        target: the folder; it must not exist, or be empty.
        card: of the method.
        summary: the study in numbers; None where it is not at hand.
        plugins: files of plugins that the method needs.

    Raises:
        UsageError: the folder has something in it.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError("there is something already", place=str(target), fix="name a folder that does not exist yet")
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = target.with_name(f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        for one in models.found:
            shutil.copytree(one.folder, staging / EXPORTED / one.origin.unit)
            _without_places(staging / EXPORTED / one.origin.unit / CONFIGURATION)
        for file in plugins:
            (staging / PLUGINS).mkdir(exist_ok=True)
            shutil.copyfile(file, staging / PLUGINS / file.name)
        about = about_of(models, summary)
        write_json(staging / ABOUT, about)
        write_text(staging / README, readme_of(about, models.found, card, target.name, [file.name for file in plugins]))
        if target.exists():
            target.rmdir()
        staging.replace(target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _without_places(file: Path) -> None:
    """Leave out of a configuration where things were on this machine."""
    if file.exists():
        write_json(file, {name: value for name, value in read_json(file).items() if name != "features"})


def about_of(models: Models, summary: Summary | None) -> dict[str, Any]:
    """What ``export.json`` says: where the models come from, the label map, and the scores."""
    first = models.found[0]
    origin = first.origin
    scores = {} if summary is None or summary.scores is None else summary.scores.scores
    return {
        "study": models.study,
        "method": first.description.method,
        "task": first.description.task.name,
        "classes": {str(number): name for number, name in enumerate(origin.classes)},
        "trained_on": {"dataset": origin.dataset, "licence": origin.licence, "protocol": origin.protocol},
        "input": {**_settings(first), "width": first.description.bags.dim or None},
        "scores": {name: [known(value) for value in (one.value, one.low, one.high)] for name, one in scores.items()},
        "encoders_not_included": sorted(
            {one.name for model in models.found for one in model.description.published.values()}
        ),
        "models": {
            one.origin.unit: {
                "repeat": one.origin.repeat,
                "fold": one.origin.fold,
                "seed": one.origin.seed,
                "threshold": one.origin.threshold,
                "weights_sha256": one.description.weights_sha256,
            }
            for one in models.found
        },
    }


def _settings(model: Found) -> dict[str, Any]:
    return {name: model.origin.input.get(name) for name in ("kind", "encoder", "mpp", "tile_px")}


def readme_of(
    about: Mapping[str, Any], found: Sequence[Found], card: MethodCard, folder: str, plugins: Sequence[str]
) -> str:
    """README.md of an exported study."""
    trained, read = about["trained_on"], about["input"]
    classes = "\n".join(f"- `{number}`: {name}" for number, name in about["classes"].items())
    plugin = "".join(f" --plugin {folder}/{PLUGINS}/{name}" for name in plugins)
    return f"""# {card.title}: {about["study"]}

{len(found)} trained model{"s" * (len(found) > 1)} of the method `{about["method"]}` ({card.paper}), one per fold and
seed. Reading the models runs no code{", but the plugin is code" * bool(plugins)}.

- Trained on `{trained["dataset"]}`, protocol `{trained["protocol"]}`.
- Reads {read["kind"]}: {_read_text(read)}.
- Task: {about["task"]}. Columns of a prediction:

{classes}
{_scores_text(about["scores"])}
## Use

With wsibench installed:

    bench predict {folder} --dataset NAME --ensemble{plugin}
{f"    bench predict {folder} --slides FOLDER --ensemble{plugin}{chr(10)}" * (found[0].origin.source == "slides")}
`bench predict` compares encoder, resolution, tile size and classes of the data with those above. In Python:

    from harness.api import KeptModel
    model = KeptModel.load("{folder}/{EXPORTED}/{found[0].origin.unit}")

- `{EXPORTED}/UNIT/`: weights (`model.safetensors`), what prediction needs beside them (`model.json`), the resolved
  configuration (`config.json`).
- `{ABOUT}`: this page for programs.
{_left_out_text(about["encoders_not_included"])}
## Licence

The models were made with wsibench (Apache-2.0). They were trained on data with a licence of its own, which may bind
what is made from it{f", and so may the licence of the encoder, {read['encoder']}" * bool(read["encoder"])}:

> {trained["licence"] or "not stated"}

No tool for diagnosis.
"""


def _read_text(read: Mapping[str, Any]) -> str:
    facts = {
        "encoder": read["encoder"],
        "microns per pixel": ", ".join(f"{one:g}" for one in read["mpp"] or ()),
        "tile size in pixels": read["tile_px"],
        "width": read["width"],
    }
    return "; ".join(f"{name} {value}" for name, value in facts.items() if value)


def _scores_text(scores: Mapping[str, Sequence[float | None]]) -> str:
    rows = "\n".join(f"| {name} | {interval_text(*values)} |" for name, values in scores.items())
    head = "\nIn the study, on its own test slides:\n\n| metric | score [95 % interval] |\n|---|---|\n"
    return f"{head}{rows}\n" if rows else ""


def _left_out_text(encoders: Sequence[str]) -> str:
    names = ", ".join(f"`{name}`" for name in encoders)
    return (
        f"\nNot included is the frozen encoder {names}: its weights are those that were published.\n" if names else ""
    )
