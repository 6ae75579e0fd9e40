"""A kept model, loaded: the method as it was after training, ready to predict."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import torch

from harness.accounting.meter import Meter
from harness.api.registry import find_method
from harness.bags.no_bags import NoBags
from harness.core.errors import DataError
from harness.core.seeds import Seeds
from harness.encoders.build import without_weights
from harness.models.description import ModelDescription
from harness.models.files import load_weights
from harness.training.run import Run

if TYPE_CHECKING:
    from harness.api.method import Method
    from harness.api.prediction import Prediction
    from harness.bags.access import BagAccess
    from harness.bags.feature_source import Normaliser
    from harness.bags.source import BagSource

CPU = torch.device("cpu")


@dataclass(frozen=True)
class KeptModel:
    """A method with its trained weights.

    Attributes:
        description: what the model is.
        method: the method.
        run: what it predicts with.
        normaliser: what features are standardised by; None for no scaling.
    """

    description: ModelDescription
    method: Method
    run: Run
    normaliser: Normaliser | None

    @classmethod
    def load(cls, folder: Path, *, device: torch.device | None = None, kind: type[Method] | None = None) -> Self:
        """Load a model; nothing that its files hold is executed.

        Args:
            folder: with ``model.json`` and ``model.safetensors``.
            device: where it is to predict; None for the CPU.
            kind: the class of the method; None finds it by its name.

        Raises:
            DataError: files that are missing, damaged or of another version; weights of a published encoder that cannot
                be had.
            UsageError: the method, or the task, is not registered here.
        """
        description = ModelDescription.read(folder)
        kind = kind or find_method(description.method)
        method = kind(kind.Params.build(description.params, place=str(folder)), description.task.restored())
        run = Run(
            seeds=Seeds(description.root_seed),
            device=device or CPU,
            # Nothing is written there: only training leaves files.
            workdir=Path(tempfile.gettempdir()),
            meter=Meter(str(device or CPU)),
            # No CPU has fp16; the weights are float32 either way.
            precision="fp32"
            if (device or CPU).type == "cpu" and description.precision == "fp16"
            else description.precision,
        )
        bags = description.bags
        with nullcontext() if description.published else without_weights():
            method.rebuild(NoBags(bags.kind, bags.dim, bags.magnifications), run, description.facts)
        model = method.trained_model()
        if model is None:
            raise DataError(
                f"method {description.method} keeps no model in this version",
                place=str(folder),
                fix="use the version of the method that the model was trained with",
            )
        return cls(description, method, run, load_weights(folder, description, model.networks))

    def bags(self, access: BagAccess, slides: Sequence[str]) -> BagSource:
        """Bags of some slides as the model wants them."""
        return access.bags(slides, normaliser=self.normaliser)

    def predict(self, bags: BagSource) -> Prediction:
        """Predictions for some bags (see :meth:`bags`).

        Raises:
            MethodError: the method breaks its contract.
        """
        with torch.no_grad():
            prediction = self.method.predict(bags, self.run)
        prediction.check(bags.ids, self.method.task.n_columns, method=self.method.card.name)
        return prediction
