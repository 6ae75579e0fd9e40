"""An exported study as a model of MLflow: loaded by this module's name, so that nothing is pickled."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.bags.feature_source import FeatureBags
from harness.bags.tile_source import PatchReader, TileBags
from harness.core.errors import UsageError
from harness.models.find import find_models
from harness.models.kept_model import KeptModel
from harness.models.predict import ModelAnswer, mean_of

if TYPE_CHECKING:
    import pandas as pd

    from harness.bags.source import BagSource
    from harness.results.mlflow.view import MlflowView
    from harness.results.studies import Study

NAME = "model"
"""Under what the model lies in a study's run."""


class StudyModel:
    """All models of an exported study as one.

    Args:
        folder: that ``bench export`` made.

    Raises:
        DataError: no model in it, or one that cannot be loaded.
    """

    def __init__(self, folder: Path) -> None:
        found = find_models(str(folder), folder, place=str(folder)).found
        self._models = [(KeptModel.load(one.folder), one.origin.threshold) for one in found]
        self.kind = found[0].description.bags.kind

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """The mean of the models' predictions.

        Args:
            model_input: a row per slide: ``slide``, its id, and ``features``, (n, D), or ``tiles``, (n, H, W, 3) uint8
                RGB, as arrays or nested lists, whichever the study read.
            params: not used.

        Returns:
            A row per slide: ``slide``, ``p_<class>`` and what is decided.

        Raises:
            UsageError: a column is missing.
        """
        import pandas as pd

        if lacking := [name for name in ("slide", self.kind) if name not in model_input]:
            raise UsageError(
                f"the input has no column {lacking[0]!r}",
                place="model_input",
                fix=f"give a row per slide with the columns slide and {self.kind}",
            )
        slides = [str(slide) for slide in model_input["slide"]]
        answers = []
        for model, threshold in self._models:
            found = model.predict(self._bags(model, slides, list(model_input[self.kind])))
            answers.append(ModelAnswer(model.method.task, found.probabilities, threshold, np.full(len(slides), "")))
        mean = mean_of(answers)
        columns = {f"p_{name}": mean.probabilities[:, k] for k, name in enumerate(mean.task.columns)}
        return pd.DataFrame({"slide": slides} | columns | mean.task.decide(mean.probabilities, mean.threshold))

    def _bags(self, model: KeptModel, slides: list[str], values: list[Any]) -> BagSource:
        if self.kind == "features":
            bags = {slide: np.asarray(one, np.float32) for slide, one in zip(slides, values, strict=True)}
            return FeatureBags(slides, None, bags.__getitem__, model.description.bags.dim, normaliser=model.normaliser)
        tiles = [np.asarray(one, np.uint8) for one in values]
        ends = np.cumsum([0, *map(len, tiles)]).tolist()
        rows = {slide: (ends[k], ends[k + 1]) for k, slide in enumerate(slides)}
        return TileBags(slides, None, PatchReader(np.concatenate(tiles), rows))


def _load_pyfunc(data_path: str) -> StudyModel:
    """What MLflow calls."""
    return StudyModel(Path(data_path))


def log_model(view: MlflowView, study: Study, folder: Path) -> str:
    """Add an exported study to its run in MLflow, as a model; its URI for ``mlflow.pyfunc.load_model``."""
    import mlflow

    import harness

    with tempfile.TemporaryDirectory() as scratch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of MLflow, about itself
        path = Path(scratch) / NAME
        mlflow.pyfunc.save_model(
            str(path),
            loader_module=__name__,
            data_path=str(folder),
            pip_requirements=[f"wsibench=={harness.__version__}"],
        )
        return view.add_folder(study, path, NAME)
