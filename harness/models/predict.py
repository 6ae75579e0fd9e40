"""Predictions of other data by the kept models of a study, one by one or as an ensemble, and their scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.core import console
from harness.core.errors import DataError
from harness.evaluation.study_scores import StudyScores, study_scores
from harness.models.domain import check_domain, check_task, settings_for
from harness.models.kept_model import KeptModel
from harness.results.access_log import AccessLog
from harness.results.predictions import as_predictions
from harness.sources.open_inputs import open_inputs
from harness.sources.opening import Opening
from harness.training.device import make_repeatable

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    import torch
    from numpy.typing import NDArray

    from harness.datasets.dataset import Dataset
    from harness.models.find import Found, Models
    from harness.sources.inputs import Inputs
    from harness.tasks.task import Task

SEEN = "seen"
"""Column that says whether the model has learnt from a slide: ``train``, ``validation``, or empty."""


@dataclass(frozen=True)
class Answers:
    """What models predict for other data.

    Attributes:
        frame: a row per slide and model: slide, patient, the truth where there are labels, the unit, whether the model
            has seen the slide, ``p_<class>``, and what is decided.
        scores: of the slides that were not seen; None without labels, or where all were seen.
        unchecked: what could not be compared between model and data, one sentence each.
    """

    frame: pd.DataFrame
    scores: StudyScores | None
    unchecked: tuple[str, ...]


@dataclass(frozen=True)
class ModelAnswer:
    """A model's predictions: probabilities (n, C), the threshold, and of which slides it learnt (n,)."""

    task: Task
    probabilities: NDArray[np.float64]
    threshold: float | None
    seen: NDArray[np.str_]


def open_for(
    models: Models,
    dataset: Dataset,
    *,
    data_root: Path | None,
    cache: Path,
    workers: int,
    device: torch.device,
    slides: Sequence[str] | None = None,
) -> tuple[Inputs, tuple[str, ...]]:
    """Open a dataset for the models of a study; also what could not be compared.

    Args:
        models: the models; all of them read in one way.
        dataset: the data.
        data_root: where its files are; None for its own place.
        cache: where prepared data goes.
        workers: processes for reading.
        device: where a frozen encoder runs.
        slides: those that are wanted; None for all.

    Raises:
        UsageError, DataError: the data is not what the models were trained on, or cannot be read.
    """
    first = models.found[0]
    settings = settings_for(first, dataset)
    wanted = dataset.slides if slides is None else tuple(slides)
    opening = Opening(
        settings=settings, slides=wanted, data_root=data_root, cache=cache, workers=workers, device=device
    )
    inputs = open_inputs(dataset, opening)
    return inputs, check_domain(first, dataset, settings, inputs.access.bags(wanted))


def predict(
    models: Models,
    inputs: Inputs,
    device: torch.device,
    *,
    labelled: bool,
    ensemble: bool,
    unchecked: Sequence[str] = (),
) -> Answers:
    """Predict every slide of a dataset by every model.

    Args:
        models: the models.
        inputs: the opened data.
        device: where they predict.
        labelled: whether the data has labels to score with. The scores are noted in the test-set access log.
        ensemble: take the mean of all models instead of each of them.
        unchecked: what could not be compared.

    Raises:
        DataError: another task or other classes, or a model that cannot be loaded.
    """
    dataset = inputs.dataset
    if labelled:
        check_task(models.found[0], dataset)
    make_repeatable()
    found = []
    with console.progress(f"{models.study} on {dataset.name}", len(models.found)) as bar:
        for model in models.found:
            found.append(_predicted(model, inputs, device))
            bar.advance()
    names = [_unit(model) for model in models.found]
    if ensemble:
        found, names = [mean_of(found)], [{"unit": f"mean of {len(found)}", "repeat": 0, "fold": 0, "seed": 0}]
    frame = _table(found, names, dataset, labelled=labelled)
    scores = None
    if labelled:
        unseen = frame[frame[SEEN] == ""]
        if len(unseen):
            _note(models, unseen, found[0].task)
            scores = study_scores(as_predictions(unseen, found[0].task.columns, type(found[0].task)))
    return Answers(frame, scores, tuple(unchecked))


def _predicted(model: Found, inputs: Inputs, device: torch.device) -> ModelAnswer:
    slides = inputs.dataset.slides
    loaded = KeptModel.load(model.folder, device=device)
    prediction = loaded.predict(loaded.bags(inputs.access, slides))
    return ModelAnswer(loaded.method.task, prediction.probabilities, model.origin.threshold, seen_by(model, inputs))


def seen_by(model: Found, inputs: Inputs) -> NDArray[np.str_]:
    """Which part each slide of a dataset had in the training of a model, by its content, (n,): see :data:`SEEN`."""
    return np.array([parts_seen(model, inputs.content[slide]) for slide in inputs.dataset.slides])


def parts_seen(model: Found, content: str) -> str:
    """Which part the slide with this hash of its content had in the training of a model."""
    digest = content[:16]
    return "train" if digest in model.trained_on else "validation" if digest in model.chosen_on else ""


def _unit(model: Found) -> dict[str, Any]:
    origin = model.origin
    return {"unit": origin.unit, "repeat": origin.repeat, "fold": origin.fold, "seed": origin.seed}


def mean_of(found: Sequence[ModelAnswer]) -> ModelAnswer:
    """The mean of probabilities and thresholds; a slide was seen if any model has seen it."""
    if len({one.task.columns for one in found}) > 1:
        raise DataError(
            "the models predict different columns, whose mean means nothing",
            place="--ensemble",
            fix="leave --ensemble out",
        )
    thresholds = [one.threshold for one in found if one.threshold is not None]
    seen = np.stack([one.seen for one in found])
    return ModelAnswer(
        task=found[0].task,
        probabilities=np.mean([one.probabilities for one in found], axis=0),
        threshold=float(np.mean(thresholds)) if len(thresholds) == len(found) else None,
        seen=np.where((seen == "train").any(0), "train", np.where((seen == "validation").any(0), "validation", "")),
    )


def _table(
    found: Sequence[ModelAnswer], names: Sequence[dict[str, Any]], dataset: Dataset, *, labelled: bool
) -> pd.DataFrame:
    import pandas as pd

    slides, n = dataset.slides, len(dataset.slides)
    truth = dataset.truth(slides).columns if labelled else {}
    parts = []
    for one, unit in zip(found, names, strict=True):
        columns: dict[str, Any] = {"slide": slides, "patient": [dataset.patients[slide] for slide in slides], **truth}
        columns |= {name: np.full(n, value) for name, value in unit.items()} | {SEEN: one.seen}
        columns |= {f"p_{name}": one.probabilities[:, k] for k, name in enumerate(one.task.columns)}
        parts.append(pd.DataFrame(columns | one.task.decide(one.probabilities, one.threshold)))
    return pd.concat(parts, ignore_index=True)


def _note(models: Models, frame: pd.DataFrame, task: Task) -> None:
    """Write to the test-set access log that predictions were compared with labels."""
    if models.store is None:
        return
    log, columns = AccessLog(models.store.root), [f"p_{name}" for name in task.columns]
    for unit, rows in frame.groupby("unit"):
        log.note(f"predict/{models.study}/{unit}", list(rows["slide"]), rows[columns].to_numpy(np.float64))
