"""Encoder files that say which slides their weights learnt from.

A tuned encoder may be used in folds that train on all slides it has seen, and in no other. Its file carries their ids:
as metadata of a ``.safetensors`` file under the key ``training_slides``, or in ``FILE.training_slides.json`` beside any
file. (Files of 0.1 have ``shaped_by`` in both places, which is read as well.) Both hold the fields of
:class:`harness.features.manifest.TrainingSlides` as JSON.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.errors import DataError
from harness.encoders.names import parse_name
from harness.encoders.registry import weights_files
from harness.features.manifest import TrainingSlides

if TYPE_CHECKING:
    from torch import nn

_KEY, _OLD_KEY = "training_slides", "shaped_by"


def save_weights(module: nn.Module, path: Path, encoder_trained_on: TrainingSlides | None) -> None:
    """Write the weights of an encoder so that ``file:NAME=PATH`` reads them, with the slides they were trained on.

    Args:
        module: the encoder.
        path: a ``.safetensors`` file.
        encoder_trained_on: slides that it learnt from; None for published or drawn weights.
    """
    from safetensors.torch import save_file

    from harness.core.atomic import replacing

    tensors = {name: value.detach().cpu().contiguous() for name, value in module.state_dict().items()}
    with replacing(path) as temporary:
        # A set of no slides says that nothing was learnt from slides, which no entry at all would leave open.
        save_file(tensors, temporary, metadata={_KEY: json.dumps(asdict(encoder_trained_on or TrainingSlides(())))})


def training_slides_of(encoder: str) -> TrainingSlides | None:
    """The slides that the weights of an encoder learnt from, as far as they say.

    Args:
        encoder: encoder name, see :mod:`harness.encoders.names`.

    Returns:
        None for published and drawn weights, and for a file that does not say.

    Raises:
        UsageError: the name does not follow the grammar.
        DataError: what the file says cannot be read.
    """
    path = parse_name(encoder).file if encoder else None
    if path is None:
        return None
    try:
        if (text := _text(path)) is None:
            return None
        return TrainingSlides.from_dict({"chosen_on": ()} | json.loads(text))
    except (ValueError, KeyError, TypeError) as reason:
        raise DataError(
            f"which slides these weights were trained on cannot be read: {reason}",
            place=str(path),
            fix="save the encoder again with harness.features.training_slides.save_weights",
        ) from reason


def is_silent(encoder: str) -> bool:
    """Whether the weights come from a file that does not say what they learnt from."""
    return bool(encoder) and bool(weights_files(parse_name(encoder))) and training_slides_of(encoder) is None


def _text(path: Path) -> str | None:
    for key in (_KEY, _OLD_KEY):
        if (beside := path.with_name(f"{path.name}.{key}.json")).is_file():
            return beside.read_text(encoding="utf-8")
    if path.suffix != ".safetensors" or not path.is_file():
        return None
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            metadata: dict[str, str] = file.metadata() or {}
    except (SafetensorError, OSError):
        return None  # told when the weights are loaded
    return metadata.get(_KEY, metadata.get(_OLD_KEY))
