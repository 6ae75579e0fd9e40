"""Where each value of a resolved study comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.api.card import Preset
    from harness.api.method import Method
    from harness.studies.config import StudyConfig

_OPTIONS = {"folds": "fold", "seeds": "seed"}
"""Values whose option has another name."""
_ALWAYS = ("device", "data_root", "out", "cache", "workers", "precision", "devices", "features", "method", "dataset")


def preset_origin(config: StudyConfig, name: str | None) -> str:
    """A preset and who has chosen it."""
    chosen = "dataset card" if config.preset is None else config.origins.get("preset", "command line")
    return "no preset" if name is None else f"preset {name} ({chosen})"


def origins_of(
    config: StudyConfig, method: type[Method], name: str | None, preset: Preset, input_origins: Mapping[str, str]
) -> dict[str, str]:
    """Dotted name of a value of the resolved configuration → where it comes from.

    Args:
        config: what was asked for.
        method: the method.
        name, preset: the preset.
        input_origins: of the input settings.
    """
    found = {value: config.origin(value) for value in _ALWAYS}
    found |= {value: config.origin(option) for value, option in _OPTIONS.items()}
    if "seeds" in config.origins:
        found["seeds"] = config.origins["seeds"]
    found["protocol"] = "dataset card" if config.protocol is None else config.origin("protocol")
    found["preset"] = config.origin("preset") if config.preset or name is None else "dataset card"
    for key, (_, field, _) in method.Params.describe().items():
        if key in config.set:
            found[f"params.{key}"] = config.origins.get(f"set.{key}", "command line")
        elif key in preset.params:
            found[f"params.{key}"] = preset_origin(config, name)
        else:
            found[f"params.{key}"] = f"default ({field.source})"
    found |= {f"input.{key}": origin for key, origin in input_origins.items()}
    return found | {"labels": "method card", "published_input": "method card", "protocol_settings": "dataset card"}
