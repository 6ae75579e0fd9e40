"""Making the features of a dataset by themselves, before any study that uses them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from harness.core import console
from harness.core.errors import UsageError
from harness.core.resources import cache_root
from harness.datasets.card import InputSettings
from harness.datasets.catalog import find_dataset
from harness.encoders.check import check_encoder
from harness.encoders.names import parse_name, plain
from harness.encoders.table import row_of
from harness.features.extraction import Extraction
from harness.studies.study_input import DEFAULTS

if TYPE_CHECKING:
    from harness.datasets.dataset import Dataset
    from harness.features.store import FeatureStore


@dataclass(frozen=True, kw_only=True)
class ExtractConfig:
    """What features are made of, and how.

    Attributes:
        dataset: dataset name, or the path of a folder with a card.
        encoder: encoder name, see ``harness.encoders``.
        mpp, tile_px: the tiles; None takes what ``bench run`` takes: the card's, or the default.
        protocol: the protocol whose slides are encoded; None for the card's default.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        extraction: precision, number type, batch, devices.
        data_root: where the dataset's files are.
        cache: where features go; None for the default.
        workers: processes and threads for reading; None for the number of cores.
    """

    dataset: str
    encoder: str
    mpp: float | None = None
    tile_px: int | None = None
    protocol: str | None = None
    device: str = "auto"
    extraction: Extraction = field(default_factory=Extraction)
    data_root: Path | None = None
    cache: Path | None = None
    workers: int | None = None


def extract(config: ExtractConfig) -> FeatureStore:
    """Make the features that are not there yet.

    Raises:
        UsageError: the dataset has no tiles, or the encoder does not exist or cannot take them.
        DataError: weights or slides are missing.
    """
    from harness.features.store import FeatureStore
    from harness.sources.open_inputs import open_inputs
    from harness.sources.opening import Opening
    from harness.training.device import choose_device, choose_precision

    dataset = find_dataset(config.dataset)
    settings = input_of(config, dataset)
    device = choose_device(config.device, config.extraction.devices)
    choose_precision(config.extraction.precision, device)
    splits = dataset.splits(dataset.protocol(config.protocol)[0])
    used = dict.fromkeys(slide for fold in splits.folds for _, part in fold.parts() for slide in part)
    opening = Opening(
        settings=settings,
        slides=tuple(used),
        data_root=config.data_root,
        cache=config.cache or cache_root(),
        workers=config.workers or os.cpu_count() or 1,
        device=device,
        extraction=config.extraction,
    )
    folder = open_inputs(dataset, opening).feature_set
    assert folder is not None
    return FeatureStore.open(folder)


def input_of(config: ExtractConfig, dataset: Dataset) -> InputSettings:
    """The tiles and the encoder, checked.

    Raises:
        UsageError: see :func:`extract`.
    """
    source = dataset.card.source
    if "encoder" not in source.reads:
        raise UsageError(
            f"dataset {dataset.name} comes as {source.comes_as}",
            place="NAME",
            fix="choose a dataset of slides or patches",
        )
    card = next((one for one in dataset.card.inputs if one.kind == "features"), None)
    if card is None:
        raise UsageError(
            f"dataset {dataset.name} offers tiles alone",
            place=f"inputs of {dataset.name}'s card",
            fix="add `- {kind: features}` to them",
        )
    named = {name: getattr(card, name) for name in card.model_fields_set}
    asked: dict[str, Any] = {"mpp": config.mpp and (config.mpp,), "tile_px": config.tile_px}
    asked = {name: value for name, value in asked.items() if value is not None}
    for name in asked:
        if name not in source.reads:
            raise UsageError(
                f"{name} has no effect on dataset {dataset.name}: it comes as {source.comes_as}",
                place=f"--{name.replace('_', '-')}",
                fix="leave it out",
            )
    layers: list[Mapping[str, Any]] = [DEFAULTS["features"], named, source.fixed, asked]
    values = {name: value for layer in layers for name, value in layer.items()}
    try:
        settings = InputSettings.model_validate({**values, "kind": "features", "encoder": plain(config.encoder)})
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(
            f"{'.'.join(map(str, first['loc']))}: {first['msg']}", place="bench features extract", fix="correct it"
        ) from None
    check_encoder(settings.encoder, tile_px=settings.tile_px)
    _note_resolution(settings)
    return settings


def _note_resolution(settings: InputSettings) -> None:
    """Say where tools use the encoder at another resolution."""
    row = row_of(parse_name(settings.encoder).model)
    if row is None or not row.mpp or not settings.mpp or settings.mpp[0] in row.mpp:
        return
    usual = " or ".join(f"{mpp:g}" for mpp in row.mpp)
    console.warn(f"{row.name} is used at {usual} microns per pixel, and these tiles have {settings.mpp[0]:g} (--mpp)")
