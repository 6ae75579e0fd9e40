"""The options that a stored study was run with, so that more of its folds and seeds can be run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.api.card import Preset
from harness.api.registry import find_method
from harness.core.errors import DataError
from harness.core.plain_json import plain
from harness.studies.config import StudyConfig
from harness.studies.resolve import ResolvedStudy, resolve
from harness.studies.tuning.settings import TuneSettings

if TYPE_CHECKING:
    from harness.results.studies import Study


@dataclass(frozen=True, kw_only=True)
class Where:
    """Where a study goes on; nothing of it enters the identity of its units.

    Attributes:
        out: the runs folder.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        data_root, cache: folders, as for ``bench run``.
        workers: processes for reading.
    """

    out: Path
    device: str = "auto"
    data_root: Path | None = None
    cache: Path | None = None
    workers: int | None = None


def again(study: Study, where: Where) -> tuple[StudyConfig, ResolvedStudy]:
    """The options that a study with finished units was run with, for all folds of its protocol, and what they lead to.

    Raises:
        UsageError: its method or dataset is not there, or its settings are not those of this version.
    """
    spec, stored = study.records[0].spec, study.config or study.records[0].config
    tuning = spec.get("tuning")
    config = StudyConfig(
        method=study.method,
        dataset=study.dataset,
        protocol=study.protocol,
        preset=str(stored.get("preset") or "none"),
        set=_set(study, tuning),
        precision=spec.get("precision", "auto"),
        devices=spec.get("devices", 1),
        features=Path(stored["features"]) if stored.get("features") else None,
        tune=None if tuning is None else TuneSettings(**{k: v for k, v in tuning.items() if k != "fixed"}),
        **vars(where),
    )
    resolved = resolve(config)
    used = resolved.input.model_dump(mode="json")
    different = {f"input.{k}": spec["input"][k] for k in used if spec["input"].get(k, used[k]) != used[k]}
    if different:
        config = config.model_copy(update={"set": {**config.set, **different}})
        resolved = resolve(config)
    return config, resolved


def _set(study: Study, tuning: Mapping[str, Any] | None) -> dict[str, Any]:
    """The hyper-parameters that are not those of the preset or the method; of a tuned study those that were fixed."""
    spec, stored = study.records[0].spec, study.config or study.records[0].config
    method = find_method(study.method)
    name = stored.get("preset")
    preset = method.card.presets.get(str(name), Preset(help="")) if name else Preset(help="")
    usual = plain(method.Params.build(preset.params, place=f"hyper-parameters of {study.method}").as_dict())
    fixed = () if tuning is None else tuning.get("fixed", ())
    return {key: value for key, value in spec["params"].items() if key in fixed or usual.get(key) != value}


def check_same(study: Study, found: str) -> None:
    """Refuse to go on with a study under another identity.

    Args:
        study: the stored one.
        found: the id that its options lead to now.

    Raises:
        DataError: they are not the same.
    """
    if found != study.study_id:
        raise DataError(
            f"run again with its options it would be another study: {found}",
            place=study.study_id,
            fix="the data, the method's version or this version of wsibench has changed since; run both studies anew",
        )
