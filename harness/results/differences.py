"""What tells studies apart: encoder, resolution, preset and the settings that differ; a hash only as a last resort."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.results.studies import Study

UNSET = "unset"
"""Value of a setting that a study does not have."""
_PER_UNIT = ("repeat", "fold", "seed")
_OWN_COLUMN = ("method", "dataset", "protocol", "preset", "input.encoder", "input.mpp")
_MOST = 5


@dataclass(frozen=True)
class Distinction:
    """What a study is, beside the others of its table.

    Attributes:
        encoder: name of the tile encoder; empty where there is none.
        mpp: resolutions in microns per pixel; empty where they are unknown.
        preset: of the method; empty where none was used.
        settings: the other settings in which studies of the same method differ, by dotted name.
    """

    encoder: str
    mpp: tuple[float, ...]
    preset: str
    settings: Mapping[str, Any]


def distinctions(studies: Sequence[Study]) -> list[Distinction]:
    """What tells each of some studies with finished units from the others of its method."""
    flat = [settings_of(study) for study in studies]
    peers: dict[str, list[dict[str, Any]]] = {}
    for study, own in zip(studies, flat, strict=True):
        peers.setdefault(study.method, []).append(own)
    differing_in = {method: differing(some) for method, some in peers.items()}
    found = []
    for study, own in zip(studies, flat, strict=True):
        differ = differing_in[study.method]
        mpp = own.get("input.mpp") or ()
        found.append(
            Distinction(
                encoder=str(own.get("input.encoder") or ""),
                mpp=tuple(mpp) if isinstance(mpp, list | tuple) else (mpp,),
                preset=str(own.get("preset") or ""),
                settings={name: own[name] for name in differ if name in own and name not in _OWN_COLUMN},
            )
        )
    return found


def differing(flat: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of the settings that are not the same in all of ``flat``; hashes only where nothing else differs."""
    names = [name for name in dict.fromkeys(name for one in flat for name in one) if name not in _PER_UNIT]
    differ = [name for name in names if any(one.get(name, UNSET) != flat[0].get(name, UNSET) for one in flat)]
    words = [name for name in differ if not any(_is_hash(one.get(name)) for one in flat)]
    return words or differ


def settings_of(study: Study) -> dict[str, Any]:
    """All settings of a study with finished units, by dotted name; hyper-parameters without a prefix."""
    preset = (study.config or study.records[0].config).get("preset")
    return {**_flat(study.records[0].spec), **({"preset": preset} if preset else {})}


def settings_text(settings: Mapping[str, Any]) -> str:
    """``lr=0.01, gated=true``, of many the first ones and how many more."""
    texts = [f"{name}={setting_text(value)}" for name, value in settings.items()]
    return ", ".join(texts[:_MOST]) + (f", and {len(texts) - _MOST} more" if len(texts) > _MOST else "")


def setting_text(value: Any) -> str:
    """The value of a setting; of a hash the beginning."""
    if _is_hash(value):
        return str(value)[:12]
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(setting_text, value))}]"
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def mpp_text(mpp: Sequence[float] | None) -> str:
    """``0.5`` or ``0.5 + 2``, in microns per pixel."""
    return " + ".join(f"{one:g}" for one in mpp or ())


def _is_hash(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[0-9a-f]{64}", value) is not None


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted name; those of the method without a prefix."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= _flat(value, "" if name == "params" else f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found
