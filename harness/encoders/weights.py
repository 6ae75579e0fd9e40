"""Weights: their hash, and finding a network's own among what a checkpoint file holds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from harness.core import console
from harness.core.errors import DataError
from harness.encoders.checkpoint_file import read_checkpoint

PREFERRED = ("teacher", "state_dict", "model_state_dict", "model", "net", "student")
"""Where a file holds the network more than once, the first of these is read: DINO evaluates its teacher, and averaged
copies lie beside what the others name."""

HEADS = ("head.", "dino_head.", "ibot_head.", "projector.", "projection_head.", "prototypes.", "predictor.")
"""Heads of self-supervised training, which features do not need."""

UNUSED = ("num_batches_tracked", "mask_token", "attn_mask", "relative_position_index", "total_ops", "total_params")
"""Last parts of names of entries without an effect on features."""

_DEEPEST = 4


@dataclass(frozen=True)
class Loaded:
    """What was taken from a checkpoint file.

    Attributes:
        part: names that lead to the weights within the file, such as ``("teacher",)``.
        prefix: what stood in front of every name, such as ``module.backbone.``.
        weights: number of weights and buffers that were loaded.
        missing: buffers that the file lacks and that have no effect on features.
        unused: entries of that part of the file which the network has not: heads, other networks.
    """

    part: tuple[str, ...]
    prefix: str
    weights: int
    missing: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Found:
    """A dictionary of tensors within a file, and the prefix under which most of a network's names are in it."""

    part: tuple[str, ...]
    prefix: str
    entries: Mapping[str, Tensor]
    fitting: int

    @property
    def own(self) -> dict[str, Tensor]:
        """The entries under the prefix, without it."""
        return {k.removeprefix(self.prefix): v for k, v in self.entries.items() if k.startswith(self.prefix)}

    @property
    def rank(self) -> tuple[int, int]:
        """What is chosen first sorts first: most weights that fit, then the preferred name."""
        names = (*self.part, *self.prefix.split("."))
        ranks = [PREFERRED.index(name) for name in names if name in PREFERRED]
        return -self.fitting, min(ranks, default=len(PREFERRED))

    @property
    def name(self) -> str:
        """Part and prefix, for people."""
        return ".".join([*self.part, self.prefix.rstrip(".")]).strip(".") or "the top level"


def weights_sha256(module: nn.Module) -> str:
    """SHA-256 over the names, types, shapes and bytes of all weights and saved buffers; the same on every device."""
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        data = value.detach().cpu().contiguous()
        digest.update(f"{name}|{data.dtype}|{tuple(data.shape)}|".encode())
        digest.update(data.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def load_file(
    module: nn.Module,
    path: Path,
    *,
    name: str,
    dropped: Sequence[str] = (),
    rename: Callable[[Mapping[str, Tensor]], dict[str, Tensor]] = dict,
) -> Loaded:
    """Load weights into ``module`` from a file of weights or a training program's checkpoint.

    The weights may lie under any names (``teacher``, ``state_dict``, ``model``, ...) and behind any prefix of all of
    them (``module.``, ``backbone.``, ``encoder.``). Every weight of the network must be there with its shape; beside
    them there may be heads and what lies outside the prefix, but nothing that belongs to another network.

    Args:
        module: the network.
        path: ``.safetensors``, or a file by ``torch.save``; no code in it is run, see
            :func:`~harness.encoders.checkpoint_file.read_checkpoint`.
        name: name of the network, for the error.
        dropped: prefixes of entries that the file may have and the module has not: the classifier head, and what
            was cut away.
        rename: gives the entries of a file the module's names, where the program that wrote it has others.

    Returns:
        What was loaded, and what the file has beside it. The same is shown where the file is more than bare weights.

    Raises:
        DataError: no such file, not a weights file, the weights of another network, or two different copies of the
            network none of which is preferred.
    """
    wanted = module.state_dict()
    needed = {key: value for key, value in wanted.items() if not key.endswith(UNUSED)}
    found = _best(read_checkpoint(path), needed, path, rename)
    own = found.own
    absent = [key for key in wanted if key not in own]
    missing = [key for key in absent if key in needed]
    beside = [key for key in own if key not in wanted]
    unexpected = [key for key in beside if not (key.startswith((*dropped, *HEADS)) or key.endswith(UNUSED))]
    reshaped = [
        f"{key} {tuple(own[key].shape)} for {tuple(value.shape)}"
        for key, value in wanted.items()
        if key in own and own[key].shape != value.shape
    ]
    if missing or unexpected or reshaped:
        faults = {"missing": missing, "unexpected": unexpected, "of another shape": reshaped}
        listed = "; ".join(f"{len(keys)} {fault} ({_some(keys)})" for fault, keys in faults.items() if keys)
        raise DataError(
            f"these are not the weights of {name}: {listed}; {found.fitting} of {len(needed)} fit, in {found.name}",
            place=str(path),
            fix=f"give a file saved from {name}, or name the network that the file belongs to",
        )
    module.load_state_dict({key: own.get(key, value) for key, value in wanted.items()})
    used = {f"{found.prefix}{key}" for key in wanted}
    unused = [key for key in found.entries if key not in used]
    loaded = Loaded(found.part, found.prefix, len(wanted) - len(absent), tuple(absent), tuple(unused))
    if loaded.part or loaded.prefix or loaded.unused:
        unread = f"; not used: {_some(loaded.unused)} ({len(loaded.unused)})" if loaded.unused else ""
        console.note(f"{name}: {loaded.weights} weights from {found.name} of {path.name}{unread}")
    return loaded


def _best(
    content: Any,
    needed: Mapping[str, Tensor],
    path: Path,
    rename: Callable[[Mapping[str, Tensor]], dict[str, Tensor]],
) -> _Found:
    """The part of the file that holds most of the network.

    Raises:
        DataError: no tensors by name, or several parts hold the network, differ, and none has a preferred name.
    """
    parts = [(part, rename(entries)) for part, entries in _parts(content)]
    candidates = [found for part, entries in parts for found in _behind_prefixes(part, entries, needed)]
    candidates.sort(key=lambda found: found.rank)
    if not candidates:
        raise DataError(
            "not a readable weights file: it holds no tensors by name",
            place=str(path),
            fix="save the weights alone, with torch.save(model.state_dict(), PATH) or safetensors",
        )
    best, *others = candidates
    for other in others:
        if other.rank == best.rank and other.fitting == len(needed) and _differ(best.own, other.own, needed):
            raise DataError(
                f"the file holds the network twice, with different weights: {best.name} and {other.name}",
                place=str(path),
                fix="save the one that is wanted alone, with torch.save or safetensors",
            )
    return best


def _parts(content: Any, part: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], dict[str, Tensor]]]:
    """Every dictionary within ``content`` that holds tensors, with the names that lead to it."""
    if not isinstance(content, Mapping) or len(part) > _DEEPEST:
        return
    tensors = {key: value for key, value in content.items() if isinstance(key, str) and isinstance(value, Tensor)}
    if tensors:
        yield part, tensors
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _parts(value, (*part, str(key)))


def _behind_prefixes(
    part: tuple[str, ...], entries: Mapping[str, Tensor], needed: Mapping[str, Tensor]
) -> Iterator[_Found]:
    """The network behind every prefix that may hold it."""
    prefixes = {""} | {key.removesuffix(name) for name in needed for key in entries if key.endswith(f".{name}")}
    for prefix in sorted(prefixes):
        places = [(entries.get(f"{prefix}{name}"), value.shape) for name, value in needed.items()]
        yield _Found(part, prefix, entries, sum(found is not None and found.shape == shape for found, shape in places))


def _differ(one: Mapping[str, Tensor], other: Mapping[str, Tensor], names: Iterable[str]) -> bool:
    return any(not torch.equal(one[name], other[name]) for name in names)


def _some(keys: Sequence[str], count: int = 3) -> str:
    return ", ".join(keys[:count]) + (" ..." if len(keys) > count else "")
