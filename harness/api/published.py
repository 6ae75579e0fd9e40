"""The input that a method was published with, and in what another input differs from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

_TOLERANCE = 0.05
"""Resolutions that differ by less are the same: scanners of one nominal magnification differ by more."""


@dataclass(frozen=True, kw_only=True)
class PublishedInput:
    """An input of whole slides that a method is defined on.

    Attributes:
        source: where the values are stated: sections of the paper, files of the repository.
        kind: ``features`` of a frozen encoder, or ``tiles`` (the encoder is trained).
        encoder: encoder name (see ``harness.encoders.names``). Without ``encoder_available`` a description, or
            ``file:NETWORK`` for that network with weights which the user has to supply.
        mpp: resolutions in microns per pixel, the finest first: their number and ratios are the method's scales.
        tile_px: side of a tile in pixels.
        encoder_available: whether ``encoder`` is a name that can be built without further files.
    """

    source: str
    kind: Literal["features", "tiles"]
    encoder: str
    mpp: tuple[float, ...]
    tile_px: int
    encoder_available: bool = True

    @classmethod
    def of(cls, settings: Mapping[str, Any], *, source: str) -> PublishedInput:
        """The input settings of a preset that holds a published configuration."""
        return cls(source=source, **settings)

    def as_settings(self) -> dict[str, Any]:
        """The values as input settings, those that can be applied."""
        encoder = {"encoder": self.encoder} if self.encoder_available else {}
        return {"kind": self.kind, **encoder, "mpp": self.mpp, "tile_px": self.tile_px}

    def as_dict(self) -> dict[str, Any]:
        """All values, JSON-able."""
        values = {"kind": self.kind, "encoder": self.encoder, "mpp": list(self.mpp), "tile_px": self.tile_px}
        return values | {"source": self.source}

    def differences(self, used: Mapping[str, Any]) -> tuple[str, ...]:
        """What differs in ``used`` (input settings): ``encoder resnet18 (published: resnet50)``, one text each."""
        same = {
            "kind": used["kind"] == self.kind,
            "encoder": self._same_encoder(str(used["encoder"])),
            "mpp": _same_resolutions(used["mpp"], self.mpp),
            "tile_px": used["tile_px"] == self.tile_px,
        }
        published = self.as_dict()
        return tuple(
            f"{name} {_text(used[name])} (published: {_text(published[name])})" for name in same if not same[name]
        ) + tuple(f"{name} {used[name]}" for name in ("align", "resampler") if name in used)

    def _same_encoder(self, used: str) -> bool:
        return used == self.encoder or (self.encoder.startswith("file:") and used.startswith(f"{self.encoder}="))


def nearest_input(published: Sequence[PublishedInput], used: Mapping[str, Any]) -> PublishedInput | None:
    """The published input that ``used`` (input settings) differs from least; None where there is none."""
    return min(published, key=lambda one: len(one.differences(used)), default=None)


def _same_resolutions(used: Sequence[float], published: Sequence[float]) -> bool:
    return len(used) == len(published) and all(
        abs(mine - theirs) <= _TOLERANCE * theirs for mine, theirs in zip(used, published, strict=True)
    )


def _text(value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(f"{one:g}" for one in value) or "unknown"
    return str(value) or "unknown"
