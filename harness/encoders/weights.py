"""Weights: their hash, and reading them from a local file without running any code of it."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from harness.errors import DataError

# Under these keys training programs store the weights beside other state, the more specific first.
_NESTED = ("state_dict", "model_state_dict", "model")


def weights_sha256(module: nn.Module) -> str:
    """SHA-256 over the names, types, shapes and bytes of all weights and saved buffers; the same on every device."""
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        data = value.detach().cpu().contiguous()
        digest.update(f"{name}|{data.dtype}|{tuple(data.shape)}|".encode())
        digest.update(data.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def load_file(module: nn.Module, path: Path, *, name: str, dropped: Sequence[str] = ()) -> None:
    """Load weights into ``module``; every weight must be in the file, with its shape, and nothing beside.

    Args:
        module: the network.
        path: ``.safetensors``, or a torch file that holds tensors only.
        name: name of the network, for the error.
        dropped: prefixes of entries that the file may have and the module has not: the classifier head, and what
            was cut away.

    Raises:
        DataError: no such file, not a weights file, or the weights of another network.
    """
    wanted = module.state_dict()
    found = _unwrap(_read(path), wanted)
    missing = [key for key in wanted if key not in found and not key.endswith("num_batches_tracked")]
    unexpected = [key for key in found if key not in wanted and not key.startswith(tuple(dropped))]
    reshaped = [
        f"{key} {tuple(found[key].shape)} for {tuple(value.shape)}"
        for key, value in wanted.items()
        if key in found and found[key].shape != value.shape
    ]
    if missing or unexpected or reshaped:
        faults = {"missing": missing, "unexpected": unexpected, "of another shape": reshaped}
        listed = "; ".join(f"{len(keys)} {fault} ({_some(keys)})" for fault, keys in faults.items() if keys)
        raise DataError(
            f"these are not the weights of {name}: {listed}",
            place=str(path),
            fix=f"give a file saved from {name}, or name the network that the file belongs to",
        )
    module.load_state_dict({key: found.get(key, value) for key, value in wanted.items()})


def _read(path: Path) -> Any:
    """The content of a weights file."""
    if not path.is_file():
        raise DataError("the weights file does not exist", place=str(path), fix="check the path behind file:NAME=")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file as load_safetensors

            return load_safetensors(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        raise _unreadable(path, error) from error
    except Exception as error:
        # safetensors raises a class of its own, straight below Exception.
        if type(error).__name__ != "SafetensorError":
            raise
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> DataError:
    reason = str(error).strip().splitlines()[0][:120] if str(error).strip() else type(error).__name__
    return DataError(
        f"not a readable weights file: {reason}",
        place=str(path),
        fix="give a .safetensors file, or a torch file with nothing but tensors (torch.save(model.state_dict()))",
    )


def _unwrap(content: Any, wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights within ``content``, without the wrapping that training programs add."""
    if not isinstance(content, Mapping):
        return {}
    for key in _NESTED:
        if isinstance(content.get(key), Mapping):
            content = content[key]
    found = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
    # A wrapper (DistributedDataParallel, a TileEncoder) puts one word in front of every name.
    while found and not found.keys() & wanted.keys():
        heads = {key.partition(".")[0] for key in found}
        if len(heads) != 1 or not all("." in key for key in found):
            break
        found = {key.partition(".")[2]: value for key, value in found.items()}
    return found


def _some(keys: Sequence[str], count: int = 3) -> str:
    return ", ".join(keys[:count]) + (" ..." if len(keys) > count else "")
