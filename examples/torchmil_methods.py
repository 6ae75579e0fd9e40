"""All aggregators of the installed torchmil as methods: ``torchmil:abmil``, ``torchmil:transmil`` ...

    pip install torchmil
    bench run --plugin torchmil_methods.py --method torchmil:abmil --dataset musk1
    bench test torchmil:abmil --plugin torchmil_methods.py

torchmil's models have one output, so that they are for two classes. The loss is the model's own, with all of its parts;
the hyper-parameters of the architecture are torchmil's defaults. Models that work on a graph get one of the tiles that
touch, made of their coordinates: its adjacency is symmetrically normalised, with self-loops.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import torch
import torchmil.models
from torch import Tensor, nn

from harness import Aggregator, BagOutput, MethodCard, MILMethod, PackedBags

LEFT_OUT = {
    "MILModel": "it is the base class",
    "MILModelWrapper": "it wraps other models",
    "SETMIL": "it lays the tiles of all slides on one square grid",
    "SmoothABMIL": "torchmil exports it under its other name, ProbSmoothABMIL",
}
"""Models that are not wrapped, and why."""


ARGUMENTS: dict[str, dict[str, Any]] = {
    "CAMIL": {"n_landmarks": 256},  # its default cannot be used; this is the default of torchmil's TransMIL
}
"""Arguments by title, beside the shape of the input."""


class Wrapped(Aggregator):
    """A torchmil model, one bag at a time.

    Args:
        model: gives one logit per bag.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self._forward = inspect.signature(model.forward).parameters

    def forward(self, bags: PackedBags) -> BagOutput:
        """Packed features (T, D) → logits (B, 2); in training the model's own losses beside them."""
        sizes = bags.offsets.diff().tolist()
        places = [None] * len(sizes) if bags.coords is None else torch.split(bags.coords, sizes)
        found = [
            self._bag(features[None], place, None if bags.labels is None else bags.labels[bag : bag + 1])
            for bag, (features, place) in enumerate(zip(torch.split(bags.x, sizes), places, strict=True))
        ]
        logit = torch.stack([one for one, _ in found])
        extra = {"loss": torch.stack([loss for _, loss in found])} if self.training and bags.labels is not None else {}
        return BagOutput(torch.stack([torch.zeros_like(logit), logit], 1), extra=extra)

    def _bag(self, features: Tensor, coords: Tensor | None, label: Tensor | None) -> tuple[Tensor, Tensor]:
        """Logit and loss, of (1, n, D) features."""
        beside: dict[str, Any] = {}
        if "mask" in self._forward:
            beside["mask"] = torch.ones(features.shape[:2], device=features.device)
        if "adj" in self._forward:
            assert coords is not None, "the card asks for coordinates"
            beside["adj"] = neighbours(coords)[None].to(features)
        if self.training and label is not None:
            _seed_numpy()
            predicted, losses = self.model.compute_loss(label.float(), features, **beside)
            return predicted.reshape(()), sum(losses.values(), torch.zeros((), device=features.device))
        # Models that sample give the same prediction whenever they are asked.
        with torch.random.fork_rng([features.device] if features.is_cuda else []):
            torch.manual_seed(0)
            _seed_numpy()
            return self.model(features, **beside).reshape(-1).mean(), torch.zeros((), device=features.device)

    def loss(self, output: BagOutput, labels: Tensor) -> Tensor:
        """The mean of the model's own losses."""
        return output.extra["loss"].mean() if "loss" in output.extra else super().loss(output, labels)


def _seed_numpy() -> None:
    """Models that shuffle with NumPy's global generator (DTFD-MIL) depend on the seed of the unit as the others do."""
    np.random.seed(int(torch.randint(2**31, ())))


def neighbours(coords: Tensor) -> Tensor:
    """Symmetrically normalised adjacency of tiles that touch at a side or a corner, with self-loops: (n, n).

    The side of a tile is the smallest distance between two different corners along an axis.
    """
    steps = torch.cat([axis.unique().diff() for axis in coords.T])
    side = int(steps.min()) if len(steps) else 1
    near = (coords[:, None] - coords[None]).abs().amax(-1) <= side
    degree = near.sum(1).float().rsqrt()
    return near * degree[:, None] * degree[None]


def _built(model: type[nn.Module], dim: int) -> nn.Module:
    given: dict[str, Any] = {"in_shape": (dim,), **ARGUMENTS.get(model.__name__, {})}
    if inspect.signature(model).parameters.get("feat_ext", inspect.Parameter.empty).default is inspect.Parameter.empty:
        from torchmil.nn import VariationalAutoEncoderMIL

        given["feat_ext"] = VariationalAutoEncoderMIL(input_shape=(dim,), layer_sizes=[dim, dim // 2 + 1])
    return model(**given)


def _method(name: str, model: type[nn.Module]) -> type[MILMethod]:
    class Method(MILMethod):
        card = MethodCard(
            name=f"torchmil:{name}",
            title=f"{model.__name__} of torchmil",
            paper="see torchmil's documentation",
            classes=2,
            coordinates="adj" in inspect.signature(model.forward).parameters,
            permutation_invariant=False,
        )

        def aggregator(self, dim: int) -> Aggregator:
            return Wrapped(_built(model, dim))

    Method.__name__ = Method.__qualname__ = f"TorchMIL_{name}"
    Method.__module__ = __name__
    return Method


for _title, _model in sorted(vars(torchmil.models).items()):
    if _title not in LEFT_OUT and inspect.isclass(_model) and issubclass(_model, nn.Module):
        _found = _method(_title.lower(), _model)
        globals()[_found.__name__] = _found
del _title, _model, _found
