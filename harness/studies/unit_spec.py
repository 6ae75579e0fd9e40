"""The identity of a unit: everything that its result depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from harness.api.code_version import TRAINING_VERSION
from harness.verification.identity import study_id_of, unit_id_of


@dataclass(frozen=True, kw_only=True)
class UnitSpec:
    """One method × dataset × fold × seed × parameters, content-addressed.

    Attributes:
        method, method_version: name, and declared version (of an undeclared one a hash of its source).
        training_version: declared version of the training that all methods share.
        params: all hyper-parameters.
        dataset, dataset_fingerprint: name, and SHA-256 over labels and content of the slides.
        protocol, protocol_settings: name, and its settings (how selected, threshold, normalisation).
        split_sha256: SHA-256 of the split file.
        repeat, fold, seed: which part of the protocol.
        input: input settings (kind, encoder, mpp, tile_px, align, resampler).
        precision: ``fp32``, ``bf16`` or ``fp16``.
        tuning: how the hyper-parameters were searched, ``params`` being where the search began; None where they were
            not. What a unit was trained with follows from both.
        inner: names the inner fold of a trial, whose test slides are left alone, or says ``watched`` for a training of
            ``bench selection-bias``; empty for a unit that is tested.
        devices: how many devices train it together. What is drawn by chance inside a network differs between them, and
            batch norm over chunks of a step has other chunks, so the numbers that come out depend on it.
    """

    method: str
    method_version: str
    params: Mapping[str, Any]
    dataset: str
    dataset_fingerprint: str
    protocol: str
    protocol_settings: Mapping[str, Any]
    split_sha256: str
    repeat: int
    fold: int
    seed: int
    input: Mapping[str, Any]
    precision: str
    tuning: Mapping[str, Any] | None = None
    inner: str = ""
    devices: int = 1
    training_version: int = TRAINING_VERSION

    def as_dict(self) -> dict[str, Any]:
        """All fields, JSON-able; without those of tuning and of several devices where there are none."""
        ordinary = {"tuning": None, "inner": "", "devices": 1}
        return {name: value for name, value in asdict(self).items() if name not in ordinary or value != ordinary[name]}

    @property
    def unit_id(self) -> str:
        """Readable and unique: ``gated_abmil-musk1-r0f3-s0-<12 hex digits>``."""
        return unit_id_of(self.as_dict())

    @property
    def study_id(self) -> str:
        """The same for all folds and seeds of one leaderboard row."""
        return study_id_of(self.as_dict())
