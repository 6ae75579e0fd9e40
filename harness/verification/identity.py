"""The names of units and studies: hashes of what their results depend on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.core.hashing import sha256_json

_PER_UNIT = frozenset({"repeat", "fold", "seed", "inner"})
_DIGITS = 12


def unit_id_of(spec: Mapping[str, Any]) -> str:
    """Readable and unique: ``gated_abmil-musk1-r0f3-s0-<12 hex digits>``.

    Args:
        spec: all fields of a unit's specification, see :class:`harness.studies.unit_spec.UnitSpec`.

    Raises:
        KeyError, ValueError, TypeError: it is no specification.
    """
    trial = f"-{spec['inner']}" if spec.get("inner") else ""
    short = sha256_json(dict(spec))[:_DIGITS]
    return f"{spec['method']}-{spec['dataset']}-r{spec['repeat']}f{spec['fold']}-s{spec['seed']}{trial}-{short}"


def study_id_of(spec: Mapping[str, Any]) -> str:
    """The same for all folds and seeds of one leaderboard row; for ``spec`` and errors see :func:`unit_id_of`."""
    shared = {name: value for name, value in spec.items() if name not in _PER_UNIT}
    return f"{spec['method']}-{spec['dataset']}-{spec['protocol']}-{sha256_json(shared)[:_DIGITS]}"


def sibling(spec: Mapping[str, Any], repeat: int, fold: int, seed: int) -> str:
    """Name of another unit of the same study."""
    return unit_id_of({**spec, "repeat": repeat, "fold": fold, "seed": seed})
