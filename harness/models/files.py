"""The files of a kept model: weights as safetensors, and what else prediction needs. Reading them executes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from harness.api.code_version import method_version
from harness.bags.feature_source import Normaliser
from harness.core.atomic import replacing
from harness.core.errors import DataError, MethodError
from harness.core.hashing import sha256_file
from harness.encoders.base import TileEncoder
from harness.encoders.build import build_encoder
from harness.encoders.checkpoint_file import read_checkpoint
from harness.encoders.weights import weights_sha256
from harness.models.description import Bags, FittedTask, ModelDescription, PublishedEncoder

if TYPE_CHECKING:
    from harness.api.method import Method
    from harness.bags.source import BagSource
    from harness.training.run import Run

FOLDER = "model"
"""Under what a unit keeps, and so in its folder."""
WEIGHTS = "model.safetensors"
_ANY_SEED = 20_000_003
"""Not the one that drew an encoder's weights: drawn weights differ, published ones do not."""
_NETWORKS, _MEAN, _STD = "networks.", "normaliser.mean", "normaliser.std"


def write_model(folder: Path, method: Method, bags: BagSource, run: Run, normaliser: Normaliser | None) -> bool:
    """Keep what a trained method predicts with; ``model.json`` is written last.

    A frozen encoder with published weights, or with those of a file, is named and hashed; all other weights are stored.

    Args:
        folder: where to.
        method: trained.
        bags: what it was trained on.
        run: what it was trained with.
        normaliser: what the features of these bags were standardised by.

    Returns:
        Whether the method has a model that can be kept.
    """
    model = method.trained_model()
    if model is None:
        return False
    published = {
        path: PublishedEncoder(name=encoder.name, sha256=weights_sha256(encoder))
        for path, encoder in _encoders(model.networks)
        if _is_published(encoder, bags)
    }
    tensors = {
        f"{_NETWORKS}{name}": value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, value in _states(model.networks).items()
        if not name.startswith(tuple(f"{path}." for path in published))
    }
    if normaliser is not None:
        tensors |= {_MEAN: torch.from_numpy(normaliser.mean), _STD: torch.from_numpy(normaliser.std)}
    _write_tensors(folder / WEIGHTS, tensors)
    ModelDescription(
        method=method.card.name,
        method_version=method_version(type(method)),
        params=method.params.as_dict(),
        task=FittedTask.of(method.task),
        bags=Bags.of(bags),
        precision=run.precision,
        root_seed=run.seeds.root,
        facts=dict(model.facts),
        published=published,
        normalised=normaliser is not None,
        weights_sha256=sha256_file(folder / WEIGHTS),
    ).write(folder)
    return True


def load_weights(folder: Path, description: ModelDescription, networks: Mapping[str, nn.Module]) -> Normaliser | None:
    """Put the stored weights into networks that were built again, and set these to evaluation.

    Returns:
        What features are standardised by.

    Raises:
        DataError: the file is missing or damaged, of other networks, or a published encoder has other weights now.
    """
    path = folder / WEIGHTS
    if not path.is_file() or sha256_file(path) != description.weights_sha256:
        problem = "is not what model.json says" if path.exists() else "is missing"
        raise DataError(
            f"the file of weights {problem}", place=str(path), fix="get the folder again from where it was made"
        )
    stored: dict[str, Tensor] = read_checkpoint(path)
    for place, encoder in _encoders(networks):
        if (known := description.published.get(place)) is not None and weights_sha256(encoder) != known.sha256:
            raise DataError(
                f"encoder {known.name} has other weights than the model was trained with "
                f"(SHA-256 {weights_sha256(encoder)[:12]}, then {known.sha256[:12]})",
                place=str(folder),
                fix="get the weights that were published then",
            )
    left_out = tuple(f"{place}." for place in description.published)
    wanted = {name: value for name, value in _states(networks).items() if not name.startswith(left_out)}
    _check(wanted, {name: stored[f"{_NETWORKS}{name}"] for name in wanted if f"{_NETWORKS}{name}" in stored}, path)
    with torch.no_grad():
        for name, value in wanted.items():
            value.copy_(stored[f"{_NETWORKS}{name}"])
    for network in networks.values():
        network.eval()
    if not description.normalised:
        return None
    if _MEAN not in stored or _STD not in stored:
        raise _of_others(f"it lacks {_MEAN}", path)
    return Normaliser(stored[_MEAN].numpy(), stored[_STD].numpy())


def _check(wanted: Mapping[str, Tensor], stored: Mapping[str, Tensor], path: Path) -> None:
    for name, value in wanted.items():
        if name not in stored:
            raise _of_others(f"it lacks {name}", path)
        if stored[name].shape != value.shape:
            raise _of_others(f"{name} is {tuple(stored[name].shape)}, the network's {tuple(value.shape)}", path)


def _of_others(why: str, path: Path) -> DataError:
    return DataError(
        f"these are not the weights of the network that the method builds: {why}",
        place=str(path),
        fix="use the version of the method that the model was trained with (method_version in model.json)",
    )


def _states(networks: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """Weights and buffers of all networks, the tensors themselves, by ``network.name``."""
    return {f"{name}.{key}": value for name, network in networks.items() for key, value in network.state_dict().items()}


def _encoders(networks: Mapping[str, nn.Module]) -> Iterator[tuple[str, TileEncoder]]:
    """The tile encoders within the networks, by their paths."""
    for name, network in networks.items():
        for path, part in network.named_modules():
            if isinstance(part, TileEncoder):
                yield f"{name}.{path}" if path else name, part


def _is_published(encoder: TileEncoder, bags: BagSource) -> bool:
    """Whether an encoder is frozen and has the weights that its name stands for, whatever the seed."""
    if any(parameter.requires_grad for parameter in encoder.parameters()):
        return False
    original = build_encoder(encoder.name, tile_px=bags.scales[0].tile_px, seed=_ANY_SEED)
    return weights_sha256(original) == weights_sha256(encoder)


def _write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    with replacing(path) as temporary:
        try:
            save_file(dict(tensors), temporary)
            temporary.chmod(path.parent.stat().st_mode & 0o666)  # as any other file; it makes private ones
        except SafetensorError as error:
            raise MethodError(
                f"the weights cannot be written: {str(error).splitlines()[0]}",
                place=str(path),
                fix="free some space, or leave models out with --no-keep-model",
            ) from error
